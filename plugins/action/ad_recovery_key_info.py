# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""Action of keyward.bitlocker.ad_recovery_key_info: what to look for in, entries out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, ClassVar

from ..plugin_utils._ansible.base import KeywardAction
from ..plugin_utils._ansible.disclosure import ENVIRONMENT as AUDIT_ENVIRONMENT
from ..plugin_utils._ansible.disclosure import Disclosure
from ..plugin_utils._core.model import Entry, Owner, StoreState
from ..plugin_utils._errors import KeywardError, OptionError, StoreDownError
from ..plugin_utils._stores.active_directory.lookup import DirectoryLookup, Found
from ..plugin_utils._stores.active_directory.reader import DirectoryReader
from ..plugin_utils._stores.active_directory.settings import ENVIRONMENT, DirectorySettings


class ActionModule(KeywardAction):
    """Find entries; with ``reveal`` every password passes the disclosure gate."""

    environment: ClassVar[Mapping[str, str]] = {**ENVIRONMENT, **AUDIT_ENVIRONMENT}
    rules: ClassVar[Mapping[str, Mapping[str, Any]]] = {"": {"required_if": [("reveal", True, ["reason"])]}}

    def reveals(self, params: Mapping[str, Any]) -> bool:
        """With ``reveal`` the result holds passwords."""
        return bool(params["reveal"])

    def run_action(self, params: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        """Search, reveal if asked, and say what could not be looked at."""
        computers, key_ids = params["computer"] or [], params["key_id"] or []
        if bool(params["all"]) == bool(computers or key_ids) or (params["all"] and params["reveal"]):
            raise OptionError(
                "choose what to find",
                target="computer, key_id, all",
                meaning="all=true goes alone and without reveal; without it computer or key_id must say what to find",
                remedy="Give one of them.",
            )
        self.require("ldap3")
        reader = DirectoryReader(DirectorySettings.from_options(params), now=datetime.now(UTC), progress=self.say)
        try:
            directory = reader.connect()
            lookup = DirectoryLookup(reader)
            found = lookup.everything() if params["all"] else lookup.find(computers, key_ids)
            if found.state is StoreState.DOWN:
                raise StoreDownError("search the directory", target=directory.server, meaning=found.reason)
            if found.state is not StoreState.SEARCHED:
                self.warn(f"Active Directory, {found.state}: {found.reason}")
            entries = _sorted(found, reader.owners)
            rows = [_entry(entry, reader.owners[entry.owner_id]) for entry in entries]
            if params["reveal"]:
                _reveal(lookup, entries, rows, self.disclosure(params, task_vars))
        finally:
            reader.close()
        return {
            "changed": False,
            "computers": [_computer(owner) for owner in sorted(found.owners, key=lambda owner: (owner.name.lower(), owner.location))],
            "entries": rows,
            "not_found": list(found.not_found),
            "store": {
                "state": str(found.state),
                "reason": found.reason,
                "server": directory.server,
                "domain": directory.domain,
                "read_only": directory.read_only,
            },
        }


def _reveal(lookup: DirectoryLookup, entries: Sequence[Entry], rows: Sequence[dict[str, Any]], gate: Disclosure) -> None:
    """Put the passwords into the rows; one that cannot be read leaves the others.

    Raises:
        KeywardError: not one could be read (the first one's reason), or a disclosure could not be recorded.
    """
    gate.prepare(sum(entry.readable for entry in entries))
    problems: list[KeywardError] = []
    values: dict[str | None, set[str]] = {}
    for entry, row in zip(entries, rows, strict=True):
        row |= {"recovery_password": None, "problem": "", "conflicting": False}
        try:
            revealed = lookup.reveal(entry)
        except KeywardError as problem:
            problems.append(problem)
            row["problem"] = str(problem)
            continue
        row |= _condition(revealed)
        if revealed.value is not None:
            shown = gate.disclose(revealed.value, key_id=row["key_id"] or "", owner=row["dn"], source="ad")
            row["recovery_password"] = shown
            values.setdefault(row["key_id"], set()).add(shown)
    for row in rows:
        row["conflicting"] = row["recovery_password"] is not None and len(values[row["key_id"]]) > 1
    if problems and not values:
        raise problems[0]


def _sorted(found: Found, owners: Mapping[str, Owner]) -> list[Entry]:
    newest = sorted(found.entries, key=lambda entry: (entry.created is not None, entry.created, entry.location), reverse=True)
    return sorted(newest, key=lambda entry: owners[entry.owner_id].name.lower())


def _time(moment: datetime | None) -> str | None:
    return None if moment is None else moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _computer(owner: Owner) -> dict[str, Any]:
    return {
        "name": owner.name,
        "dns_name": owner.dns_name,
        "dn": owner.location,
        "guid": owner.owner_id,
        "sid": owner.sid,
        "enabled": owner.enabled,
        "in_scope": owner.in_scope,
        "cluster_name_object": owner.cluster_name_object,
        "deleted": owner.deleted,
        "last_seen": _time(owner.last_seen),
    }


def _condition(entry: Entry) -> dict[str, Any]:
    return {"malformed": bool(entry.defects), "defects": list(entry.defects)}


def _entry(entry: Entry, owner: Owner) -> dict[str, Any]:
    return {
        "key_id": entry.key_ids[0] if entry.key_ids else None,
        "key_ids": list(entry.key_ids),
        "computer": owner.name,
        "computer_guid": owner.owner_id,
        "dn": entry.location,
        "created": _time(entry.created),
        "volume_guid": entry.volume_guid,
        "deleted": entry.deleted,
        "readable": entry.readable,
        **_condition(entry),
    }
