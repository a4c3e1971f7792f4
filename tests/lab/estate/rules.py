# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's own reading of DESIGN section 5: states of protectors, verdicts of volumes, flags and findings.

Written from the page, not from the collection's code; slow and plain on purpose.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ansible_collections.keyward.bitlocker.tests.lab.estate.proofs import Held
from ansible_collections.keyward.bitlocker.tests.lab.estate.view import Directory, SeenHost, SeenVolume

WORST_FIRST = (
    "unescrowed",
    "no_recovery_password",
    "wrong_key",
    "at_risk",
    "unprotected",
    "not_encrypted",
    "unavailable",
    "unknown",
    "on_file",
    "escrowed",
    "recoverable",
)
BEST_PROTECTOR_FIRST = ("recoverable", "escrowed", "at_risk", "wrong_key", "unescrowed")
COUNTED = frozenset({"proven", "present", "unreadable"})
VERDICT_CODES = {
    "not_encrypted": "KW-VOL-001",
    "unprotected": "KW-VOL-002",
    "no_recovery_password": "KW-VOL-003",
    "unescrowed": "KW-VOL-004",
    "at_risk": "KW-VOL-005",
    "wrong_key": "KW-VOL-006",
    "unknown": "KW-VOL-007",
    "on_file": "KW-VOL-008",
    "unavailable": "KW-VOL-009",
}
FLAG_CODES = {
    "locked": "KW-VOL-102",
    "converting": "KW-VOL-103",
    "weak_method": "KW-VOL-104",
    "activation_pending": "KW-VOL-105",
    "other_recovery": "KW-VOL-106",
    "sibling_not_escrowed": "KW-VOL-107",
}
SUSPENDED_CODE = "KW-VOL-101"
REASON_CODES = {
    "unreachable": "KW-HST-001",
    "authentication": "KW-HST-002",
    "authorization": "KW-HST-003",
    "tls": "KW-HST-004",
    "protocol": "KW-HST-005",
}
SUSPENDED_REBOOTS_ALLOWED = 2
SCOPE = (0, 1)
#: AES and XTS-AES, 128 and 256 bits
ACCEPTED_METHODS = frozenset({3, 4, 6, 7})
#: external key, certificate (a data recovery agent too), passphrase, SID
OTHER_RECOVERY_TYPES = frozenset({2, 7, 8, 10})

States = dict[str, dict[str, str]]


@dataclass(frozen=True, kw_only=True)
class Judged:
    """A volume's verdict (None out of scope), flags and finding codes."""

    verdict: str | None
    flags: frozenset[str] = frozenset()
    findings: frozenset[str] = frozenset()


def protector_state(directory: Directory, held: Held, *, owner_known: bool) -> str:
    """State of one protector in the directory; ``held`` are its own entries there."""
    if directory.state == "down" or not owner_known:
        return "unknown"
    return held.state or ("absent" if directory.state == "searched" else "unknown")


def protector_verdict(states: Mapping[str, str], copies: int) -> str:
    """The verdict one recovery password would have alone; ``states`` has no ``unknown`` (see :func:`bounds`)."""
    held = list(states.values())
    counted = sum(state in COUNTED for state in held)
    if counted >= copies and "proven" in held:
        return "recoverable"
    if "proven" not in held and ("refuted" in held or "conflicting" in held):
        return "wrong_key"
    if counted >= copies:
        return "escrowed"
    if counted > 0:
        return "at_risk"
    return "wrong_key" if "malformed" in held else "unescrowed"


def bounds(states: States, best: str = "present") -> tuple[States, States]:
    """The same states with every unknown taken as absent, and as ``best``: present, or where a proof is required proven."""

    def taken(as_word: str) -> States:
        return {
            key_id: {store: as_word if state == "unknown" else state for store, state in stores.items()}
            for key_id, stores in states.items()
        }

    return taken("absent"), taken(best)


def judge_volume(volume: SeenVolume, states: States, copies: int, proof: str = "none") -> Judged:
    """A volume of a computer that was observed today, under both bounds."""
    if volume.type not in SCOPE:
        return Judged(verdict=None)
    lower, upper = (_judge_known(volume, known, copies) for known in bounds(states, "proven" if proof == "live" else "present"))
    verdict = lower.verdict if lower.verdict == upper.verdict else "unknown"
    findings = (lower.findings & upper.findings) | _verdict_code(verdict)
    return Judged(verdict=verdict, flags=lower.flags & upper.flags, findings=findings)


def judge_volume_on_file(volume: SeenVolume, states: States) -> Judged:
    """A volume that only an old observation lists."""
    if volume.type not in SCOPE:
        return Judged(verdict=None)
    counted = any(state in COUNTED for stores in states.values() for state in stores.values())
    verdict = "on_file" if counted else "unknown"
    return Judged(verdict=verdict, findings=_verdict_code(verdict))


def _verdict_code(verdict: str | None) -> frozenset[str]:
    return frozenset({VERDICT_CODES[verdict]}) if verdict in VERDICT_CODES else frozenset()


def _judge_known(volume: SeenVolume, states: States, copies: int) -> Judged:
    alone = {key_id: protector_verdict(stores, copies) for key_id, stores in states.items()}
    verdict = _verdict(volume, alone)
    flags = _flags(volume, verdict, alone)
    findings = {FLAG_CODES[flag] for flag in flags if flag in FLAG_CODES}
    if "suspended" in flags and (volume.suspend_count or 0) > SUSPENDED_REBOOTS_ALLOWED:
        findings.add(SUSPENDED_CODE)
    return Judged(verdict=verdict, flags=frozenset(flags), findings=frozenset(findings) | _verdict_code(verdict))


def _verdict(volume: SeenVolume, alone: Mapping[str, str]) -> str:
    if volume.conversion == 0:
        return "not_encrypted"
    if volume.protectors is None or (volume.conversion is None and not volume.locked):
        return "unknown"
    if _unprotected(volume):
        return "unprotected"
    suspended_unread = volume.conversion == 1 and volume.protection == 0 and volume.suspend_unreadable
    if suspended_unread or any(protector.type is None for protector in volume.protectors):
        return "unknown"
    if not alone:
        return "no_recovery_password"
    return next(verdict for verdict in BEST_PROTECTOR_FIRST if verdict in alone.values())


def _unprotected(volume: SeenVolume) -> bool:
    bare = not volume.protectors
    if volume.conversion == 1:
        off = volume.protection == 0 and not volume.suspend_unreadable and volume.suspend_count in (None, 0)
        return bare or off
    if volume.conversion in (3, 5):
        return True
    return volume.conversion in (2, 4) and bare


def _flags(volume: SeenVolume, verdict: str, alone: Mapping[str, str]) -> set[str]:
    flags = set()
    if volume.conversion == 1 and volume.protection == 0 and volume.suspend_count is not None and not volume.suspend_unreadable:
        flags.add("suspended")
    if volume.locked:
        flags.add("locked")
    if volume.conversion in (2, 3, 4, 5):
        flags.add("converting")
    if volume.conversion != 0 and volume.method != 0 and volume.method not in ACCEPTED_METHODS:
        flags.add("weak_method")
    if verdict == "not_encrypted" and volume.protectors and volume.hardware_test_pending:
        flags.add("activation_pending")
    if verdict == "no_recovery_password" and _other_recovery(volume):
        flags.add("other_recovery")
    if verdict in ("escrowed", "recoverable") and not {"at_risk", "wrong_key", "unescrowed"}.isdisjoint(alone.values()):
        flags.add("sibling_not_escrowed")
    return flags


def _other_recovery(volume: SeenVolume) -> bool:
    return any(
        protector.type in OTHER_RECOVERY_TYPES and protector.key_id != volume.auto_unlock_key_id for protector in volume.protectors or ()
    )


def policy_conflict(host: SeenHost, *, ad_required: bool) -> bool:
    """KW-HST-010: the policy forbids a recovery password on a drive type in scope, or does not store in AD though it is required."""
    policy = host.policy or {}
    for kind, drives in enumerate(("OS", "FDV", "RDV")):
        if kind not in SCOPE or policy.get(f"{drives}Recovery") != 1:
            continue
        if policy.get(f"{drives}RecoveryPassword") == 0 or (ad_required and policy.get(f"{drives}ActiveDirectoryBackup") != 1):
            return True
    return False
