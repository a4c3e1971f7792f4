# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""Search filters (RFC 4515) from what users write; pure. Everything that is not ours is escaped, so a name can never become a filter."""

from __future__ import annotations

import re
import uuid

from ..._errors import OptionError

ANYTHING = "(objectClass=*)"
COMPUTERS = "(objectCategory=computer)"
ENTRIES = "(objectClass=msFVE-RecoveryInformation)"
DELETED_COMPUTERS = "(&(objectClass=computer)(isDeleted=TRUE))"
DELETED_ENTRIES = "(&(objectClass=msFVE-RecoveryInformation)(isDeleted=TRUE))"

_PLAIN = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._ ")
_HEX = re.compile(r"^[0-9a-f]{8,32}$")
_HYPHENS_AFTER = (8, 12, 16, 20)


def escape(value: str | bytes) -> str:
    """A value for use in a filter: every byte but letters, digits, hyphen, dot, underscore and space is written as ``\\xx``."""
    data = value.encode("utf-8", "surrogatepass") if isinstance(value, str) else value
    return "".join(chr(octet) if octet in _PLAIN else f"\\{octet:02x}" for octet in data)


def octets(value: bytes) -> str:
    """A binary value for use in a filter, every byte as ``\\xx``."""
    return "".join(f"\\{octet:02x}" for octet in value)


def computer(name: str) -> str:
    """Computers of this name: sAMAccountName (with or without the dollar sign), cn, or dNSHostName; case does not matter."""
    bare = escape(name.strip().removesuffix("$"))
    return f"(&(objectCategory=computer)(|(sAMAccountName={bare}$)(cn={bare})(dNSHostName={bare})))"


def computer_named(name: str) -> str:
    """As :func:`computer`, and dNSHostName only for a name with a dot: no directory need have it in an index, and it holds full names."""
    if "." in name:
        return computer(name)
    bare = escape(name.strip().removesuffix("$"))
    return f"(&(objectCategory=computer)(|(sAMAccountName={bare}$)(cn={bare})))"


def computer_of_id(guid: str) -> str:
    """The computer object of this objectGUID (a GUID as text)."""
    return f"(&(objectCategory=computer)(objectGUID={octets(uuid.UUID(guid).bytes_le)}))"


def entries_of_volume(guid: str) -> str:
    """Recovery objects of a volume's GUID (as text), which msFVE-VolumeGuid holds and every directory indexes."""
    return f"(&{ENTRIES}(msFVE-VolumeGuid={octets(uuid.UUID(guid).bytes_le)}))"


def key_digits(wanted: str) -> str:
    """A key ID, or the first 8 or more characters of one, as lower-case hexadecimal digits; braces, hyphens, spaces and case do not matter.

    Raises:
        OptionError: it is no such thing.
    """
    digits = re.sub(r"[{}\s-]", "", wanted).lower()
    if not _HEX.match(digits):
        raise OptionError(
            "use the option key_id",
            target=repr(wanted[:60]),
            meaning="it is no key ID and not the beginning of one",
            remedy="Give the key ID, or the first 8 or more of its characters as the recovery screen shows them.",
        )
    return digits


def key_text(digits: str) -> str:
    """Digits with hyphens where a GUID has them, also after the last one where a hyphen follows there."""
    return "".join(digit + ("-" if at in _HYPHENS_AFTER else "") for at, digit in enumerate(digits, start=1))


def entries_of_key(wanted: str) -> str:
    """Recovery objects of a key ID.

    The whole ID is looked for in msFVE-RecoveryGuid (indexed) and in the object's name, so that an object whose two disagree is found by
    either. The beginning of one is looked for in the name alone, as no directory indexes the inside of a binary value.
    """
    digits = key_digits(wanted)
    if len(digits) < 32:
        return f"(&{ENTRIES}(name=*\\7b{key_text(digits).upper()}*))"
    found = uuid.UUID(digits)
    return f"(&{ENTRIES}(|(msFVE-RecoveryGuid={octets(found.bytes_le)})(name=*\\7b{str(found).upper()}\\7d*)))"
