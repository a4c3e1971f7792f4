# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""What an earlier report already said, so that a gate can fail on what is new.

A finding is the same as before where its code, its computer and its volume are. A computer is the same only where no hard identity says
otherwise, and a volume is known by its device ID, not by its letter: whatever cannot be recognised is new. That nobody could look is never
old news.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import datetime

from .._errors import BadDataError
from .gate_report import GateReport, ReportedComputer, ReportedFinding, Unit
from .model import Verdict

_NOWHERE = frozenset({Verdict.UNESCROWED, Verdict.NO_RECOVERY_PASSWORD, Verdict.WRONG_KEY})
#: a failing verdict -> the verdicts from which it is a step forward, so that it brings nothing new; all other changes do
_BETTER_THAN: Mapping[Verdict, frozenset[Verdict]] = {
    Verdict.AT_RISK: _NOWHERE,
    Verdict.ESCROWED: _NOWHERE | {Verdict.AT_RISK},
}
_Place = tuple[str, str, tuple[str, ...]]


class Baseline:
    """An earlier report beside the one that is judged.

    Raises:
        BadDataError: it is not earlier, so that everything in the report would be known by definition.
    """

    def __init__(self, earlier: GateReport, report: GateReport, what: str) -> None:
        if earlier.generated_at >= report.generated_at:
            same = earlier.generated_at == report.generated_at
            raise BadDataError(
                "use the baseline",
                target=what,
                meaning="it is the very report that is judged" if same else "it was made after the report that is judged",
                remedy="Keep the baseline apart from where the report is written, and name the earlier one.",
            )
        self._earlier = earlier
        self._report = report
        self._units = {(unit.computer, unit.device_id): unit.verdict for unit in earlier.units}
        self._before = Counter(_place(earlier, finding) for finding in earlier.findings)
        self._now = Counter(_place(report, finding) for finding in report.findings)

    @property
    def generated_at(self) -> datetime:
        """When it was made."""
        return self._earlier.generated_at

    def same_machine(self, name: str) -> bool:
        """Whether a computer of the report was in the earlier one, and no hard identity contradicts."""
        before, now = self._earlier.computers.get(name), self._report.computers.get(name)
        return before is not None and now is not None and not _contradict(before, now)

    def same_place(self, name: str, volume: str | None) -> bool:
        """Whether a computer of the report, and the volume with this label on it, are those of the earlier one."""
        if not self.same_machine(name):
            return False
        before, now = self._earlier.computers[name], self._report.computers[name]
        return volume is None or before.places.get(volume) == now.places.get(volume)

    def knows_unit(self, unit: Unit) -> bool:
        """Whether this failing verdict was there before, or comes from one that was worse."""
        before = self._units.get((unit.computer, unit.device_id))
        if before is None or not self.same_machine(unit.computer):
            return False
        if before is unit.verdict:
            # an escrowed key fails only where a proof is required, which may be new
            return unit.verdict is not Verdict.ESCROWED or self._earlier.proof == self._report.proof
        return before in _BETTER_THAN.get(unit.verdict, ())

    def knows_finding(self, finding: ReportedFinding) -> bool:
        """Whether the earlier report has this code at this place, as often as it is there now."""
        place = _place(self._report, finding)
        if finding.computer is None or not self.same_machine(finding.computer):
            return False
        return self._now[place] <= self._before[place]


def _contradict(before: ReportedComputer, now: ReportedComputer) -> bool:
    return any(before.identities[key] != now.identities[key] for key in before.identities.keys() & now.identities.keys())


def _place(report: GateReport, finding: ReportedFinding) -> _Place:
    computer = report.computers.get(finding.computer) if finding.computer is not None else None
    devices = computer.places[finding.volume] if computer is not None and finding.volume is not None else ()
    return finding.code, finding.computer or "", devices
