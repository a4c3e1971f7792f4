# SPDX-License-Identifier: GPL-3.0-or-later
"""Reports made to order for the gate: a few computers with the verdicts one wants, everything else of them added up."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.finding_catalogue import CATALOGUE
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.findings import VERDICT_CODES
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.model import Verdict

NOW = datetime(2026, 11, 22, 20, tzinfo=UTC)
EARLIER = datetime(2026, 11, 21, 20, tzinfo=UTC)
_UNSEEN = (Verdict.UNKNOWN, Verdict.ON_FILE)
_ORDER = list(Verdict)


@dataclass
class PC:
    """A computer: its volumes' verdicts by label (None: out of scope), or ``verdict`` where it lists none; further findings by code."""

    name: str
    volumes: Mapping[str, str | None] = field(default_factory=dict)
    verdict: str | None = None
    codes: Sequence[tuple[str, str | None]] = ()
    identities: Mapping[str, str] = field(default_factory=dict)
    devices: Mapping[str, str] = field(default_factory=dict)
    seen: bool | None = None

    @property
    def observed(self) -> bool:
        """Whether it counts as observed: unless said otherwise, where it has a verdict that only a look can give."""
        words = [word for word in (*self.volumes.values(), self.verdict) if word is not None]
        return self.seen if self.seen is not None else not words or any(word not in _UNSEEN for word in words)


def fine(number: int, prefix: str = "ok") -> list[PC]:
    """So many computers without a problem."""
    return [PC(f"{prefix}{at:03}", {"C:": "escrowed"}) for at in range(number)]


def report(
    computers: Iterable[PC],
    *,
    at: datetime = NOW,
    proof: str = "none",
    stores: Mapping[str, str] | None = None,
    run: Sequence[str] = (),
) -> dict[str, Any]:
    """The report of these computers; ``stores`` are names with states, ``run`` the codes of the run's own findings."""
    made = list(computers)
    rows = [_row(pc) for pc in made]
    findings = [_finding(code, None, None) for code in run]
    for pc in made:
        findings += [_finding(code, pc.name, volume) for code, volume in _codes(pc)]
    units = [unit["verdict"] for row in rows for unit in row["volumes"] or [row] if unit["verdict"] is not None]
    verdicts = Counter(units)
    passing = verdicts["recoverable"] + (verdicts["escrowed"] if proof == "none" else 0)
    complete = not run
    return {
        "schema_version": 1,
        "generated_at": f"{at:%Y-%m-%dT%H:%M:%SZ}",
        "complete": complete,
        "passed": complete and passing == len(units),
        "scope": {"hosts": len(rows), "ad": {"search_bases": ["DC=corp,DC=example"]}},
        "requirements": {
            "stores": list(stores or {"ad": ""}),
            "copies": 1,
            "proof": proof,
            "volume_types": ["os", "fixed"],
            "encryption": True,
            "methods": ["xts_aes_256"],
            "max_observation_age": 30,
            "suspended_reboots_allowed": 2,
            "min_coverage": 0.0,
        },
        "stores": {name: {"state": state, "entries": 3} for name, state in (stores or {"ad": "searched"}).items()},
        "summary": {
            "computers": len(rows),
            "observed": sum(pc.observed for pc in made),
            "volumes": sum(len(row["volumes"]) for row in rows),
            "verdicts": dict(sorted(verdicts.items())),
            "flags": {},
            "findings": dict(sorted(Counter(finding["code"] for finding in findings).items())),
            "passing": passing,
            "could_not_look": sum(verdicts[word] for word in _UNSEEN),
        },
        "computers": rows,
        "findings": findings,
    }


def _codes(pc: PC) -> list[tuple[str, str | None]]:
    words = [(word, label) for label, word in pc.volumes.items()] if pc.volumes else [(pc.verdict, None)]
    own = [(VERDICT_CODES[Verdict(word)], label) for word, label in words if word is not None and Verdict(word) in VERDICT_CODES]
    return [*own, *pc.codes]


def _row(pc: PC) -> dict[str, Any]:
    volumes = [
        {
            "volume": label,
            "device_id": pc.devices.get(label, f"\\\\?\\Volume{{{pc.name}-{label}}}\\"),
            "persistent_id": None,
            "type": "os",
            "in_scope": word is not None,
            "verdict": word,
            "flags": [],
            "method": "xts_aes_256",
            "conversion": "fully_encrypted",
            "protection": "on",
            "encrypted_percent": 100,
            "protectors": [],
        }
        for label, word in pc.volumes.items()
    ]
    scoped = [Verdict(word) for word in pc.volumes.values() if word is not None]
    worst = min(scoped, key=_ORDER.index).value if scoped else None
    hard = dict.fromkeys(("inventory", "dns_name", "ad_guid", "entra_device_id", "serial", "hardware_uuid"))
    return {
        "name": pc.name,
        "verdict": worst if pc.volumes else pc.verdict,
        "flags": [],
        "observed_at": "2026-11-20T10:00:00Z" if pc.observed else None,
        "not_observed": None if pc.observed else "unreachable",
        "identities": {**hard, **pc.identities, "joins": {"ad": "claimed"}},
        "volumes": volumes,
        "unmatched_entries": [],
    }


def _finding(code: str, computer: str | None, volume: str | None) -> dict[str, Any]:
    meaning = CATALOGUE[code]
    return {
        "code": code,
        "severity": meaning.severity.value,
        "computer": computer,
        "volume": volume,
        "message": f"{meaning.message}.",
        "remedy": meaning.remedy,
    }
