# SPDX-License-Identifier: GPL-3.0-or-later
"""A made-up report of any size, the same for the same seed: fits the schema, has every verdict, flag and state, and can be hostile."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from typing import Any

from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.finding_catalogue import CATALOGUE
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.model import EntryState, Flag, Verdict

#: names that an attacker, or a careless administrator, might give to a computer or volume
HOSTILE_NAMES = (
    "</script><img src=x onerror=alert(1)>",
    '"><svg onload=alert(2)>',
    "\u202eexe.10cp\u2066",
    "=cmd|'/c calc'!A0",
    '@SUM(1;1);=HYPERLINK("http://198.51.100.1")',
    "x" * 300,
    "W" * 300,
    "שרת-מרכזי.lab.example",
    "-->{{7*7}}${7*7}<!--",
    "a\u2028b\x00\x1b[2Jc\r\n::error::d",
    "[click](javascript:alert(3)) `code` | **bold** @everyone",
    "https://198.51.100.1/beacon www.example.com",
    ' "=1+1";"-2+3',
    "a@example.com #1 !2 %3 &4 ~5 $6 GH-7 :+1: [issue:8] owner/name#9",
)
_CODE_OF = {meaning.name: code for code, meaning in CATALOGUE.items()}
_WEIGHTS = (4, 2, 1, 2, 2, 3, 1, 6, 9, 60, 10)
_STATE = {
    "unescrowed": EntryState.ABSENT,
    "wrong_key": EntryState.MALFORMED,
    "unknown": EntryState.UNKNOWN,
    "recoverable": EntryState.PROVEN,
    "escrowed": EntryState.PRESENT,
    "on_file": EntryState.PRESENT,
    "at_risk": EntryState.PRESENT,
}
#: the states in the second store by the verdict; for the others it lacks the key
_SECOND = {
    "unknown": (EntryState.UNKNOWN,),
    "recoverable": (EntryState.PRESENT, EntryState.ABSENT),
    "escrowed": (EntryState.PRESENT, EntryState.PRESENT, EntryState.ABSENT, EntryState.DELETED),
    "wrong_key": (EntryState.ABSENT, EntryState.DELETED),
}


class _Maker:
    def __init__(self, seed: int, stores: Sequence[str]) -> None:
        self.stores = stores
        self.rng = random.Random(seed)
        self.findings: list[dict[str, Any]] = []
        self.made = self.asked = 0

    def guid(self) -> str:
        text = f"{self.rng.getrandbits(128):032x}"
        return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))

    def find(self, code: str, computer: str | None, volume: str | None) -> None:
        meaning = CATALOGUE[code]
        message = meaning.message.format(**{name: f"<{name}>" for name in meaning.facts})
        self.findings.append(
            {
                "code": code,
                "severity": meaning.severity.value,
                "computer": computer,
                "volume": volume,
                "message": f"{message}.",
                "remedy": meaning.remedy,
            }
        )

    def protector(self, kind: str, name: str, verdict: str) -> dict[str, Any]:
        key_id = self.guid()
        out: dict[str, Any] = {"key_id": key_id, "type": kind}
        if kind == "recovery_password":
            states = (_STATE.get(verdict, EntryState.ABSENT), self.rng.choice(_SECOND.get(verdict, (EntryState.ABSENT,))))
            out["stores"] = {
                store: self.holding(state, self.entry(store, key_id, name)) for store, state in zip(self.stores, states, strict=False)
            }
        return out

    def entry(self, store: str, key_id: str, name: str) -> dict[str, Any]:
        place = f"CN=2026-01-02T03:04:05-00:00{{{key_id.upper()}}},CN={name.upper()},OU=Clients,DC=corp,DC=example"
        return {"location": place if store == "ad" else f"recovery key {key_id}", "created": "2026-01-02T03:04:05Z"}

    def holding(self, state: EntryState, entry: dict[str, Any]) -> dict[str, Any]:
        if state is EntryState.MALFORMED:
            entry["defects"] = ["the GUID has 3 bytes instead of 16"]
        there = state not in (EntryState.ABSENT, EntryState.UNKNOWN)
        return {"state": state.value, "entries": [entry] if there else []}

    def volume(self, label: str, kind: str, name: str) -> dict[str, Any]:
        # every verdict and flag twice, then by chance
        self.made += 1
        first = self.made <= 2 * len(Verdict)
        verdict = (list(Verdict)[self.made % len(Verdict)] if first else self.rng.choices(list(Verdict), _WEIGHTS)[0]).value
        marked = first or self.rng.random() < 0.1
        flags = [(list(Flag)[self.made % len(Flag)] if first else self.rng.choice(list(Flag))).value] if marked else []
        bare = verdict in ("not_encrypted", "unprotected")
        kinds = [] if bare else ["tpm", "external_key"] if verdict == "no_recovery_password" else ["tpm", "recovery_password"]
        for code in (_CODE_OF.get(verdict), *(_CODE_OF.get(flag) for flag in flags)):
            if code is not None:
                self.find(code, name, label)
        return {
            "volume": label,
            "device_id": f"\\\\?\\Volume{{{self.guid()}}}\\",
            "persistent_id": f"{{{self.guid().upper()}}}",
            "type": kind,
            "in_scope": True,
            "verdict": verdict,
            "flags": flags,
            "method": "none" if verdict == "not_encrypted" else "xts_aes_256",
            "conversion": "fully_decrypted" if verdict == "not_encrypted" else "fully_encrypted",
            "protection": "off" if bare else "on",
            "encrypted_percent": 0 if verdict == "not_encrypted" else 100,
            "protectors": [self.protector(one, name, verdict) for one in kinds],
        }

    def computer(self, name: str, labels: list[str]) -> dict[str, Any]:
        volumes = [self.volume(label, "fixed" if place else "os", name) for place, label in enumerate(labels)]
        order = [word.value for word in Verdict]
        verdict = min((volume["verdict"] for volume in volumes), key=order.index) if volumes else "unknown"
        failed = not volumes
        if failed:
            self.find("KW-HST-001", name, None)
            self.find("KW-VOL-007", name, None)
        return {
            "name": name,
            "verdict": verdict,
            "flags": sorted({flag for volume in volumes for flag in volume["flags"]}),
            "observed_at": None if failed else "2026-11-22T19:00:00Z",
            "not_observed": "unreachable" if failed else None,
            "identities": {
                "inventory": name.partition(".")[0],
                "dns_name": name,
                "ad_guid": self.guid(),
                "entra_device_id": self.guid(),
                "serial": f"{self.rng.getrandbits(32):08X}",
                "hardware_uuid": self.guid(),
                "joins": {store: self.rng.choice(["authenticated", "claimed", "by_name"]) for store in self.stores[: 1 + self.made % 2]},
            },
            **({"intune": self.intune()} if failed and "entra" in self.stores else {}),
            "volumes": volumes,
            "unmatched_entries": self.unmatched(name) if failed else [],
        }

    def intune(self) -> dict[str, Any]:
        """Each thing that Intune may say in turn."""
        self.asked += 1
        last_sync = None if self.asked % 4 == 0 else "2026-11-20T08:15:00Z"
        return {"encrypted": (True, False, None)[self.asked % 3], "last_sync": last_sync, "enrolments": 1 + self.asked % 2}

    def unmatched(self, name: str) -> list[dict[str, Any]]:
        """Two entries of a computer that lists no volume, in the last store."""
        store, keys = self.stores[-1], [self.guid(), self.guid()]
        return [{**self.entry(store, key, name), "key_id": key, "store": store, "why": "not_observed"} for key in keys]


def report(
    computers: int, *, seed: int = 1, hostile: bool = False, complete: bool = True, stores: Sequence[str] = ("ad", "entra")
) -> dict[str, Any]:
    """A report of so many computers: four in five list C:, one in five C: and D:, one in fifty nothing; hostile names come on top."""
    maker = _Maker(seed, stores)
    made = []
    for number in range(computers):
        labels = [] if number % 50 == 49 else ["C:", "D:"] if number % 5 == 0 else ["C:"]
        made.append(maker.computer(f"pc{number:05}.{'corp' if number % 3 else 'branch'}.example", labels))
    if hostile:
        made += [maker.computer(name, [name, "C:"]) for name in HOSTILE_NAMES]
    if not complete:
        maker.find("KW-STO-001", None, None)
    return _whole(made, maker.findings, complete, stores)


def volumes(number: int, *, seed: int = 1) -> dict[str, Any]:
    """A report of about so many volumes."""
    return report(round(number / 1.18), seed=seed)


def _whole(computers: list[dict[str, Any]], findings: list[dict[str, Any]], complete: bool, stores: Sequence[str]) -> dict[str, Any]:
    units = [unit["verdict"] for computer in computers for unit in computer["volumes"] or [computer]]
    verdicts = Counter(units)
    return {
        "schema_version": 1,
        "generated_at": "2026-11-22T20:00:00Z",
        "complete": complete,
        "passed": False,
        "scope": {"hosts": len(computers)},
        "requirements": {
            "stores": list(stores),
            "copies": 1,
            "proof": "none",
            "volume_types": ["os", "fixed"],
            "encryption": True,
            "methods": ["aes_128", "aes_256", "xts_aes_128", "xts_aes_256"],
            "max_observation_age": 30,
            "suspended_reboots_allowed": 2,
            "min_coverage": 0.0,
        },
        "stores": {
            store: {"state": "searched", "entries": 3}
            if complete or place
            else {"state": "partial", "entries": 3, "reason": HOSTILE_NAMES[0]}
            for place, store in enumerate(stores)
        },
        "summary": {
            "computers": len(computers),
            "observed": sum(computer["observed_at"] is not None for computer in computers),
            "volumes": sum(len(computer["volumes"]) for computer in computers),
            "verdicts": dict(sorted(verdicts.items())),
            "flags": dict(Counter(flag for computer in computers for volume in computer["volumes"] for flag in volume["flags"])),
            "findings": dict(sorted(Counter(finding["code"] for finding in findings).items())),
            "passing": verdicts["escrowed"] + verdicts["recoverable"],
            "could_not_look": verdicts["unknown"] + verdicts["on_file"],
        },
        "computers": computers,
        "findings": findings,
    }
