# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""StdRegProv: reading HKEY_LOCAL_MACHINE, in the 64-bit view that 64-bit Windows gives by default.

The class lives in root/cimv2 on current Windows and in root/default on every one (learn.microsoft.com "StdRegProv class").
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from .._errors import LimitError
from . import hresults
from .calls import Face, MethodFailedError, bounded, missing
from .wsman.faults import FaultError
from .wsman.instance import Instance
from .wsman.session import Session, Value

HKEY_LOCAL_MACHINE: Final = 0x80000002
NAMESPACES: Final = ("root/cimv2", "root/default")
CLASS_NAME: Final = "StdRegProv"

#: names of one key that are listed at most
MAX_NAMES: Final = 512
#: bytes of one binary value that are taken at most
MAX_BINARY: Final = 64 * 1024

REG_SZ, REG_EXPAND_SZ, REG_BINARY, REG_DWORD, REG_MULTI_SZ, REG_QWORD = 1, 2, 3, 4, 7, 11


class Registry:
    """The local machine's registry; every method is one request (a second one where root/cimv2 lacks the class, once a host).

    What does not exist reads as None; other result codes raise :class:`MethodFailedError`.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._namespaces: tuple[str, ...] = NAMESPACES

    @property
    def home(self) -> str:
        """The namespace of the class: the one that answered, and before any answer the first to be asked."""
        return self._namespaces[0]

    def subkeys(self, key: str) -> tuple[str, ...] | None:
        """EnumKey: names of the subkeys (at most 512); None where the key does not exist."""
        out = self._read("EnumKey", key)
        return None if out is None else _few(out.strings("sNames"), key)

    def values(self, key: str) -> Mapping[str, int] | None:
        """EnumValues: name to REG_ type (at most 512); None where the key does not exist, empty where it holds no named value."""
        out = self._read("EnumValues", key)
        if out is None:
            return None
        names, types = _few(out.strings("sNames"), key), out.integers("Types")
        if len(names) != len(types):
            raise missing("EnumValues", "one type for each name")
        return dict(zip(names, types, strict=True))

    def number(self, key: str, name: str, *, wide: bool = False) -> int | None:
        """GetDWORDValue, or GetQWORDValue for a wide one, unsigned."""
        out = self._read("GetQWORDValue" if wide else "GetDWORDValue", key, sValueName=name)
        value = None if out is None else out.integer("uValue")
        return value if value is None or wide else hresults.unsigned(value)

    def text(self, key: str, name: str, *, expanded: bool = False) -> str | None:
        """GetStringValue, or GetExpandedStringValue."""
        out = self._read("GetExpandedStringValue" if expanded else "GetStringValue", key, sValueName=name)
        return None if out is None else bounded(out.string("sValue"), name)

    def texts(self, key: str, name: str) -> tuple[str, ...] | None:
        """GetMultiStringValue."""
        out = self._read("GetMultiStringValue", key, sValueName=name)
        return None if out is None else _few(out.strings("sValue"), name)

    def binary(self, key: str, name: str) -> bytes | None:
        """GetBinaryValue, at most 64 KiB."""
        out = self._read("GetBinaryValue", key, sValueName=name)
        octets = None if out is None else out.octets("uValue")
        if octets is not None and len(octets) > MAX_BINARY:
            raise LimitError(f"read registry value {name}", target=key, meaning=f"it is longer than {MAX_BINARY} bytes")
        return octets

    def _read(self, method: str, key: str, **arguments: Value) -> Instance | None:
        try:
            return self._call(method, key, arguments)
        except MethodFailedError as error:
            if error.result in (hresults.ERROR_FILE_NOT_FOUND, hresults.HRESULT_FILE_NOT_FOUND):
                return None
            raise

    def _call(self, method: str, key: str, arguments: Mapping[str, Value]) -> Instance:
        first: FaultError | None = None
        for namespace in self._namespaces:
            face = Face(self._session, namespace, CLASS_NAME, rf"registry HKLM\{key}")
            try:
                out = face.read(method, hDefKey=HKEY_LOCAL_MACHINE, sSubKeyName=key, **arguments)
            except MethodFailedError:
                self._namespaces = (namespace,)
                raise
            except FaultError as error:
                # the form of "no such class" is unconfirmed for Invoke, so any fault but a time-out is a reason to ask the other home
                first = first or error
                if error.is_timeout:
                    break
                continue
            self._namespaces = (namespace,)
            return out
        raise first or missing(method, "answer")


def _few(names: tuple[str, ...], where: str) -> tuple[str, ...]:
    if len(names) > MAX_NAMES or any(len(name) > 1024 for name in names):
        raise LimitError("list the registry", target=where, meaning=f"there are more than {MAX_NAMES} names, or overlong ones")
    return names
