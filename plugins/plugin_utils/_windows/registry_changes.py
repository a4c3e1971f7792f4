# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""StdRegProv: writing to HKEY_LOCAL_MACHINE. Each call is one request that is never repeated by itself.

Methods: learn.microsoft.com "StdRegProv class". A lost answer leaves open whether the value was written: callers read again, and decide
anew.
"""

from __future__ import annotations

from . import hresults
from .calls import Face, MethodFailedError
from .registry import CLASS_NAME, HKEY_LOCAL_MACHINE, Registry
from .wsman.session import Session, Value


class RegistryChanges:
    """The local machine's registry, to be written to in the namespace that answered when it was read.

    A namespace that has no such class fails before anything is done, but which one has it is only known from a read: so read first.
    """

    def __init__(self, session: Session, registry: Registry) -> None:
        self._session = session
        self._registry = registry

    def create_key(self, key: str) -> None:
        """CreateKey: the key with every key above it; one that is there stays as it is."""
        self._change("CreateKey", key)

    def set_number(self, key: str, name: str, value: int) -> None:
        """SetDWORDValue, in a key that exists; a value of that name and another type becomes a REG_DWORD."""
        self._change("SetDWORDValue", key, sValueName=name, uValue=value)

    def delete_value(self, key: str, name: str) -> None:
        """DeleteValue; one that is not there (any more) is no error."""
        try:
            self._change("DeleteValue", key, sValueName=name)
        except MethodFailedError as error:
            if error.result not in (hresults.ERROR_FILE_NOT_FOUND, hresults.HRESULT_FILE_NOT_FOUND):
                raise

    def _change(self, method: str, key: str, **arguments: Value) -> None:
        face = Face(self._session, self._registry.home, CLASS_NAME, rf"registry HKLM\{key}")
        face.change(method, hDefKey=HKEY_LOCAL_MACHINE, sSubKeyName=key, **arguments)
