# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""The rotations of one volume: which recovery passwords, each with its intent written first, one after the other, the interrupted first."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from .._core.audit_chain import stamp
from .._core.model import ObservedVolume
from .._core.repair.choice import KeyFacts, Wishes, is_replacement, why_rotate
from .._core.repair.loop import Repaired, foresee, repair
from .._core.repair.rotation import Intent, intend, is_outdated, next_step, tag_for
from .._core.repair.steps import Decision, RemoveProtector, Stop, Tried
from .._core.repair.view import VolumeView
from .._errors import KeywardError
from .intents import IntentFiles
from .repair_run import ReadBack, step_row
from .repair_world import LiveVolume


@dataclass(frozen=True, slots=True, kw_only=True)
class RotationOptions:
    """How: ``keep_old_for``: how old the new one's entry must be in every store before the old one goes; ``disclosed`` asks the audit."""

    wishes: Wishes
    keep_old_for: timedelta
    disclosed: Callable[[str], bool]
    now: Callable[[], datetime]
    patience: Callable[[], ReadBack]
    check_mode: bool
    unique: Callable[[], str] = lambda: secrets.token_hex(4)


@dataclass(slots=True)
class VolumeRotations:
    """The rotations of one volume; :meth:`run` is the whole of it."""

    volume: ObservedVolume
    live: LiveVolume
    files: IntentFiles
    options: RotationOptions
    repaired: list[Repaired] = field(default_factory=list)
    rows: list[dict[str, Any]] = field(default_factory=list)
    keys: dict[str, dict[str, Any]] = field(default_factory=dict)
    _facts: dict[str, KeyFacts] = field(default_factory=dict)

    def run(self) -> dict[str, Any]:
        """Rotate what is to be rotated; the volume's row of the result."""
        view = self.live.view()
        obstacle = view.obstacle()
        if obstacle is not None:
            return self._row(Stop(obstacle))
        done: set[str] = set()
        made: set[str] = set()
        for key_id in self.files.pending():
            made |= self._finish(key_id, done)
        view = self.live.view() if done else view
        now: VolumeView | None = view
        # what was made in this run is not rotated in it
        for item in view.recovery_passwords:
            if item.key_id in done | made or is_replacement(view, item):
                continue
            why = why_rotate(view, item, self.options.wishes, self._known, self.options.now())
            self._note(item.key_id, why)
            if why:
                made |= self._rotate(now or self.live.view(), item.key_id, why)
                now = None
        return self._row(self._trouble())

    def failed(self, problem: KeywardError) -> dict[str, Any]:
        """The row of a volume that could not be gone through to the end."""
        return self._row(Stop(str(problem)))

    def _finish(self, key_id: str, done: set[str]) -> set[str]:
        """Take up a rotation that an earlier run began; where the volume is another one by now, it begins anew, if it is still wanted."""
        view = self.live.view()
        intent = self.files.read(key_id)
        if intent is None or view.obstacle() is not None:
            return set()
        if is_outdated(view, intent):
            if not self.options.check_mode:
                self.files.remove(key_id)
            return set()
        done.add(key_id)
        return self._through(intent, ("interrupted",))

    def _rotate(self, view: VolumeView, key_id: str, why: tuple[str, ...]) -> set[str]:
        now = self.options.now().astimezone(UTC)
        tag = tag_for(key_id, moment=f"{now:%Y%m%dT%H%M%SZ}", unique=self.options.unique())
        intent = intend(view, key_id, tag)
        if isinstance(intent, Stop):
            self.rows.append(_rotation_row(key_id, why, None, intent))
            return set()
        if not self.options.check_mode:
            self.files.write(intent)
        return self._through(intent, why)

    def _through(self, intent: Intent, why: tuple[str, ...]) -> set[str]:
        """The loop, and the intent's file removed when all is done, last of all."""
        kept: list[datetime] = []

        def decide(view: VolumeView, tried: Tried) -> Decision:
            decision = next_step(view, intent, tried)
            if isinstance(decision, RemoveProtector) and decision.key_id == intent.replaced:
                until = self._keep_until(view, intent)
                if until is not None and until > self.options.now():
                    kept[:] = [until]
                    return Stop("the new recovery password is in place, and the old one is kept for a while (keep_old_for)")
            return decision

        patience = self.options.patience()
        ended = foresee(self.live.view(), decide) if self.options.check_mode else repair(self.live, decide, patience)
        self.repaired.append(ended)
        stop = ended.end if isinstance(ended.end, Stop) else None
        if stop is None and not self.options.check_mode:
            self.files.remove(intent.replaced)
        row = _rotation_row(intent.replaced, why, ended, stop, kept[0] if kept and stop is not None else None)
        new = sorted(ended.after.key_ids - intent.snapshot)
        row["new_key_id"] = new[0] if new and not self.options.check_mode else None
        self.rows.append(row)
        return set(new)

    def _keep_until(self, view: VolumeView, intent: Intent) -> datetime | None:
        """When the old one may go; None where it may now. An entry of unknown age is as young as can be."""
        if not self.options.keep_old_for:
            return None
        new = min((item.key_id for item in view.recovery_passwords if item.key_id not in intent.snapshot), default="")
        ages = [self.live.entry_made_at(store, new) or self.options.now() for store in view.stores]
        return max(ages) + self.options.keep_old_for

    # --- what is known of a key -------------------------------------------------------------------------------------------------------

    def _known(self, key_id: str) -> KeyFacts:
        if key_id not in self._facts:
            wishes = self.options.wishes
            moment, source = self.live.made_at(key_id) if wishes.older_than is not None else (None, "")
            disclosed = self.options.disclosed(key_id) if wishes.disclosed else False
            self._facts[key_id] = KeyFacts(made_at=moment, disclosed=disclosed)
            self.keys.setdefault(key_id, {})["date_from"] = source
        return self._facts[key_id]

    def _note(self, key_id: str, why: tuple[str, ...]) -> None:
        known = self._facts.get(key_id, KeyFacts())
        row = {"key_id": key_id, "why": list(why), "made_at": stamp(known.made_at) if known.made_at else None, "date_from": ""}
        self.keys[key_id] = row | self.keys.get(key_id, {})

    def _trouble(self) -> Stop | None:
        """What kept the volume as a whole from being judged."""
        if self.options.wishes.older_than is None:
            return None
        ageless = [key_id for key_id, row in self.keys.items() if not row["why"] and row["made_at"] is None]
        if not ageless:
            return None
        return Stop(f"nobody tells when {ageless[0]} was made", remedy="Rotate it by its key_id.")

    def _row(self, stop: Stop | None) -> dict[str, Any]:
        reason = "" if stop is None else f"{stop.reason}: {self.live.trouble}" if self.live.trouble else stop.reason
        return {
            "volume": self.volume.label,
            "device_id": self.volume.device_id,
            "changed": any(ended.changed for ended in self.repaired),
            "done": stop is None and all(row["done"] or row["kept_until"] for row in self.rows),
            "keys": list(self.keys.values()),
            "rotations": self.rows,
            "reason": reason or next((row["reason"] for row in self.rows if not row["done"] and not row["kept_until"]), ""),
            "remedy": "" if stop is None else stop.remedy,
        }


def _rotation_row(
    key_id: str, why: tuple[str, ...], ended: Repaired | None, stop: Stop | None, kept_until: datetime | None = None
) -> dict[str, Any]:
    return {
        "key_id": key_id,
        "why": list(why),
        "new_key_id": None,
        "done": stop is None,
        "kept_until": None if kept_until is None else stamp(kept_until),
        "steps": [step_row(step) for step in ended.steps] if ended is not None else [],
        "uncertain": [step_row(step) for step in ended.uncertain] if ended is not None else [],
        "reason": "" if stop is None else stop.reason,
        "remedy": "" if stop is None else stop.remedy,
        "problems": [str(problem) for problem in ended.problems] if ended is not None else [],
    }
