# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""A frozen dataclass for what is made by the hundred thousand.

Python makes a frozen dataclass three times as slowly as another one, which is a tenth of reading a large store. So type checkers hold these
classes frozen, and nobody asks again at run time; they are compared and hashed by their values as ever.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dataclasses import dataclass as bulk_dataclass
else:
    from dataclasses import dataclass

    def bulk_dataclass(*, frozen, slots, kw_only):
        """The decorator ``dataclass`` with these arguments, without the check of every assignment."""

        def made(plain):
            # pickled as a frozen one is, by the oldest protocols too
            plain.__getstate__, plain.__setstate__ = _state, _restore
            return dataclass(slots=slots, kw_only=kw_only, unsafe_hash=frozen)(plain)

        return made

    def _state(self):
        return [getattr(self, name) for name in self.__slots__]

    def _restore(self, state):
        for name, value in zip(self.__slots__, state, strict=True):
            setattr(self, name, value)


__all__ = ["bulk_dataclass"]
