# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""The options of the doc fragment ``file_source`` as one checked value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..._core.key_files.tables import FIELDS
from ..._errors import OptionError

_MOST_COLUMNS = 256
#: lowest and highest value of each limit
_LIMITS = {"max_files": (1, 1_000_000), "max_file_mb": (1, 256), "max_depth": (0, 64), "max_pages": (1, 10_000), "timeout": (1, 3600)}


@dataclass(frozen=True, slots=True, kw_only=True)
class FileSettings:
    """Where files with keys lie, how their tables are to be read, and how much of them is read at most.

    ``columns``: by what a column holds (one of :data:`~..._core.key_files.tables.FIELDS`), its header or its number from 1. ``max_depth``
    is how far below a named folder files are looked for (0: in it alone). ``timeout`` is seconds for all files together.
    """

    paths: tuple[str, ...]
    columns: Mapping[str, str | int] = field(default_factory=dict)
    max_files: int = 10_000
    max_file_mb: int = 16
    max_depth: int = 8
    max_pages: int = 200
    timeout: int = 120

    def __post_init__(self) -> None:
        """Refuse what cannot be used.

        Raises:
            OptionError: it names the option.
        """
        if not self.paths or any(not path or "\0" in path for path in self.paths):
            raise _refused("paths", "no file or folder is named", "Name at least one.")
        if unknown := [name for name in self.columns if name not in FIELDS]:
            raise _refused("columns", f"{unknown[0]!r} is nothing that a column may hold", f"Use {', '.join(FIELDS)}.")
        if self.columns and not {"key_id", "recovery_password"} <= set(self.columns):
            raise _refused("columns", "key_id and recovery_password are not both named", "Name both, or no column at all.")
        if any(isinstance(wanted, int) and not 1 <= wanted <= _MOST_COLUMNS for wanted in self.columns.values()):
            raise _refused("columns", f"a number is outside 1 to {_MOST_COLUMNS}", "Columns are counted from 1.")
        for name, (low, high) in _LIMITS.items():
            if not low <= getattr(self, name) <= high:
                raise _refused(name, f"{getattr(self, name)} is outside {low} to {high}", "Choose a number within.")

    @classmethod
    def from_options(cls, options: Mapping[str, Any]) -> FileSettings:
        """The settings of a task's option ``file``.

        Raises:
            OptionError: an option cannot be used.
        """
        given = {name: options[name] for name in _LIMITS if options.get(name) is not None}
        paths = tuple(str(path) for path in options.get("paths") or ())
        return cls(paths=paths, columns=_columns(options.get("columns") or {}), **given)


def _columns(given: Mapping[str, Any]) -> dict[str, str | int]:
    """A number stays one; what Jinja made a text of it is one too."""
    found: dict[str, str | int] = {}
    for name, wanted in given.items():
        if isinstance(wanted, bool) or not isinstance(wanted, str | int) or (isinstance(wanted, str) and not wanted.strip()):
            raise _refused(
                "columns", f"the column of {name} is neither a header nor a number", "Give the header's text, or a number from 1."
            )
        found[str(name)] = int(wanted) if isinstance(wanted, str) and wanted.strip().isdecimal() else wanted
    return found


def _refused(option: str, meaning: str, remedy: str) -> OptionError:
    return OptionError("look for keys in files", target=f"option file.{option}", meaning=meaning, remedy=remedy)
