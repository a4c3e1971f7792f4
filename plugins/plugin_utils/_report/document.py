# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""The report as a document (schema version 1, docs/escrow-report.schema.json): metadata only, never a value, a package or a digest."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from .._core.entries import Holding
from .._core.joins import ENTRA, Computer, is_guid, stated_device
from .._core.model import Entry, Finding, StoreState
from .._core.rows import ComputerRow, EstateJudgement, ProtectorRow, VolumeRow

SCHEMA_VERSION = 1
#: keys whose value is about the moment of the run, not about the estate
VOLATILE_KEYS = ("generated_at", "trend")
#: plain data holds no circles, and looking for them takes a third of the time
_ENCODER = json.JSONEncoder(ensure_ascii=False, check_circular=False)


def stamp(moment: datetime | None) -> str | None:
    """A time as the report writes it: UTC, whole seconds, Z."""
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="seconds") + "Z" if moment is not None else None


def build(judgement: EstateJudgement, scope: Mapping[str, Any]) -> dict[str, Any]:
    """The whole report as plain data, keys in the order a person reads them; ``scope`` says what was looked at."""
    return {
        "schema_version": SCHEMA_VERSION,
        "generated_at": stamp(judgement.generated_at),
        "complete": judgement.complete,
        "passed": judgement.passed,
        "scope": dict(scope),
        "requirements": judgement.requirements.to_dict(),
        "stores": {store: _store(judgement, store) for store in judgement.readings},
        "summary": _summary(judgement),
        "computers": [_computer(row) for row in judgement.computers],
        "findings": [_finding(finding) for finding in judgement.findings],
    }


def to_json(document: Mapping[str, Any]) -> str:
    """The report's file text: UTF-8, one computer and one finding a line (a large fleet stays greppable and quick to write)."""
    return "".join(_pieces(document))


def _pieces(document: Mapping[str, Any]) -> Iterator[str]:
    """The file's text, piece by piece: the whole of a large fleet's is held once at most."""
    before = "{\n"
    for key, value in document.items():
        yield f"{before} {_json(key)}: "
        before = ",\n"
        if not isinstance(value, list) or not value:
            yield _json(value)
            continue
        yield f"[\n  {_json(value[0])}"
        for item in value[1:]:
            yield f",\n  {_json(item)}"
        yield "\n ]"
    yield "\n}\n" if document else "{\n\n}\n"


def _json(value: object) -> str:
    # half a surrogate pair (a name in a broken encoding) can be in no UTF-8 file; what replaces it is JSON's own spelling of it
    text = _ENCODER.encode(value)
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode("utf-8")


def same_content(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether two reports say the same, whenever they were made."""
    return _without_times(one) == _without_times(other)


def digest(document: Mapping[str, Any]) -> str:
    """SHA-256 of what the report says, whenever it was made: what files in other formats carry to be told apart by."""
    found = hashlib.sha256()
    for piece in _pieces(_without_times(document)):
        found.update(piece.encode("utf-8"))
    return found.hexdigest()


def _without_times(report: Mapping[str, Any]) -> dict[str, Any]:
    document = {key: value for key, value in report.items() if key not in VOLATILE_KEYS}
    computers = document.get("computers")
    if isinstance(computers, list):
        proven = isinstance(document.get("summary"), dict) and "proofs" in document["summary"]
        document["computers"] = [_computer_without_times(item, proven) if isinstance(item, dict) else item for item in computers]
        if proven and isinstance(document["summary"]["proofs"], dict):
            # which run made a proof says as little as when
            sums = {key: value for key, value in document["summary"]["proofs"].items() if key != "remembered"}
            document["summary"] = {**document["summary"], "proofs": sums}
    return document


def _computer_without_times(computer: Mapping[str, Any], proven: bool) -> dict[str, Any]:
    out = {key: value for key, value in computer.items() if key != "observed_at"}
    if proven and isinstance(out.get("volumes"), list):
        out["volumes"] = [_volume_without_times(volume) for volume in out["volumes"]]
    if isinstance(out.get("intune"), dict):
        out["intune"] = {key: value for key, value in out["intune"].items() if key != "last_sync"}
    return out


def _protector_without_times(protector: Any) -> Any:
    """A protector whose proofs do not say when they were made; one without proofs as it is."""
    stores = protector.get("stores") if isinstance(protector, dict) else None
    if not isinstance(stores, dict) or not any(isinstance(held, dict) and isinstance(held.get("proof"), dict) for held in stores.values()):
        return protector
    timeless = {}
    for store, held in stores.items():
        timeless[store] = held
        if isinstance(held, dict) and isinstance(held.get("proof"), dict):
            timeless[store] = {**held, "proof": {key: value for key, value in held["proof"].items() if key != "made_at"}}
    return {**protector, "stores": timeless}


def _volume_without_times(volume: Any) -> Any:
    if not isinstance(volume, dict) or not isinstance(volume.get("protectors"), list):
        return volume
    return {**volume, "protectors": [_protector_without_times(item) for item in volume["protectors"]]}


def asides(document: Mapping[str, Any]) -> list[str]:
    """What the one who runs it should be told although nothing in the report rests on it: a reading of Intune that fell short."""
    read = [facts["intune"] for facts in document["stores"].values() if "intune" in facts]
    return [f"Intune, {facts['state']}: {facts.get('reason', '')}" for facts in read if facts["state"] != StoreState.SEARCHED.value]


def _store(judgement: EstateJudgement, store: str) -> dict[str, Any]:
    reading = judgement.readings[store]
    state = StoreState.PARTIAL if reading.state is StoreState.SEARCHED and reading.unsearched_owners else reading.state
    out: dict[str, Any] = {"state": state.value, "entries": sum(not entry.deleted for entry in reading.entries)}
    if reading.reason:
        out["reason"] = reading.reason
    if reading.intune is not None:
        out["intune"] = {"state": reading.intune.state.value, "enrolments": reading.intune.enrolments}
        if reading.intune.reason:
            out["intune"]["reason"] = reading.intune.reason
    return out


def _summary(judgement: EstateJudgement) -> dict[str, Any]:
    return {
        "computers": len(judgement.computers),
        "observed": judgement.observed,
        "volumes": judgement.volumes,
        "verdicts": dict(sorted(judgement.verdicts.items())),
        "flags": dict(sorted(judgement.flags.items())),
        "findings": dict(sorted(Counter(finding.code for finding in judgement.findings).items())),
        "passing": judgement.passing,
        "could_not_look": judgement.could_not_look,
        **({"proofs": asdict(judgement.proofs)} if judgement.proofs is not None else {}),
    }


def _computer(row: ComputerRow) -> dict[str, Any]:
    computer = row.computer
    said = computer.observation
    owners = [(store, join) for store, join in computer.joins.items() if join.join is not None or join.owner is not None]
    ad = computer.joins.get("ad")
    return {
        "name": row.name,
        "verdict": row.verdict.value if row.verdict is not None else None,
        "flags": [flag.value for flag in row.flags],
        "observed_at": stamp(said.observed_at) if said is not None else None,
        "not_observed": computer.failure.reason.value if computer.failure is not None and computer.failure.reason is not None else None,
        "identities": {
            "inventory": computer.host.name if computer.host is not None else None,
            "dns_name": (said.dns_name if said is not None else None) or (ad.owner.dns_name if ad and ad.owner else None),
            "ad_guid": ad.owner.owner_id if ad is not None and ad.owner is not None else None,
            "entra_device_id": _device_id(computer),
            "serial": said.serial if said is not None else None,
            "hardware_uuid": said.hardware_uuid if said is not None else None,
            "joins": {store: join.join.value for store, join in owners if join.join is not None},
        },
        **_intune(computer),
        "volumes": [_volume(volume) for volume in row.volumes],
        "unmatched_entries": [
            {
                **_entry(item.entry),
                "key_id": item.entry.key_ids[0] if item.entry.key_ids else None,
                "store": item.entry.store,
                "why": item.why,
            }
            for item in row.unmatched
        ],
    }


def _intune(computer: Computer) -> dict[str, Any]:
    """What Intune says, for a computer that did not say it itself, or too long ago."""
    owners = [join.owner for join in computer.joins.values() if join.owner is not None and join.owner.intune is not None]
    if computer.seen is not None or not owners or owners[0].intune is None:
        return {}
    facts = owners[0].intune
    return {"intune": {"encrypted": facts.encrypted, "last_sync": stamp(facts.last_sync), "enrolments": facts.enrolments}}


def _device_id(computer: Computer) -> str | None:
    """The device in Entra that the computer is joined to; where it has none there, the one that it says it is."""
    join = computer.joins.get(ENTRA)
    if join is None or join.owner is None:
        return stated_device(computer.observation)
    return join.owner_id if is_guid(join.owner_id) else None


def _volume(row: VolumeRow) -> dict[str, Any]:
    volume = row.volume
    out: dict[str, Any] = {
        "volume": volume.label,
        "device_id": volume.device_id,
        "persistent_id": volume.persistent_id,
        "type": volume.type,
        "in_scope": row.judgement.in_scope,
        "verdict": row.judgement.verdict.value if row.judgement.verdict is not None else None,
        "flags": [flag.value for flag in row.judgement.flags],
        "method": volume.method,
        "conversion": volume.conversion,
        "protection": volume.protection,
        "encrypted_percent": volume.encrypted_percent,
        "protectors": [_protector(protector) for protector in row.protectors],
    }
    if row.nodes:
        out["nodes"] = list(row.nodes)
    if volume.errors:
        out["errors"] = [{"read": e.read, "code": e.code, "name": e.name, "message": e.message} for e in volume.errors]
    return out


def _protector(row: ProtectorRow) -> dict[str, Any]:
    out: dict[str, Any] = {"key_id": row.key_id, "type": row.type}
    if row.holdings is not None:
        out["stores"] = {store: _holding(holding) for store, holding in row.holdings.items()}
    return out


def _holding(holding: Holding) -> dict[str, Any]:
    out: dict[str, Any] = {"state": holding.state.value, "entries": [_entry(entry) for entry in holding.own]}
    if holding.proof is not None:
        proof = holding.proof
        out["proof"] = {
            "outcome": proof.outcome.value,
            "basis": proof.basis.value,
            "made_at": stamp(proof.made_at),
            "reason": proof.reason,
        }
    return out


def _entry(entry: Entry) -> dict[str, Any]:
    out: dict[str, Any] = {"location": entry.location, "created": stamp(entry.created)}
    if entry.defects:
        out["defects"] = list(entry.defects)
    return out


def _finding(finding: Finding) -> dict[str, Any]:
    return {
        "code": finding.code,
        "severity": finding.severity.value,
        "computer": finding.computer,
        "volume": finding.volume,
        "message": finding.message,
        "remedy": finding.remedy,
    }
