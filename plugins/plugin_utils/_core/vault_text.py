# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""The two texts of our second copy, as JSON: what is sealed (with the passwords), and the card beside it (without); pure.

Both are read strictly: a field too many or too few, another type or another schema is an error, and nothing is guessed. The text of what is
sealed is also YAML, so that it can be read with the tools of its sealing when this collection is not at hand.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from .._errors import BadDataError
from .gate_reader import Reader
from .redaction import Secret
from .vault_record import MAX_KEYS, MAX_NAMES, MAX_ORIGINS, MAX_TEXT, KeyCopy, Machine, MachineCopies, Origin, is_guid, key_copy, ordered

SCHEMA_VERSION = 1
#: characters of one text
MAX_LENGTH = 8 * 1024 * 1024
MAX_PARTS = MAX_KEYS

_BODY = "keyward_vault"
_CARD = "keyward_vault_card"
_MACHINE = ("names", "ad_guid", "entra_device_id", "serial", "hardware_uuid")
_ORIGIN = ("source", "owner", "owner_id", "location", "created", "copied_at")
_FACTS = ("key_id", "created", "volume", "volume_guid", "conflicting", "origins")
_REMEDY = "Take the file from a backup, or remove it and copy the keys again."


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One sealed file of a machine: the digest of its bytes (SHA-256, hexadecimal), how it is sealed, and for whom."""

    digest: str
    sealing: str
    sealed_for: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CardKey:
    """One key as the card knows it: ``key`` has no value. ``run`` is the run that copied it, ``verified_at`` when a later one opened it."""

    key: KeyCopy
    part: str
    run: str
    verified_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """What may be known of a machine's copies without opening them."""

    machine: Machine
    parts: Mapping[str, Part] = field(default_factory=dict)
    keys: tuple[CardKey, ...] = ()


def body_text(copies: MachineCopies) -> Secret[str]:
    """The text that is sealed.

    Raises:
        BadDataError: a key has no value, or the text would be too long.
    """
    if any(key.value is None for key in copies.keys):
        raise BadDataError("seal recovery passwords", target=copies.machine.label, meaning="one of them was never read")
    keys = [_facts(key) | {"recovery_password": key.value.reveal()} for key in copies.keys if key.value is not None]
    text = json.dumps({_BODY: SCHEMA_VERSION, "machine": _machine(copies.machine), "keys": keys}, indent=2, ensure_ascii=True) + "\n"
    return Secret(_bounded(text, copies.machine))


def card_text(card: Card) -> str:
    """The text of the card."""
    keys = [
        _facts(item.key) | {"mark": item.key.mark, "part": item.part, "run": item.run, "verified_at": _stamp(item.verified_at)}
        for item in card.keys
    ]
    parts = {
        name: {"sha256": part.digest, "sealing": part.sealing, "sealed_for": part.sealed_for} for name, part in sorted(card.parts.items())
    }
    whole = {_CARD: SCHEMA_VERSION, "machine": _machine(card.machine), "parts": parts, "keys": keys}
    return _bounded(json.dumps(whole, indent=2, ensure_ascii=True) + "\n", card.machine)


def _bounded(text: str, machine: Machine) -> str:
    if len(text) > MAX_LENGTH:
        raise BadDataError("keep copies of recovery passwords", target=machine.label, meaning="one computer has more than a file may hold")
    return text


def read_body(text: Secret[str], where: str) -> MachineCopies:
    """What was sealed; BadDataError for anything that :func:`body_text` does not write. ``where`` names the file."""
    reader = Reader(where, "read a copy of recovery passwords", _REMEDY)
    whole = _document(reader, text.reveal(), _BODY, ("machine", "keys"))
    keys = [_sealed_key(reader, item) for item in _few(reader, whole["keys"], "keys", MAX_KEYS)]
    return MachineCopies(machine=_read_machine(reader, whole["machine"]), keys=ordered(keys))


def read_card(text: str, where: str) -> Card:
    """The card; BadDataError for anything that :func:`card_text` does not write."""
    reader = Reader(where, "read the card of a copy", _REMEDY)
    whole = _document(reader, text, _CARD, ("machine", "parts", "keys"))
    parts = reader.mapping(whole["parts"], "parts")
    if len(parts) > MAX_PARTS:
        reader.refuse("it has too many parts")
    return Card(
        machine=_read_machine(reader, whole["machine"]),
        parts={name: _read_part(reader, name, item) for name, item in parts.items()},
        keys=tuple(_card_key(reader, item) for item in _few(reader, whole["keys"], "keys", MAX_KEYS)),
    )


def _document(reader: Reader, text: str, kind: str, fields: Iterable[str]) -> Mapping[str, Any]:
    if len(text) > MAX_LENGTH:
        reader.refuse("it is too long")
    try:
        # half characters pass JSON, and nothing else
        text.encode("utf-8")
        found = json.loads(text, object_pairs_hook=_each_once)
    except (ValueError, RecursionError):  # its text could quote a password
        found = None
    if not isinstance(found, dict) or kind not in found:
        reader.refuse("it is not what this collection writes")
    if isinstance(found[kind], bool) or found[kind] != SCHEMA_VERSION:
        reader.refuse("another version of the collection wrote it")
    return _fields(reader, found, (kind, *fields), "it")


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a field that stands twice")
    return found


def _fields(reader: Reader, value: object, names: Iterable[str], where: str) -> Mapping[str, Any]:
    found = reader.mapping(value, where)
    if set(found) != set(names):
        reader.refuse(f"{where} has other fields than it should")
    return found


def _few(reader: Reader, value: object, where: str, most: int) -> list[Any]:
    found = list(reader.items(value, where))
    if len(found) > most:
        reader.refuse(f"{where} are more than {most}")
    return found


def _text(reader: Reader, parent: Mapping[str, Any], name: str, where: str) -> str:
    found = reader.text(parent, name, where)
    if len(found) > MAX_TEXT or any("\ud800" <= character <= "\udfff" for character in found):
        reader.refuse(f"{name} of {where} is too long, or holds half characters")
    return found


def _perhaps(reader: Reader, parent: Mapping[str, Any], name: str, where: str) -> str | None:
    return None if parent[name] is None else _text(reader, parent, name, where)


def _guid(reader: Reader, parent: Mapping[str, Any], name: str, where: str) -> str | None:
    found = _perhaps(reader, parent, name, where)
    if found is not None and not is_guid(found):
        reader.refuse(f"{name} of {where} is no GUID")
    return found


def _moment(reader: Reader, parent: Mapping[str, Any], name: str, where: str) -> datetime | None:
    return None if parent[name] is None else reader.moment(parent, name, where)


def _stamp(moment: datetime | None) -> str | None:
    return None if moment is None else moment.strftime("%Y-%m-%dT%H:%M:%SZ").zfill(20)


def _machine(machine: Machine) -> dict[str, Any]:
    return {name: getattr(machine, name) for name in _MACHINE} | {"names": list(machine.names)}


def _read_machine(reader: Reader, value: object) -> Machine:
    found = _fields(reader, value, _MACHINE, "the machine")
    names = _few(reader, found["names"], "its names", MAX_NAMES)
    return Machine(
        names=tuple(_text(reader, {"name": name}, "name", "the machine") for name in names),
        ad_guid=_guid(reader, found, "ad_guid", "the machine"),
        entra_device_id=_guid(reader, found, "entra_device_id", "the machine"),
        serial=_perhaps(reader, found, "serial", "the machine"),
        hardware_uuid=_perhaps(reader, found, "hardware_uuid", "the machine"),
    )


def _origin(origin: Origin) -> dict[str, Any]:
    return {
        "source": origin.source,
        "owner": origin.owner,
        "owner_id": origin.owner_id,
        "location": origin.location,
        "created": _stamp(origin.created),
        "copied_at": _stamp(origin.copied_at),
    }


def _read_origin(reader: Reader, value: object) -> Origin:
    found = _fields(reader, value, _ORIGIN, "an origin")
    return Origin(
        source=_text(reader, found, "source", "an origin"),
        owner=_text(reader, found, "owner", "an origin"),
        owner_id=_text(reader, found, "owner_id", "an origin"),
        location=_text(reader, found, "location", "an origin"),
        created=_moment(reader, found, "created", "an origin"),
        copied_at=reader.moment(found, "copied_at", "an origin"),
    )


def _facts(key: KeyCopy) -> dict[str, Any]:
    return {
        "key_id": key.key_id,
        "created": _stamp(key.created),
        "volume": key.volume,
        "volume_guid": key.volume_guid,
        "conflicting": key.conflicting,
        "origins": [_origin(origin) for origin in key.origins],
    }


def _read_facts(reader: Reader, found: Mapping[str, Any], build: Callable[[str, tuple[Origin, ...]], KeyCopy]) -> KeyCopy:
    key_id = _guid(reader, found, "key_id", "a key")
    origins = tuple(_read_origin(reader, item) for item in _few(reader, found["origins"], "origins of a key", MAX_ORIGINS))
    if key_id is None or not origins:
        reader.refuse("a key has no ID, or comes from nowhere")
    # derived, and written for people
    _moment(reader, found, "created", "a key")
    reader.flag(found, "conflicting", "a key")
    return build(key_id, origins)


def _sealed_key(reader: Reader, value: object) -> KeyCopy:
    found = _fields(reader, value, (*_FACTS, "recovery_password"), "a key")
    password = Secret(_text(reader, found, "recovery_password", "a key"))

    def build(key_id: str, origins: tuple[Origin, ...]) -> KeyCopy:
        made = key_copy(
            key_id,
            password,
            origins[0],
            volume=_perhaps(reader, found, "volume", "a key"),
            volume_guid=_guid(reader, found, "volume_guid", "a key"),
        )
        return _with_origins(made, origins)

    return _read_facts(reader, found, build)


def _with_origins(key: KeyCopy, origins: tuple[Origin, ...]) -> KeyCopy:
    return KeyCopy(key_id=key.key_id, mark=key.mark, origins=origins, volume=key.volume, volume_guid=key.volume_guid, value=key.value)


def _read_part(reader: Reader, name: str, value: object) -> Part:
    found = _fields(reader, value, ("sha256", "sealing", "sealed_for"), "a part")
    if not name or len(name) > 255 or "/" in name or "\0" in name:
        reader.refuse("a part has no name of a file")
    return Part(
        digest=_text(reader, found, "sha256", "a part"),
        sealing=_text(reader, found, "sealing", "a part"),
        sealed_for=_text(reader, found, "sealed_for", "a part"),
    )


def _card_key(reader: Reader, value: object) -> CardKey:
    found = _fields(reader, value, (*_FACTS, "mark", "part", "run", "verified_at"), "a key")

    def build(key_id: str, origins: tuple[Origin, ...]) -> KeyCopy:
        return KeyCopy(
            key_id=key_id,
            mark=_text(reader, found, "mark", "a key"),
            origins=origins,
            volume=_perhaps(reader, found, "volume", "a key"),
            volume_guid=_guid(reader, found, "volume_guid", "a key"),
            conflicting=reader.flag(found, "conflicting", "a key"),
        )

    return CardKey(
        key=_read_facts(reader, found, build),
        part=_text(reader, found, "part", "a key"),
        run=_text(reader, found, "run", "a key"),
        verified_at=_moment(reader, found, "verified_at", "a key"),
    )
