# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""Action of keyward.bitlocker.entra_recovery_key_info: what to look for in, keys out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, ClassVar

from ..plugin_utils._ansible.base import KeywardAction
from ..plugin_utils._ansible.disclosure import ENVIRONMENT as AUDIT_ENVIRONMENT
from ..plugin_utils._ansible.disclosure import Disclosure
from ..plugin_utils._ansible.hardening import harden_process
from ..plugin_utils._core.model import Entry, Owner, StoreState
from ..plugin_utils._errors import AuthorizationError, KeywardError, OptionError, StoreDownError
from ..plugin_utils._stores.entra.lookup import EntraLookup, Found
from ..plugin_utils._stores.entra.reader import EntraReader
from ..plugin_utils._stores.entra.settings import ENVIRONMENT, EntraSettings


class ActionModule(KeywardAction):
    """Find keys; with ``reveal`` every one passes the disclosure gate."""

    environment: ClassVar[Mapping[str, str]] = {**ENVIRONMENT, **AUDIT_ENVIRONMENT}
    rules: ClassVar[Mapping[str, Mapping[str, Any]]] = {"": {"required_if": [("reveal", True, ["reason"])]}}

    def reveals(self, params: Mapping[str, Any]) -> bool:
        """With ``reveal`` the result holds passwords."""
        return bool(params["reveal"])

    def run_action(self, params: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        """Search, reveal if asked, and say what could not be looked at."""
        devices, key_ids = params["device"] or [], params["key_id"] or []
        if bool(params["all"]) == bool(devices or key_ids) or (params["all"] and params["reveal"]):
            raise OptionError(
                "choose what to find",
                target="device, key_id, all",
                meaning="all=true goes alone and without reveal; without it device or key_id must say what to find",
                remedy="Give one of them.",
            )
        self.require("msal", "requests")
        # a token comes into this process even where no option holds a secret
        harden_process()
        settings = EntraSettings.from_options(params)
        reader = EntraReader(settings, now=datetime.now(UTC), progress=self.say, values=bool(params["reveal"]))
        try:
            reader.connect()
            lookup = EntraLookup(reader)
            found = lookup.everything() if params["all"] else lookup.find(devices, key_ids)
            self._check(found, settings)
            entries = _sorted(found, reader.owners)
            rows = [_entry(entry, reader.owners[entry.owner_id]) for entry in entries]
            if params["reveal"]:
                _reveal(lookup, entries, rows, self.disclosure(params, task_vars))
        finally:
            reader.close()
        counts = Counter(entry.owner_id for entry in found.entries)
        owners = sorted(found.owners, key=lambda owner: (owner.name.lower(), owner.location))
        return {
            "changed": False,
            "devices": [_device(owner, counts[owner.owner_id]) | (_intune(owner) if settings.intune else {}) for owner in owners],
            "entries": rows,
            "not_found": list(found.not_found),
            "store": _store(found, settings),
        }

    def _check(self, found: Found, settings: EntraSettings) -> None:
        if found.state is StoreState.DOWN:
            raise StoreDownError("search Entra ID", target=settings.graph_root, meaning=found.reason)
        if found.state is StoreState.NO_RIGHTS and not found.entries:
            raise AuthorizationError("search Entra ID", target=settings.graph_root, meaning=found.reason)
        if found.state is not StoreState.SEARCHED:
            self.warn(f"Entra ID, {found.state}: {found.reason}")
        if found.intune is not None and found.intune.state is not StoreState.SEARCHED:
            self.warn(f"Intune, {found.intune.state}: {found.intune.reason}")


def _store(found: Found, settings: EntraSettings) -> dict[str, Any]:
    out: dict[str, Any] = {"state": str(found.state), "reason": found.reason, "graph": settings.graph_root, "tenant": settings.tenant}
    if found.intune is not None:
        out["intune"] = {"state": str(found.intune.state), "reason": found.intune.reason}
    return out


def _reveal(lookup: EntraLookup, entries: Sequence[Entry], rows: Sequence[dict[str, Any]], gate: Disclosure) -> None:
    """Put the passwords into the rows; one that cannot be read leaves the others.

    Raises:
        KeywardError: not one could be read (the first one's reason), or a disclosure could not be recorded.
    """
    gate.prepare(len(entries))
    problems: list[KeywardError] = []
    for entry, row in zip(entries, rows, strict=True):
        row |= {"recovery_password": None, "problem": ""}
        try:
            revealed = lookup.reveal(entry)
        except KeywardError as problem:
            problems.append(problem)
            row["problem"] = str(problem)
            continue
        row |= _condition(revealed)
        if revealed.value is not None:
            owner = f"{row['device'] or 'device'} {row['device_id'] or 'unknown'}"
            row["recovery_password"] = gate.disclose(revealed.value, key_id=row["key_id"] or "", owner=owner, source="entra")
    if problems and all(row["recovery_password"] is None for row in rows):
        raise problems[0]


def _sorted(found: Found, owners: Mapping[str, Owner]) -> list[Entry]:
    newest = sorted(found.entries, key=lambda entry: (entry.created is not None, entry.created, entry.entry_id), reverse=True)
    return sorted(newest, key=lambda entry: (owners[entry.owner_id].name.lower(), entry.owner_id))


def _time(moment: datetime | None) -> str | None:
    return None if moment is None else moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _device_id(owner: Owner) -> str | None:
    return owner.owner_id if " " not in owner.owner_id else None


def _device(owner: Owner, keys: int) -> dict[str, Any]:
    kind, _space, object_id = owner.location.rpartition(" ")
    return {
        "name": owner.name,
        "device_id": _device_id(owner),
        "object_id": object_id if kind == "device" else None,
        "trust_type": owner.trust_type,
        "enabled": owner.enabled,
        "in_scope": owner.in_scope,
        "deleted": owner.deleted,
        "last_seen": _time(owner.last_seen),
        "keys": keys,
    }


def _intune(owner: Owner) -> dict[str, Any]:
    said = owner.intune
    facts = None if said is None else {"encrypted": said.encrypted, "last_sync": _time(said.last_sync), "enrolments": said.enrolments}
    return {"intune": facts}


def _condition(entry: Entry) -> dict[str, Any]:
    return {"malformed": bool(entry.defects), "defects": list(entry.defects)}


def _entry(entry: Entry, owner: Owner) -> dict[str, Any]:
    return {
        "key_id": entry.key_ids[0] if entry.key_ids else None,
        "device": owner.name,
        "device_id": _device_id(owner),
        "created": _time(entry.created),
        "volume_type": entry.volume_type,
        "deleted": entry.deleted,
        **_condition(entry),
    }
