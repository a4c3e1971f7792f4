# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""An escrow report as a gate reads it: back from JSON, checked, and refused where it does not add up.

The file may be an artefact of another job, cut off on its way, edited by hand or made by another version. A gate that counted what it
happens to find in such a file would pass for the wrong reason, so every number that the report states is counted again (the format is that
of docs/escrow-report.schema.json). This finds damage and mistakes. It is no defence against somebody who can write the file, who can
also write a consistent one.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from .findings import VERDICT_CODES
from .gate_reader import Reader
from .model import Flag, Severity, StoreState, Verdict
from .requirements import PROOFS
from .verdict import could_not_look, worst

SCHEMA_VERSION = 1
_CODE = re.compile(r"KW-[A-Z]{3}-\d{3}")
#: findings of the run that make a report incomplete (DESIGN section 5)
RUN_CODES = re.compile(r"KW-(?:STO|RUN)-\d{3}")
_STALE = "KW-HST-006"
#: identities that two machines never share; the DNS name and the inventory name can pass from one to another
_HARD = ("ad_guid", "entra_device_id", "hardware_uuid", "serial")


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """What has a verdict: a volume in scope, or a computer that lists none (then ``volume`` and ``device_id`` are None)."""

    computer: str
    volume: str | None
    device_id: str | None
    verdict: Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportedComputer:
    """One computer: ``identities`` are its hard ones, ``places`` the device IDs behind each volume's label, ``units`` its verdicts."""

    name: str
    verdict: Verdict | None
    observed: bool
    identities: Mapping[str, str] = field(default_factory=dict)
    places: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    units: tuple[Unit, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportedFinding:
    """A finding as the report has it."""

    code: str
    severity: Severity
    computer: str | None
    volume: str | None
    message: str
    remedy: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportedStore:
    """How far the search of a store reached."""

    state: StoreState
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class GateReport:
    """A report that adds up. ``raw`` is the document itself, for rules."""

    generated_at: datetime
    complete: bool
    proof: str
    stores: Mapping[str, ReportedStore]
    computers: Mapping[str, ReportedComputer]
    findings: tuple[ReportedFinding, ...]
    observed: int
    raw: Mapping[str, Any] = field(repr=False)

    @property
    def units(self) -> Iterator[Unit]:
        """Every verdict, computer by computer."""
        return (unit for computer in self.computers.values() for unit in computer.units)


def read_report(document: object, what: str, *, attempted: str = "read the report", remedy: str = "") -> GateReport:
    """Check a report that was parsed from JSON.

    Args:
        document: the parsed JSON, of any shape.
        what: what it is called in an error, such as its path.
        attempted, remedy: what an error says it was needed for, and what to do.

    Raises:
        BadDataError: it is no report, one of a version that this one does not know, or one that contradicts itself.
    """
    reader = Reader(what, attempted, remedy or "Make the report again with keyward.bitlocker.escrow_report, and hand over the whole file.")
    top = _known_version(reader, document)
    findings = tuple(_findings(reader, top))
    stale = {finding.computer for finding in findings if finding.code == _STALE}
    computers = _computers(reader, top, stale)
    requirements = reader.mapping(reader.of(top, "requirements"), "requirements")
    proof = reader.text(requirements, "proof", "requirements")
    if proof not in PROOFS:
        reader.refuse(f"proof of requirements is {proof[:40]!r}, which this version does not know")
    required = reader.items(reader.of(requirements, "stores", "requirements"), "stores of requirements")
    report = GateReport(
        generated_at=reader.moment(top, "generated_at"),
        complete=reader.flag(top, "complete"),
        proof=proof,
        stores=_stores(reader, top, required),
        computers=computers,
        findings=findings,
        observed=sum(computer.observed for computer in computers.values()),
        raw=top,
    )
    _add_up(reader, report, top)
    return report


def _known_version(reader: Reader, document: object) -> Mapping[str, Any]:
    if not isinstance(document, Mapping) or "schema_version" not in document:
        reader.refuse("it is no escrow report: it has no schema_version")
    version = document["schema_version"]
    if isinstance(version, bool) or not isinstance(version, int) or not 0 <= version < 1_000_000:
        reader.refuse("its schema_version is none")
    if version > SCHEMA_VERSION:
        reader.refuse(f"it has schema version {version}, from a newer keyward.bitlocker; this one knows {SCHEMA_VERSION}")
    if version != SCHEMA_VERSION:
        reader.refuse(f"it has schema version {version}, and there is none such")
    return reader.mapping(document, "the report")


def _stores(reader: Reader, top: Mapping[str, Any], required: Sequence[object]) -> dict[str, ReportedStore]:
    stores = {}
    for name, given in reader.mapping(reader.of(top, "stores"), "stores").items():
        facts = reader.mapping(given, f"store {name[:40]}")
        state = reader.word(StoreState, reader.of(facts, "state", f"store {name[:40]}"), f"state of store {name[:40]}")
        reason = reader.text(facts, "reason", f"store {name[:40]}") if "reason" in facts else ""
        stores[name] = ReportedStore(state=state, reason=reason)
    if not required or not all(isinstance(name, str) and name in stores for name in required):
        reader.refuse("it requires a store that it says nothing of" if required else "it requires no store")
    return stores


def _findings(reader: Reader, top: Mapping[str, Any]) -> Iterator[ReportedFinding]:
    for number, given in enumerate(reader.items(reader.of(top, "findings"), "findings"), 1):
        where = f"finding {number}"
        facts = reader.mapping(given, where)
        code = reader.text(facts, "code", where)
        if not _CODE.fullmatch(code):
            reader.refuse(f"code of {where} is none")
        yield ReportedFinding(
            code=code,
            severity=reader.word(Severity, reader.of(facts, "severity", where), f"severity of {where}"),
            computer=reader.optional(facts, "computer", where),
            volume=reader.optional(facts, "volume", where),
            message=reader.text(facts, "message", where),
            remedy=reader.text(facts, "remedy", where),
        )


def _computers(reader: Reader, top: Mapping[str, Any], stale: set[str | None]) -> dict[str, ReportedComputer]:
    computers: dict[str, ReportedComputer] = {}
    for number, given in enumerate(reader.items(reader.of(top, "computers"), "computers"), 1):
        computer = _computer(reader, reader.mapping(given, f"computer {number}"), f"computer {number}", stale)
        if computer.name in computers:
            reader.refuse(f"computer {number} has the name of an earlier one")
        computers[computer.name] = computer
    return computers


def _computer(reader: Reader, facts: Mapping[str, Any], where: str, stale: set[str | None]) -> ReportedComputer:
    name = reader.text(facts, "name", where)
    verdict = _verdict(reader, facts, where)
    volumes = [
        reader.mapping(one, f"a volume of {where}") for one in reader.items(reader.of(facts, "volumes", where), f"volumes of {where}")
    ]
    units = [unit for volume in volumes if (unit := _volume(reader, volume, name, where)) is not None]
    if volumes and worst(unit.verdict for unit in units) is not verdict:
        reader.refuse(f"it does not add up: the verdict of {where} is not the worst of its volumes")
    if not volumes and verdict is not None:
        units = [Unit(computer=name, volume=None, device_id=None, verdict=verdict)]
    places: dict[str, tuple[str, ...]] = {}
    devices = [reader.text(volume, "device_id", f"a volume of {where}") for volume in volumes]
    if len(set(devices)) != len(devices):
        reader.refuse(f"{where} lists a volume twice")
    for volume, device in sorted(zip(volumes, devices, strict=True), key=lambda pair: pair[1]):
        label = reader.text(volume, "volume", f"a volume of {where}")
        places[label] = (*places.get(label, ()), device)
    identities = reader.mapping(reader.of(facts, "identities", where), f"identities of {where}")
    observed = reader.moment(facts, "observed_at", where) if reader.of(facts, "observed_at", where) is not None else None
    return ReportedComputer(
        name=name,
        verdict=verdict,
        observed=observed is not None and name not in stale,
        identities={key: value for key in _HARD if (value := reader.optional(identities, key, f"identities of {where}"))},
        places=places,
        units=tuple(units),
    )


def _verdict(reader: Reader, facts: Mapping[str, Any], where: str) -> Verdict | None:
    value = reader.of(facts, "verdict", where)
    return None if value is None else reader.word(Verdict, value, f"verdict of {where}")


def _volume(reader: Reader, volume: Mapping[str, Any], computer: str, where: str) -> Unit | None:
    """The unit of a volume; None for one that is out of scope."""
    where = f"a volume of {where}"
    verdict = _verdict(reader, volume, where)
    flags = [reader.word(Flag, flag, f"a flag of {where}") for flag in reader.items(reader.of(volume, "flags", where), f"flags of {where}")]
    if reader.flag(volume, "in_scope", where) is (verdict is None) or (verdict is None and flags):
        reader.refuse(f"it does not add up: {where} has a verdict and is out of scope, or the other way round")
    if verdict is None:
        return None
    return Unit(
        computer=computer, volume=reader.text(volume, "volume", where), device_id=reader.text(volume, "device_id", where), verdict=verdict
    )


def _add_up(reader: Reader, report: GateReport, top: Mapping[str, Any]) -> None:
    """Count again what the report says of itself."""
    summary = reader.mapping(reader.of(top, "summary"), "summary")
    verdicts = Counter(unit.verdict for unit in report.units)
    passing = verdicts[Verdict.RECOVERABLE] + (verdicts[Verdict.ESCROWED] if report.proof != "live" else 0)
    flags = Counter(flag for computer in top["computers"] for volume in computer["volumes"] for flag in volume["flags"])
    codes = Counter(finding.code for finding in report.findings)
    counted = {
        "computers": len(report.computers),
        "observed": report.observed,
        "volumes": sum(len(devices) for computer in report.computers.values() for devices in computer.places.values()),
        "passing": passing,
        "could_not_look": sum(number for verdict, number in verdicts.items() if could_not_look(verdict)),
    }
    for name, number in counted.items():
        reader.agree(f"{name} of the summary", reader.number(summary, name, "the summary"), number)
    for name, words in (("verdicts", verdicts), ("flags", flags), ("findings", codes)):
        stated = {word: number for word, number in reader.counts(summary, name).items() if number}
        reader.agree(f"{name} of the summary", stated, {str(word): number for word, number in words.items()})
    for verdict, code in VERDICT_CODES.items():
        reader.agree(f"the number of findings {code}", codes[code], verdicts[verdict])
    reader.agree("complete", report.complete, not any(RUN_CODES.fullmatch(code) for code in codes))
    reader.agree("passed", reader.flag(top, "passed"), report.complete and passing == verdicts.total())
    _places_exist(reader, report)


def _places_exist(reader: Reader, report: GateReport) -> None:
    for number, finding in enumerate(report.findings, 1):
        if finding.computer is None:
            known = finding.volume is None
        else:
            computer = report.computers.get(finding.computer)
            known = computer is not None and (finding.volume is None or finding.volume in computer.places)
        if not known:
            reader.refuse(f"it does not add up: finding {number} is about a computer or volume that is not in the report")


def age_of(report: GateReport, now: datetime) -> timedelta:
    """How long ago the report was made; negative when its clock is ahead."""
    return now - report.generated_at
