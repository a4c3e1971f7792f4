# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""Read the observation that volume_info returned back into types; bounded, and strict about what a verdict would rest on.

The shape is documented in the RETURN section of keyward.bitlocker.volume_info. An observation may come from a fact cache, a file or another
controller, so everything is checked: what does not fit raises :class:`BadDataError` with the path of the field.
"""

from __future__ import annotations

import base64
import re
import string
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, TypeGuard, TypeVar

from .._errors import BadDataError
from .model import FailureReason, Observation, ObservedProtector, ObservedVolume, ReadError
from .redaction import Secret

SCHEMA_VERSION = 1
#: bounds of what a host may list (DESIGN section 4)
MAX_VOLUMES = 64
MAX_PROTECTORS = 64
MAX_TEXT = 4096
#: of one key package: how often it was read, and the characters of 64 KiB in base64
MAX_READINGS = 4
_MAX_ENCODED = 88 * 1024
#: numbers are Windows' own; a much longer one could not even be written, as Python bounds the digits
_MAX_NUMBER = 2**64

_AROUND_KEY_ID = "{}" + string.whitespace
T = TypeVar("T")


def normalise_key_id(text: str) -> str:
    """A protector's ID in lower case without braces; texts that are no GUID (hardware drives say ``BitLocker``) are only lowered."""
    return text.strip(_AROUND_KEY_ID).lower()


def parse_time(text: str) -> datetime:
    """An ISO 8601 time with an offset or Z, in UTC; ValueError for anything else."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError("a time without an offset")
    try:
        return moment.astimezone(UTC)
    except OverflowError as error:
        raise ValueError("a time that no calendar holds in UTC") from error


class _Reader:
    """One mapping of the observation with its path, read field by field."""

    def __init__(self, host: str, path: str, data: object) -> None:
        self.host, self.path = host, path
        # a large fleet has hundreds of thousands of these: dict is asked for first because abstract classes are slow to ask
        if not isinstance(data, dict) and not isinstance(data, Mapping):
            raise self.bad("", "a mapping", data)
        self.data: Mapping[Any, Any] = data

    def bad(self, name: str, wanted: str, value: object, found: str = "") -> BadDataError:
        where = ".".join(part for part in (self.path, name) if part) or "observation"
        return BadDataError(
            "use an observation",
            target=f"{self.host}, field {where}",
            meaning=f"expected {wanted}, found {found or type(value).__name__}",
            remedy="Gather the host again with keyward.bitlocker.volume_info, or leave this observation out.",
        )

    def text(self, name: str) -> str | None:
        value = self.data.get(name)
        if value is None:
            return None
        # nearly every one, and there are millions in a large fleet
        if value.__class__ is str and len(value) <= MAX_TEXT and value.isascii():
            return value
        if not isinstance(value, str):
            raise self.bad(name, "a text", value)
        if not _is_text(value):
            raise self.bad(name, _A_TEXT, value, "one that is longer, or holds half characters")
        return str(value)

    def number(self, name: str) -> int | None:
        value = self.data.get(name)
        if value is None:
            return None
        if not isinstance(value, int) or isinstance(value, bool):
            raise self.bad(name, "a number", value)
        if abs(value) >= _MAX_NUMBER:
            raise self.bad(name, "a number of at most 64 bits", value, "a longer one")
        return value

    def truth(self, name: str) -> bool | None:
        value = self.data.get(name)
        if value is None or isinstance(value, bool):
            return value
        raise self.bad(name, "true or false", value)

    def section(self, name: str) -> _Reader:
        return _Reader(self.host, f"{self.path}.{name}" if self.path else name, _NOTHING if (v := self.data.get(name)) is None else v)

    def items(self, name: str, bound: int, make: Callable[[_Reader], T]) -> tuple[T, ...] | None:
        value = self.data.get(name)
        if value is None:
            return None
        if not _is_list(value) or len(value) > bound:
            raise self.bad(name, f"a list of at most {bound} items", value)
        path = f"{self.path}.{name}" if self.path else name
        return tuple(make(_Reader(self.host, f"{path}[{index}]", item)) for index, item in enumerate(value))

    def texts(self, name: str, bound: int = 64) -> tuple[str, ...] | None:
        value = self.data.get(name)
        if value is None:
            return None
        if not _is_list(value) or len(value) > bound:
            raise self.bad(name, f"a list of at most {bound} texts", value)
        if not all(isinstance(item, str) and _is_text(item) for item in value):
            raise self.bad(name, f"a list of texts, each {_A_TEXT}", value)
        return tuple(str(item) for item in value)


_NOTHING: Mapping[Any, Any] = {}
_A_TEXT = f"a text of at most {MAX_TEXT} characters"
_HALF_CHARACTER = re.compile("[\ud800-\udfff]")


def _is_list(value: object) -> TypeGuard[Sequence[Any]]:
    return isinstance(value, list) or (isinstance(value, Sequence) and not isinstance(value, str | bytes))


def _is_text(value: str) -> bool:
    """Whether a text is short enough and can be written: half of a surrogate pair, which JSON can spell, can be in no file."""
    return len(value) <= MAX_TEXT and (value.isascii() or not _HALF_CHARACTER.search(value))


def _unique(data: _Reader, name: str, items: tuple[T, ...] | None, identity: Callable[[T], str]) -> tuple[T, ...] | None:
    """The items, each listed once: two that claim to be one would stand for each other wherever they are looked up."""
    names = [identity(item) for item in items or ()]
    if len(set(names)) != len(names):
        twice = next(found for position, found in enumerate(names) if found in names[:position])
        raise data.bad(name, "each item once", items, f"{twice[:100]} twice")
    return items


def _read_error(data: _Reader) -> ReadError:
    return ReadError(
        read=data.text("read") or "", code=data.text("code") or "", name=data.text("name") or "", message=data.text("message") or ""
    )


def _protector(data: _Reader) -> ObservedProtector:
    key_id = normalise_key_id(data.text("key_id") or "")
    if not key_id:
        raise data.bad("key_id", "a key ID", key_id, "none")
    return ObservedProtector(
        key_id=key_id, type=data.text("type"), name=data.text("name"), backup=data.texts("backup"), key_packages=_key_packages(data)
    )


def _key_packages(data: _Reader) -> tuple[Secret[bytes], ...]:
    value = data.data.get("key_packages")
    if value is None:
        return ()
    if not _is_list(value) or len(value) > MAX_READINGS or not all(isinstance(item, str) and len(item) <= _MAX_ENCODED for item in value):
        raise data.bad("key_packages", f"a list of at most {MAX_READINGS} key packages in base64", value, "something else")
    try:
        return tuple(Secret(base64.b64decode(item, validate=True)) for item in value)
    except ValueError:
        raise data.bad("key_packages", "key packages in base64", value, "something else") from None


def _volume(data: _Reader) -> ObservedVolume:
    device_id = data.text("device_id")
    if not device_id:
        raise data.bad("device_id", "a device ID", device_id)
    auto_unlock = data.text("auto_unlock_key_id")
    return ObservedVolume(
        device_id=device_id,
        persistent_id=data.text("persistent_id"),
        letter=data.text("letter"),
        mount_point=data.text("mount_point"),
        type=data.text("type"),
        conversion=data.text("conversion"),
        encrypted_percent=data.number("encrypted_percent"),
        method=data.text("method"),
        protection=data.text("protection"),
        locked=data.truth("locked"),
        suspend_count=data.number("suspend_count"),
        hardware_test=data.text("hardware_test"),
        auto_unlock_key_id=normalise_key_id(auto_unlock) if auto_unlock else None,
        protectors=_unique(data, "protectors", data.items("protectors", MAX_PROTECTORS, _protector), lambda item: item.key_id),
        errors=data.items("errors", 1024, _read_error) or (),
    )


def _guid(text: str | None) -> str | None:
    return (text or "").strip("{}").lower() or None


def _policy(data: _Reader) -> Mapping[str, int | str] | None:
    if data.data.get("policy") is None:
        return None
    values = data.section("policy").section("values")
    out: dict[str, int | str] = {}
    for name, value in values.data.items():
        if not isinstance(value, int | str):
            raise values.bad(str(name)[:100], "a number or a text", value)
        out[str(name)] = value
    return out


def parse_observation(host: str, data: object) -> Observation:
    """Turn the ``observation`` of inventory host ``host`` into an :class:`Observation`; BadDataError names the field that does not fit."""
    top = _Reader(host, "", data)
    version = top.number("schema_version")
    if version != SCHEMA_VERSION:
        raise top.bad("schema_version", f"the number {SCHEMA_VERSION}", version, f"{version}" if version is not None else "")
    said = top.text("host")
    if said is not None and said != host:
        raise top.bad("host", f"an observation of {host}", said, f"one of {said[:100]}")
    stamp = top.text("observed_at")
    try:
        observed_at = parse_time(stamp or "")
    except ValueError as error:
        raise top.bad("observed_at", "an ISO 8601 time with Z or an offset", stamp) from error
    if top.text("state") != "observed":
        reason = top.text("reason")
        if reason not in set(FailureReason):
            raise top.bad("reason", "one of " + ", ".join(FailureReason), reason)
        return Observation(host=host, observed_at=observed_at, reason=FailureReason(reason), message=top.text("message") or "")
    computer, join = top.section("computer"), top.section("join")
    entra = join.section("entra")
    dns_name = computer.text("dns_name") or computer.text("name")
    return Observation(
        host=host,
        observed_at=observed_at,
        gathered=top.texts("gathered") or (),
        authenticated_names=tuple(name.lower() for name in top.section("channel").texts("authenticated_names", 1024) or ()),
        name=computer.text("name"),
        dns_name=dns_name.lower().rstrip(".") if dns_name else None,
        domain=(computer.text("domain") or "").lower().rstrip(".") or None,
        part_of_domain=computer.truth("part_of_domain"),
        domain_controller=(computer.text("domain_role") or "").endswith("_domain_controller"),
        serial=computer.text("serial"),
        hardware_uuid=computer.text("hardware_uuid"),
        entra_device_id=_guid(entra.text("device_id")),
        entra_tenant_id=_guid(entra.text("tenant_id")),
        cluster=(join.text("cluster") or "").lower() or None,
        bitlocker_installed=top.truth("bitlocker_installed"),
        volumes=_unique(top, "volumes", top.items("volumes", MAX_VOLUMES, _volume), lambda item: item.device_id),
        policy=_policy(top),
        errors=top.items("errors", 1024, _read_error) or (),
    )
