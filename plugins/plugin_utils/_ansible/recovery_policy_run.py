# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""The recovery policy of one host: read it, decide, write what differs, read it again.

Nothing is remembered between two rounds but what the host shows. An answer that was lost is therefore settled by what is read next.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from .._core import recovery_policy
from .._core import recovery_policy_changes as changing
from .._core.model import VolumeType
from .._core.recovery_policy_changes import Change, Intentions
from .._errors import KeywardError, OptionError, ProtocolError, UnreachableError
from .._windows import computer, policy
from .._windows.reads import Reads
from .._windows.registry import Registry
from .._windows.registry_changes import RegistryChanges
from .._windows.wsman.session import Session

#: reading, writing and reading again; more often only after a lost answer
ROUNDS: Final = 3
_TASK: Final = "set the recovery policy"
GROUP_POLICY_WARNING: Final = (
    "The recovery policy was set on members of a domain. Where a Group Policy sets the same values, its next refresh (by default every 90 "
    "minutes or so) writes over them: then make the change there."
)
MDM_WARNING: Final = (
    "Intune (or another MDM) delivers recovery options to computers whose recovery policy was set here. It may write over them, and which "
    "of the two Windows follows is not documented: make the change there."
)


class PolicyConflictError(ProtocolError):
    """The policy that would result cannot hold together; nothing was written."""


class PolicyNotKeptError(ProtocolError):
    """What was written is not what is read."""


@dataclass
class PolicyRun:
    """One run on one host; ``made`` holds the changes that were asked for so far, also where it then fails."""

    session: Session
    wishes: Sequence[Intentions]
    present: bool
    check_mode: bool
    now: datetime
    made: list[Change] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def result(self) -> dict[str, Any]:
        """Do it, and tell: the result of the task.

        Raises:
            PolicyConflictError: nothing was written. PolicyNotKeptError, and what the session raises: something may have been.
        """
        domain = self._domain()
        self._registry = Registry(self.session)
        before = self._read()
        planned = self._planned(before)
        self._refuse_contradictions(before, planned)
        notes = [text for wish in self.wishes for text in changing.cautions(before or {}, self._planned(before, wish), wish)]
        mdm = self._mdm()
        nodes = changing.mdm_nodes(mdm or (), [wish.drive_type for wish in self.wishes])
        after = before or {}
        if planned and not self.check_mode:
            after = self._write(planned)
        elif planned:
            after = changing.applied(after, planned)
        if planned:
            self.warnings += [*([GROUP_POLICY_WARNING] if domain else ()), *([MDM_WARNING] if nodes else ()), *notes]
        return {
            "changed": bool(planned),
            "changes": [{"value": change.name, "before": change.before, "after": change.after} for change in planned],
            "before": dict(sorted((before or {}).items())),
            "after": dict(sorted(after.items())),
            "policy": {str(wish.drive_type): _meaning(after, wish.drive_type) for wish in self.wishes},
            "cautions": notes,
            "overwritten_by": [*(["group_policy"] if domain else ()), *(["mdm"] if nodes else ())],
            "domain": domain,
            "mdm_settings": None if mdm is None else list(mdm),
            "diff": {
                "before_header": rf"HKLM\{policy.KEY}",
                "after_header": rf"HKLM\{policy.KEY}",
                "before": _lines(before or {}),
                "after": _lines(after),
            },
        }

    def _domain(self) -> str | None:
        """The domain of the host; also the first exchange, which tells whether there is anybody to talk to."""
        system = computer.single(self.session, computer.NAMESPACE, computer.COMPUTER_SYSTEM, "Win32_ComputerSystem")
        facts = computer.computer_facts(system, Reads.begin(lambda: self.now))
        return str(facts["domain"] or "unknown") if facts["part_of_domain"] else None

    def _mdm(self) -> tuple[str, ...] | None:
        try:
            return policy.mdm_names(self._registry)
        except KeywardError:
            # a fact for a warning: what is asked for does not depend on it, and null in the result says that nobody knows
            return None

    def _read(self) -> dict[str, int | str] | None:
        return policy.named_values(self._registry, [name for wish in self.wishes for name in changing.governed(wish.drive_type)])

    def _planned(self, values: dict[str, int | str] | None, only: Intentions | None = None) -> list[Change]:
        wishes = self.wishes if only is None else (only,)
        return [change for wish in wishes for change in changing.plan(values or {}, wish, present=self.present)]

    def _refuse_contradictions(self, before: dict[str, int | str] | None, planned: Sequence[Change]) -> None:
        after = changing.applied(before or {}, planned)
        found = []
        for wish in self.wishes:
            texts = changing.contradictions(after, wish.drive_type)
            if self.present:
                found += [*texts, *filter(None, [changing.without_effect(after, wish)])]
            else:
                # taking something away cures nothing, but must not break what held together
                held = changing.contradictions(before or {}, wish.drive_type)
                found += [text for text in texts if text not in held]
        if found:
            raise PolicyConflictError(
                _TASK,
                meaning="the policy that results would contradict itself, so nothing was written. " + " ".join(found),
                remedy="Say in the same task what the values named here should be, or change them where they come from.",
            )

    def _write(self, planned: list[Change]) -> dict[str, int | str]:
        for _unused in range(ROUNDS):
            self._write_once(planned)
            after = self._read()
            planned = self._planned(after)
            if not planned:
                return after or {}
        raise PolicyNotKeptError(
            _TASK,
            target=", ".join(change.name for change in planned),
            meaning=f"the host took the values {ROUNDS} times and still shows others",
            remedy="Somebody writes them back: look for a Group Policy, Intune or an agent that sets them, and change them there.",
        )

    def _write_once(self, planned: Sequence[Change]) -> None:
        changes = RegistryChanges(self.session, self._registry)
        try:
            if any(change.after is not None for change in planned):
                changes.create_key(policy.KEY)
            for change in planned:
                self.made.append(change)
                if change.after is None:
                    changes.delete_value(policy.KEY, change.name)
                else:
                    changes.set_number(policy.KEY, change.name, change.after)
        except UnreachableError:
            # done or not: what is read next tells, and a host that is gone says so there
            return


def intentions_of(options: dict[str, Any]) -> list[Intentions]:
    """The intentions of a task's options, one for each kind of drive that is named.

    Raises:
        OptionError: none is given, or some cannot hold together on any computer.
    """
    wishes = []
    for drive_type in VolumeType:
        given = options.get(str(drive_type))
        if given is None:
            continue
        wish = Intentions(
            drive_type=drive_type,
            store_in_ad=given["store_in_ad"],
            key_package=given["key_package"],
            require_backup=given["require_backup"],
            recovery_password=given["recovery_password_use"],
            recovery_key=given["recovery_key_use"],
        )
        problem = changing.contradiction_in(wish)
        if problem:
            raise OptionError(_TASK, target=str(drive_type), meaning=problem, remedy="Decide for one of the two.")
        if not wish.values():
            raise OptionError(
                _TASK, target=str(drive_type), meaning="no intention is given", remedy="Say at least one, such as store_in_ad."
            )
        wishes.append(wish)
    return wishes


def _meaning(values: dict[str, int | str], drive_type: VolumeType) -> dict[str, Any]:
    found = recovery_policy.read_policy(values, drive_type)
    return {
        "configured": found.configured,
        "recovery_password_use": found.recovery_password,
        "store_in_ad": found.stores_in_ad,
        "key_package": found.with_package,
        "require_backup": found.before_encryption,
    }


def _lines(values: dict[str, int | str]) -> str:
    return "".join(f"{name} = {value}\n" for name, value in sorted(values.items()))
