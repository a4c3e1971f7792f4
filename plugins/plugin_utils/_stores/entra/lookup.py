# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""Single keys by device or key ID, and the keys themselves when they are asked for."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from ..._core import recovery_password
from ..._core.model import Entry, IntuneReading, Owner, StoreState
from ..._core.redaction import Secret
from ..._errors import AuthorizationError, BadDataError, KeywardError, OptionError
from . import devices, keys, parse
from .failures import READ
from .graph import Outcome
from .reader import EntraReader

#: owners that are looked up one by one; for more it is quicker to read all devices
_FEW = 20
_KEY_ID = re.compile(r"[0-9a-f]{8,32}", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What was found. ``not_found`` are the devices and key IDs, as asked for, that nothing was found for.

    ``intune``: how far the reading of what Intune says of the devices reached, None where it was not asked.
    """

    owners: tuple[Owner, ...]
    entries: tuple[Entry, ...]
    not_found: tuple[str, ...]
    state: StoreState
    reason: str
    intune: IntuneReading | None = None


class EntraLookup:
    """Looks keys up over a reader."""

    def __init__(self, reader: EntraReader) -> None:
        self._reader = reader
        self._outcomes: list[Outcome] = []

    def everything(self) -> Found:
        """Every key, with all devices."""
        reader = self._reader
        entries = reader.read_entries(self._outcome())
        of_devices = self._outcome()
        reader.read_owners(of_devices)
        entries = reader.adopt(entries, all_devices_known=of_devices.problem is None)
        return self._found(list(reader.owners.values()), entries, [])

    def find(self, wanted_devices: Sequence[str], key_ids: Sequence[str]) -> Found:
        """Keys of these devices, of these key IDs, or where both are given those of these key IDs under these devices.

        Raises:
            OptionError: a key ID is none.
        """
        digits = {wanted: key_digits(wanted) for wanted in key_ids}
        if wanted_devices:
            entries, missing = self._of_devices(wanted_devices)
        else:
            entries, missing = self._of_keys(list(digits.values())), []
            self._find_owners(entries)
        owners = dict(self._reader.owners) if wanted_devices else {}
        entries = self._reader.adopt(entries, all_devices_known=not any(outcome.problem for outcome in self._outcomes))
        if key_ids:
            entries = [entry for entry in entries if any(_has(entry, wanted) for wanted in digits.values())]
            missing += [wanted for wanted, found in digits.items() if not any(_has(entry, found) for entry in entries)]
        owners |= {entry.owner_id: self._reader.owners[entry.owner_id] for entry in entries}
        return self._found(list(owners.values()), entries, missing)

    def reveal(self, entry: Entry) -> Entry:
        """The entry with its recovery password; one that is no recovery password is a defect more. Entra ID writes this down.

        Raises:
            AuthorizationError: the permission is missing, said so or not.
            BadDataError: the entry has no usable ID, is gone, or another one came.
            KeywardError: the request failed.
        """
        if not entry.key_ids:
            raise BadDataError(
                "read a recovery password", target=entry.location, meaning="the key's ID is none", remedy="Look at it in the portal."
            )
        key_id = entry.key_ids[0]
        query = keys.secret(key_id)
        row = self._reader.graph.one(query)
        if row is None:
            raise BadDataError(query.attempted, target=entry.location, meaning="it is gone", remedy="Search again.")
        if "id" in row and parse.guid(row["id"]) != key_id:
            raise BadDataError(query.attempted, target=entry.location, meaning="another key came", remedy="Try again.")
        value = row.get("key")
        if not isinstance(value, str) or not value.strip():
            raise AuthorizationError(
                query.attempted,
                target=entry.location,
                meaning="Graph answers without the key, as it does where the permission is missing",
                remedy=f"Give the app registration the permission {READ}, and let an administrator consent to it.",
            )
        return _with_value(entry, Secret(value))

    def _outcome(self) -> Outcome:
        outcome = Outcome()
        self._outcomes.append(outcome)
        return outcome

    def _of_devices(self, wanted_devices: Sequence[str]) -> tuple[list[Entry], list[str]]:
        """Keys of devices given by display name, device ID or object ID."""
        entries: list[Entry] = []
        missing = []
        done: set[str] = set()
        for wanted in wanted_devices:
            identifier = parse.guid(wanted.strip())
            ids = self._device_ids(wanted.strip(), identifier)
            found = bool(ids)
            if identifier and not ids:
                # a deleted device is not listed, and its keys may be
                ids = [identifier]
            for device_id in ids:
                if device_id in done or parse.guid(device_id) is None:
                    continue
                done.add(device_id)
                # a filter that a service ignores brings everything: each row is held against what was asked
                of_device = [entry for entry in self._entries_of(device_id) if entry.owner_id == device_id]
                found = found or bool(of_device)
                entries += of_device
            if not found:
                missing.append(wanted)
        return entries, missing

    def _entries_of(self, device_id: str) -> list[Entry]:
        return self._reader.read_entries(self._outcome(), keys.of_device(device_id))

    def _device_ids(self, wanted: str, identifier: str | None) -> list[str]:
        reader = self._reader
        if not identifier:
            known = dict(reader.owners)
            named = [owner for owner in reader.read_owners(self._outcome(), devices.named(wanted)) if owner.name.lower() == wanted.lower()]
            reader.owners = known | {owner.owner_id: owner for owner in named}
            return [owner.owner_id for owner in named]
        if self._find_owner(identifier):
            return [identifier]
        try:
            owner = reader.read_object(identifier)
        except KeywardError as problem:
            self._outcome().problem = problem
            return []
        return [owner.owner_id] if owner else []

    def _find_owner(self, device_id: str) -> bool:
        """Look a device ID up; what a service brings beside it is forgotten."""
        reader = self._reader
        if device_id in reader.owners:
            return True
        known = dict(reader.owners)
        found = {owner.owner_id: owner for owner in reader.read_owners(self._outcome(), devices.registered(device_id))}
        reader.owners = known
        if device_id in found:
            reader.owners[device_id] = found[device_id]
        return device_id in found

    def _of_keys(self, wanted: Sequence[str]) -> list[Entry]:
        """Keys by whole IDs, one request each; by the beginning of one, out of all."""
        if any(len(digits) < 32 for digits in wanted):
            return [entry for entry in self._reader.read_entries(self._outcome()) if any(_has(entry, digits) for digits in wanted)]
        entries = []
        for digits in dict.fromkeys(wanted):
            key_id = "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))
            outcome = self._outcome()
            try:
                entries += self._of_key(key_id)
            except KeywardError as problem:
                outcome.problem = problem
        return entries

    def _of_key(self, key_id: str) -> list[Entry]:
        """The key of this ID, if there is one. Raises why that cannot be said."""
        query = keys.one(key_id)
        row = self._reader.graph.one(query)
        if row is None:
            return []
        entry = parse.parse_entry(row)
        if entry is None or entry.key_ids != (key_id,):
            raise self._reader.graph.stranger(query)
        return [entry]

    def _find_owners(self, entries: Sequence[Entry]) -> None:
        owner_ids = [owner_id for owner_id in dict.fromkeys(entry.owner_id for entry in entries) if parse.guid(owner_id)]
        if len(owner_ids) > _FEW:
            self._reader.read_owners(self._outcome())
            return
        for owner_id in owner_ids:
            self._find_owner(owner_id)

    def _found(self, owners: Sequence[Owner], entries: Sequence[Entry], missing: Sequence[str]) -> Found:
        reader = self._reader
        state, reason = reader.judge(self._outcomes)
        intune = None
        if reader.settings.intune and state is not StoreState.DOWN:
            intune = reader.add_intune([owner.owner_id for owner in owners])
            owners = [reader.owners[owner.owner_id] for owner in owners]
        return Found(owners=tuple(owners), entries=tuple(entries), not_found=tuple(missing), state=state, reason=reason, intune=intune)


def key_digits(wanted: str) -> str:
    """The hexadecimal digits of a key ID or of its first 8 or more characters, in lower case.

    Raises:
        OptionError: it is neither.
    """
    digits = re.sub(r"[\s{}-]", "", wanted).lower()
    if not _KEY_ID.fullmatch(digits):
        raise OptionError(
            "find a key",
            target="key_id",
            meaning=f"{wanted[:64]!r} is no key ID and no beginning of one",
            remedy="Give the ID, or at least its first 8 characters, as the recovery screen shows them.",
        )
    return digits


def _has(entry: Entry, digits: str) -> bool:
    return any(key_id.replace("-", "").startswith(digits) for key_id in entry.key_ids)


def _with_value(entry: Entry, secret: Secret[str]) -> Entry:
    damaged = recovery_password.damaged_groups(secret)
    if damaged == ():
        return replace(entry, value=recovery_password.parse(secret))
    told = recovery_password.describe_damage(damaged) if damaged else "it is not eight groups of six digits"
    return replace(entry, value=secret, defects=(*entry.defects, f"the key is no recovery password: {told}"))
