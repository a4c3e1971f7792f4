# SPDX-License-Identifier: GPL-3.0-or-later
"""The truth about an estate: what a correct report says of it, computed from the estate itself (DESIGN sections 5 and 8).

A malformed or stale entry of a computer that was not observed is nobody's finding; a run that proves reads the values of observed ones. A
mount point is named without the backslash at its end. Entra: an entry whose device no request finds is under a deleted owner; near and at
the limit exclude each other.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ansible_collections.keyward.bitlocker.tests.lab.estate import tenant_view
from ansible_collections.keyward.bitlocker.tests.lab.estate.ground import Ground, Listed, list_volumes, name_holders, within_reach
from ansible_collections.keyward.bitlocker.tests.lab.estate.identity import Identity
from ansible_collections.keyward.bitlocker.tests.lab.estate.joins import identify
from ansible_collections.keyward.bitlocker.tests.lab.estate.proofs import Held, hold
from ansible_collections.keyward.bitlocker.tests.lab.estate.rules import (
    COUNTED,
    REASON_CODES,
    VERDICT_CODES,
    WORST_FIRST,
    Judged,
    States,
    judge_volume,
    judge_volume_on_file,
    policy_conflict,
    protector_state,
)
from ansible_collections.keyward.bitlocker.tests.lab.estate.tenant_view import device_state, see_tenant
from ansible_collections.keyward.bitlocker.tests.lab.estate.view import (
    STORES,
    Directory,
    SeenEntry,
    SeenProtector,
    see_directory,
    see_host,
)
from ansible_collections.keyward.bitlocker.tests.lab.model import Estate

FAULTS = ("ad_down", "ad_no_rights")
RUN_FINDINGS = {"searched": [], "down": ["KW-STO-001"], "no_rights": ["KW-STO-002"]}
#: recovery keys of one Entra device
NEAR_LIMIT, LIMIT = 150, 200
PASSING = {"none": frozenset({"escrowed", "recoverable"}), "live": frozenset({"recoverable"})}


def truth(
    estate: Estate, *, copies: int = 1, proof: str = "none", fault: str | None = None, stores: tuple[str, ...] = ("ad",)
) -> dict[str, Any]:
    """The content of truth.json for a run over this estate.

    Args:
        copies: required copies; more than there are stores is an error, as it is in the report.
        proof: ``none``, or ``live``: every entry of a computer that is observed is proven, within every budget.
        fault: None, ``ad_down``, ``ad_no_rights`` (the account sees computers and the names of recovery objects), ``entra_down``, or
            ``entra_throttled`` (which never ends).
        stores: the required stores, ``ad`` or ``ad`` and ``entra``.
    """
    known_faults = (None, *FAULTS, *(tenant_view.FAULTS if "entra" in stores else ()))
    no_tenant = "entra" in stores and estate.entra_tenant_id is None
    if proof not in PASSING or stores not in STORES or fault not in known_faults or no_tenant:
        raise ValueError(f"no truth is known for proof={proof!r}, stores={stores!r}, fault={fault!r}")
    if not 1 <= copies <= len(stores):
        raise ValueError(f"copies={copies} with {len(stores)} store(s) is an option error")
    directory = see_directory(estate, fault)
    tenant = see_tenant(estate, fault) if "entra" in stores else None
    identities = identify([see_host(host, estate) for host in estate.hosts], directory, estate.now, tenant)
    directory = within_reach(directory, identities)
    ground = Ground(
        directory=directory,
        tenant=tenant,
        identities=identities,
        listed=list_volumes(identities, directory),
        copies=copies,
        proof=proof,
        listed_by=name_holders(identities),
    )
    volumes, computers = [], []
    for identity in identities:
        own_volumes = [_volume_truth(ground, identity, listed) for listed in ground.listed if listed.computer == identity.name]
        volumes += own_volumes
        computers.append(_computer_truth(ground, identity, own_volumes))
    run_findings = [*RUN_FINDINGS[directory.state], *(RUN_FINDINGS[tenant.state] if tenant is not None else ())]
    units = [volume["verdict"] for volume in volumes if volume["verdict"] is not None]
    with_volumes = {volume["computer"] for volume in volumes}
    units += [computer["verdict"] for computer in computers if computer["name"] not in with_volumes]
    return {
        "volumes": sorted(volumes, key=lambda volume: (volume["computer"], volume["volume"])),
        "computers": [
            {"computer": computer["name"], "verdict": computer["verdict"], "findings": computer["findings"]}
            for computer in sorted(computers, key=lambda computer: str(computer["name"]))
        ],
        "run_findings": run_findings,
        "complete": not run_findings,
        "passed": not run_findings and all(verdict in PASSING[proof] for verdict in units),
    }


def _volume_truth(ground: Ground, identity: Identity, listed: Listed) -> dict[str, Any]:
    volume = listed.volume
    holdings = {protector.key_id: _holdings(ground, identity, listed, protector) for protector in volume.recovery_passwords}
    states: States = {key_id: _states(ground, identity, held, key_id) for key_id, held in holdings.items()}
    if identity.host is not None and identity.host.state == "stale":
        judged = judge_volume_on_file(volume, states)
        escrow: set[str] = set()
    else:
        judged = judge_volume(volume, states, ground.copies, ground.proof)
        escrow = _escrow_findings(ground, identity, listed, states, holdings) if judged.verdict is not None else set()
    return _volume_json(listed, judged, escrow, states)


def _holdings(ground: Ground, identity: Identity, listed: Listed, protector: SeenProtector) -> dict[str, Held]:
    """By store, the own entries of a protector, judged."""
    proving = ground.proof == "live" and identity.host is not None and identity.host.state == "fresh"
    live = protector if proving else None
    held = ground.directory.of_owners(listed.owners)
    found = {"ad": hold([entry for entry in held if protector.key_id in entry.key_ids], live, values_read=proving)}
    if ground.tenant is not None:
        held = ground.tenant.of_owners(listed.devices)
        asked = proving and protector.opened_by is not None
        found["entra"] = hold([entry for entry in held if protector.key_id in entry.key_ids], live, values_read=asked)
    return found


def _states(ground: Ground, identity: Identity, held: dict[str, Held], key_id: str) -> dict[str, str]:
    states = {"ad": protector_state(ground.directory, held["ad"], owner_known=identity.owner_known)}
    if ground.tenant is not None:
        states["entra"] = device_state(ground.tenant, held["entra"], key_id, owner_known=identity.device_known)
    return states


def _volume_json(listed: Listed, judged: Judged, escrow: set[str], states: States) -> dict[str, Any]:
    return {
        "computer": listed.computer,
        "volume": listed.volume.label,
        "verdict": judged.verdict,
        "flags": sorted(judged.flags),
        "findings": sorted(judged.findings | escrow),
        "protectors": states,
    }


def _escrow_findings(ground: Ground, identity: Identity, listed: Listed, states: States, holdings: dict[str, dict[str, Held]]) -> set[str]:
    directory = ground.directory
    codes = set()
    for protector in listed.volume.recovery_passwords:
        key_id = protector.key_id
        own = [entry for entry in directory.of_owners(listed.owners) if key_id in entry.key_ids]
        codes |= _value_findings(holdings[key_id].values(), states[key_id].values())
        if any(key_id in entry.key_ids and entry.owner not in listed.owners | identity.undecided for entry in directory.entries):
            codes.add("KW-ESC-006")
        if any(not entry.readable for entry in own):
            codes.add("KW-ESC-007")
        if any(states[key_id].get(store) == "absent" for store in protector.said_backed_up):
            codes.add("KW-ESC-011")
        if "deleted" in states[key_id].values():
            codes.add("KW-ESC-008")
        undecided = listed.devices | identity.undecided_devices
        if any(key_id in entry.key_ids and entry.owner not in undecided for entry in _in_tenant(ground)):
            codes.add("KW-ESC-006")
    if _circular(identity, directory, states):
        codes.add("KW-ESC-012")
    return codes


def _value_findings(holdings: Iterable[Held], states: Iterable[str]) -> set[str]:
    codes = {"KW-ESC-005"} if "refuted" in states else set()
    for held in holdings:
        said = ((held.duplicate, "KW-ESC-002"), (held.conflicting, "KW-ESC-003"), (held.malformed, "KW-ESC-004"))
        codes |= {code for applies, code in said if applies}
    return codes


def _in_tenant(ground: Ground) -> tuple[SeenEntry, ...]:
    return ground.tenant.entries if ground.tenant is not None else ()


def _circular(identity: Identity, directory: Directory, states: States) -> bool:
    """A domain controller whose keys lie in its own domain and nowhere else; a store that could not be asked may hold another copy."""
    host = identity.host
    if host is None or not host.domain_controller or (host.domain or "").lower() != directory.domain.lower():
        return False
    elsewhere = [state for stores in states.values() for store, state in stores.items() if store != "ad"]
    if any(state in COUNTED or state == "unknown" for state in elsewhere):
        return False
    return any(stores["ad"] in COUNTED for stores in states.values())


def _computer_truth(ground: Ground, identity: Identity, volumes: list[dict[str, Any]]) -> dict[str, Any]:
    host = identity.host
    codes = set()
    if host is None:
        codes.add("KW-HST-009")
    elif host.state == "fresh":
        codes |= _unmatched_findings(ground, identity)
        if policy_conflict(host, ad_required=True):
            codes.add("KW-HST-010")
    else:
        codes.add(REASON_CODES[host.reason or ""])
        if host.state == "stale":
            codes.add("KW-HST-006")
    codes |= _limit_findings(ground, identity)
    if identity.collided or identity.device_collided:
        codes.add("KW-HST-007")
    if identity.by_name:
        codes.add("KW-HST-008")
    verdict: str | None
    if volumes or _shares_volumes(identity):
        verdicts = [volume["verdict"] for volume in volumes if volume["verdict"] is not None]
        verdict = min(verdicts, key=WORST_FIRST.index) if verdicts else None
    else:
        verdict = _verdict_without_volumes(ground, identity)
        codes.add(VERDICT_CODES[verdict])
    return {"name": identity.name, "verdict": verdict, "findings": sorted(codes)}


def _shares_volumes(identity: Identity) -> bool:
    """A cluster node all of whose volumes stand under another node."""
    return identity.host is not None and bool(identity.host.volumes)


def _verdict_without_volumes(ground: Ground, identity: Identity) -> str:
    host = identity.host
    if host is not None and host.state == "fresh":
        return "unknown" if host.bitlocker_installed else "unavailable"
    return "on_file" if any(entry.sound for entry in _own_entries(ground, identity)) else "unknown"


def _own_entries(ground: Ground, identity: Identity) -> list[SeenEntry]:
    held = ground.directory.of_owners(identity.owners)
    return held + (ground.tenant.of_owners(identity.devices) if ground.tenant is not None else [])


def _limit_findings(ground: Ground, identity: Identity) -> set[str]:
    keys = len(ground.tenant.of_owners(identity.devices)) if ground.tenant is not None else 0
    if keys >= LIMIT:
        return {"KW-ESC-010"}
    return {"KW-ESC-009"} if keys >= NEAR_LIMIT else set()


def _unmatched_findings(ground: Ground, identity: Identity) -> set[str]:
    """KW-ESC-001 and KW-ESC-004 for own entries that no listed protector takes; only where every protector could be listed."""
    host = identity.host
    if host is None or not host.volumes or any(volume.protectors is None for volume in host.volumes):
        return set()
    here = {protector.key_id for volume in host.volumes for protector in volume.protectors or ()}
    codes = set()
    for entry in _own_entries(ground, identity):
        if here.intersection(entry.key_ids):
            continue
        if not entry.sound:
            codes.add("KW-ESC-004")
        elif not any(ground.listed_by.get(key_id) for key_id in entry.key_ids):
            codes.add("KW-ESC-001")
    return codes
