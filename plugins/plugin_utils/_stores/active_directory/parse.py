# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""From the directory's raw values to owners and entries, pure; what is broken becomes a defect, never an exception.

Names and syntaxes: MS-ADA2 (msFVE-RecoveryGuid, msFVE-VolumeGuid), MS-ADTS 3.1.1.5.5 (tombstones), MS-DTYP 2.3.3 (FILETIME), 2.3.4 (GUID,
little-endian in memory), 2.4.2 (SID).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone

from ..._core.model import Entry, Owner
from .message import RawEntry
from .replication import METADATA_ATTRIBUTE, password_version

STORE = "ad"

_FILETIME_EPOCH = datetime(1601, 1, 1, tzinfo=UTC)
_RECOVERY_NAME = re.compile(r"\{([0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12})\}$")
#: up to the first comma that no backslash takes away
_FIRST_NAME = re.compile(r"(?:[^\\,]|\\.)*\\?", re.DOTALL)
_LOOKS_LIKE_RECOVERY_NAME = re.compile(r"^\d{4}-\d{2}-\d{2}T[^{]{0,40}\{")
_GENERALIZED_TIME = re.compile(r"^(\d{4})(\d\d)(\d\d)(\d\d)(?:(\d\d)(?:(\d\d))?)?(?:[.,]\d{1,9})?(Z|[+-]\d\d(?:\d\d)?)$", re.ASCII)
_ACCOUNT_DISABLED = 0x2
_CLUSTER_SERVICE = "msclustervirtualserver/"
_METADATA = METADATA_ATTRIBUTE.lower()


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """Which computers count in the report's denominator even if the inventory does not know them.

    ``idle_days``: a computer whose last logon (or, without one, creation) is longer ago is out of scope; None: never for that reason.
    """

    now: datetime
    idle_days: int | None = 90


def guid(value: bytes | None) -> str | None:
    """A GUID of sixteen little-endian bytes in lower case without braces, None for anything else."""
    if value is None or len(value) != 16:
        return None
    # uuid.UUID says the same in four times the time, and a large directory has a hundred thousand of them
    return f"{value[3::-1].hex()}-{value[5:3:-1].hex()}-{value[7:5:-1].hex()}-{value[8:10].hex()}-{value[10:].hex()}"


def sid(value: bytes | None) -> str | None:
    """A SID as text (MS-DTYP 2.4.2.2), None where the bytes are none."""
    if value is None or len(value) < 8 or value[0] != 1 or value[1] > 15 or len(value) != 8 + 4 * value[1]:
        return None
    authority = int.from_bytes(value[2:8], "big")
    parts = (int.from_bytes(value[at : at + 4], "little") for at in range(8, len(value), 4))
    return "-".join(["S-1", str(authority), *map(str, parts)])


def generalized_time(value: bytes | None) -> datetime | None:
    """A GeneralizedTime (RFC 4517 3.3.13, "20261122205952.0Z") as an aware time in UTC, None where it is none."""
    if value is None or len(value) > 32:
        return None
    match = _GENERALIZED_TIME.match(value.decode("ascii", "replace"))
    if not match:
        return None
    year, month, day, hour, minute, second, zone = match.groups()
    offset = timedelta()
    if zone != "Z":
        offset = timedelta(hours=int(zone[1:3]), minutes=int(zone[3:5] or 0)) * (-1 if zone[0] == "-" else 1)
    try:
        moment = datetime(int(year), int(month), int(day), int(hour), int(minute or 0), int(second or 0), tzinfo=timezone(offset))
        return moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def filetime(value: bytes | None) -> datetime | None:
    """A FILETIME in decimal digits as an aware time; None where there is none, for 0 (never) and for what no calendar holds."""
    number = integer(value)
    if number is None or number <= 0:
        return None
    try:
        return _FILETIME_EPOCH + timedelta(microseconds=number // 10)
    except OverflowError:
        return None


def integer(value: bytes | None) -> int | None:
    """A decimal integer of the directory (at most 20 characters), None where it is none."""
    if value is None or not re.fullmatch(rb"-?[0-9]{1,19}", value):
        return None
    return int(value)


def text(value: bytes | None) -> str | None:
    """A text value; bytes that are no UTF-8 become replacement characters."""
    return None if value is None else value.decode("utf-8", "replace")


def split_dn(dn: str) -> tuple[str, str]:
    """First name of a DN without its attribute type, unescaped (RFC 4514 section 3), and the DN of the parent ("" at the root)."""
    position = _first_name_end(dn)
    return _unescape(dn[:position].partition("=")[2]), dn[position + 1 :].lstrip()


def parent_dn(dn: str) -> str:
    """The second half of :func:`split_dn` alone; the first, with its escapes, is a third of the time of reading an entry."""
    return dn[_first_name_end(dn) + 1 :].lstrip()


def _first_name_end(dn: str) -> int:
    match = _FIRST_NAME.match(dn)
    return match.end() if match else 0


def _unescape(value: str) -> str:
    if "\\" not in value:
        return value
    octets = bytearray()
    position = 0
    while position < len(value):
        if value[position] != "\\":
            octets += value[position].encode("utf-8", "surrogatepass")
            position += 1
        elif re.fullmatch(r"[0-9a-fA-F]{2}", value[position + 1 : position + 3]):
            octets.append(int(value[position + 1 : position + 3], 16))
            position += 3
        else:
            octets += value[position + 1 : position + 2].encode("utf-8", "surrogatepass")
            position += 2
    return octets.decode("utf-8", "replace")


def dn_key(dn: str) -> str:
    """A DN in the form under which equal ones of one server are found again."""
    return dn.lower()


def is_recovery_name(name: str) -> bool:
    """Whether an object's name has the form that Windows gives to recovery objects, be its GUID sound or not."""
    name = live_name(name)
    return bool(_RECOVERY_NAME.search(name) or _LOOKS_LIKE_RECOVERY_NAME.match(name))


def live_name(name: str) -> str:
    """The name an object had before it was deleted: a tombstone's name is cut at its ``<LF>DEL:<GUID>`` (MS-ADTS 3.1.1.5.5.1.1)."""
    return name.partition("\nDEL:")[0]


def name_key_id(name: str) -> str | None:
    """The key ID in a recovery object's name (``<time>{GUID}``), lower case; None where it holds none."""
    match = _RECOVERY_NAME.search(live_name(name))
    return match[1].lower() if match else None


def _key_ids(name: str, values: list[bytes]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Key IDs and defects from the object's name and the values of msFVE-RecoveryGuid."""
    named = name_key_id(name)
    ids = list(dict.fromkeys(found for value in values if (found := guid(value)) is not None))
    defects = []
    if len(values) > 1:
        defects.append(f"msFVE-RecoveryGuid has {len(values)} values instead of one")
    if any(len(value) != 16 for value in values):
        wrong = next(len(value) for value in values if len(value) != 16)
        defects.append(f"msFVE-RecoveryGuid has {wrong} bytes instead of 16")
    if named is None:
        defects.append("the object's name holds no key ID")
    elif ids and named not in ids:
        defects.append(f"the object's name says key ID {named}, msFVE-RecoveryGuid says {' and '.join(ids[:2])}")
    if named is not None and named not in ids:
        ids.append(named)
    return tuple(ids[:2]), tuple(defects)


def parse_entry(raw: RawEntry, owner_id: str, *, deleted: bool = False) -> Entry:
    """One recovery object, metadata only.

    The key ID is msFVE-RecoveryGuid's and the name's. Where they disagree the entry stands for both and is malformed; where one cannot be
    read the other counts, and the entry is malformed; where neither can, it has no key ID. The schema demands the attribute, so an object
    without it is one whose attribute this account may not read. ``version`` is there where it was asked for.
    """
    name = text(raw.first("cn")) or split_dn(raw.dn)[0]
    values = list(raw.attributes.get("msfve-recoveryguid", ()))
    key_ids, defects = _key_ids(name, values)
    volume = raw.first("msfve-volumeguid")
    return Entry(
        store=STORE,
        owner_id=owner_id,
        entry_id=guid(raw.first("objectguid")) or dn_key(raw.dn),
        location=raw.dn,
        key_ids=key_ids,
        volume_guid=guid(volume),
        created=generalized_time(raw.first("whencreated")),
        deleted=deleted,
        readable=bool(values),
        defects=defects,
        version=password_version(raw.first(_METADATA)),
    )


def parse_hidden(dn: str, owner_id: str) -> Entry | None:
    """A recovery object of which the account sees nothing but the DN; None for an object of another kind (a name of another form)."""
    name = split_dn(dn)[0]
    if not is_recovery_name(name):
        return None
    key_id = name_key_id(name)
    return Entry(
        store=STORE,
        owner_id=owner_id,
        entry_id=dn_key(dn),
        location=dn,
        key_ids=(key_id,) if key_id else (),
        readable=False,
        defects=() if key_id else ("the object's name holds no key ID",),
    )


def parse_owner(raw: RawEntry, scope: Scope, *, deleted: bool = False) -> Owner:
    """One computer object.

    In scope: enabled, its operating system is known and a Windows, not idle for too long, no cluster name object, not deleted.
    Cluster name objects are told by a service principal name of class MSClusterVirtualServer.
    """
    name = live_name((text(raw.first("samaccountname")) or "").removesuffix("$") or text(raw.first("cn")) or split_dn(raw.dn)[0])
    system = text(raw.first("operatingsystem")) or ""
    control = integer(raw.first("useraccountcontrol")) or 0
    last_seen = filetime(raw.first("lastlogontimestamp"))
    cluster = any(
        value[: len(_CLUSTER_SERVICE)].lower() == _CLUSTER_SERVICE.encode() for value in raw.attributes.get("serviceprincipalname", ())
    )
    enabled = not control & _ACCOUNT_DISABLED
    active = last_seen or generalized_time(raw.first("whencreated"))
    idle = scope.idle_days is not None and active is not None and scope.now - active > timedelta(days=scope.idle_days)
    return Owner(
        store=STORE,
        owner_id=guid(raw.first("objectguid")) or dn_key(raw.dn) or "root",
        name=name,
        location=raw.dn,
        dns_name=(text(raw.first("dnshostname")) or "").rstrip(".").lower() or None,
        sid=sid(raw.first("objectsid")),
        enabled=enabled,
        in_scope=enabled and system.lower().startswith("windows") and not idle and not cluster and not deleted,
        cluster_name_object=cluster,
        deleted=deleted,
        last_seen=last_seen,
    )
