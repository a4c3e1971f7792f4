# SPDX-License-Identifier: GPL-3.0-or-later
"""The truth about single volumes, against expectations written by hand from DESIGN section 5."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from ansible_collections.keyward.bitlocker.tests.lab.estate.truth import truth
from ansible_collections.keyward.bitlocker.tests.lab.model import Estate, LabComputerObject, LabEntry, LabHost, LabProtector, LabVolume

NOW = datetime(2026, 11, 22, 20, 0, tzinfo=UTC)
KEY = "11111111-2222-4333-8444-555555555555"
KEY2 = "22222222-2222-4333-8444-555555555555"
OTHER = "99999999-2222-4333-8444-555555555555"
PASSWORD = "-".join(["000011"] * 8)
PLAIN = LabProtector(key_id="aaaaaaaa-0000-4000-8000-000000000000", type=1)
EXTERNAL = LabProtector(key_id="bbbbbbbb-0000-4000-8000-000000000000", type=2)


def rp(key_id: str = KEY, **fields: Any) -> LabProtector:
    """A recovery-password protector."""
    return LabProtector(key_id=key_id, type=3, password=PASSWORD, **fields)


def entry(key_id: str = KEY, computer: str = "PC1", **fields: Any) -> LabEntry:
    """An entry below a computer object."""
    return LabEntry(computer=computer, key_id=key_id, password=PASSWORD, created=NOW - timedelta(days=9), **fields)


@dataclass
class Case:
    """One volume of PC1, the entries of the directory, and what is true of the volume (and of PC1 beside it)."""

    name: str
    volume: dict[str, Any]
    entries: list[LabEntry]
    verdict: str | None
    findings: list[str]
    flags: list[str] = field(default_factory=list)
    states: dict[str, str] = field(default_factory=dict)
    computer: list[str] = field(default_factory=list)
    fault: str | None = None
    host: dict[str, Any] = field(default_factory=dict)


def protected(*protectors: LabProtector, **fields: Any) -> dict[str, Any]:
    """Fields of an encrypted and protected OS volume."""
    return {"protectors": [PLAIN, *protectors], **fields}


HEALTHY = protected(rp())
CASES = [
    Case("escrowed", HEALTHY, [entry()], "escrowed", [], states={KEY: "present"}),
    Case("unescrowed", HEALTHY, [entry(OTHER, "PC2")], "unescrowed", ["KW-VOL-004"], states={KEY: "absent"}),
    Case("under another computer", HEALTHY, [entry(computer="PC2")], "unescrowed", ["KW-ESC-006", "KW-VOL-004"], states={KEY: "absent"}),
    Case("also under another computer", HEALTHY, [entry(), entry(computer="PC2")], "escrowed", ["KW-ESC-006"], states={KEY: "present"}),
    Case(
        "under a deleted computer",
        HEALTHY,
        [entry(computer="GONE"), entry(OTHER, "PC2")],
        "unescrowed",
        ["KW-VOL-004"],
        states={KEY: "absent"},
    ),
    Case(
        "any value will do unread",
        HEALTHY,
        [LabEntry(computer="PC1", key_id=KEY, password="none", created=NOW)],
        "escrowed",
        [],
        states={KEY: "present"},
    ),
    Case("duplicates", HEALTHY, [entry(), entry()], "escrowed", ["KW-ESC-002"], states={KEY: "present"}),
    Case("hidden", HEALTHY, [entry(hidden=True), entry(OTHER, "PC2")], "escrowed", ["KW-ESC-007"], states={KEY: "unreadable"}),
    Case(
        "GUID too short",
        HEALTHY,
        [entry(raw_recovery_guid=b"\1\2")],
        "wrong_key",
        ["KW-ESC-004", "KW-VOL-006"],
        states={KEY: "malformed"},
    ),
    Case(
        "the name says another ID",
        HEALTHY,
        [entry(cn_key_id=OTHER)],
        "wrong_key",
        ["KW-ESC-004", "KW-VOL-006"],
        states={KEY: "malformed"},
    ),
    Case(
        "the attribute says another ID",
        HEALTHY,
        [entry(raw_recovery_guid=uuid.UUID(OTHER).bytes_le)],
        "wrong_key",
        ["KW-ESC-004", "KW-VOL-006"],
        states={KEY: "malformed"},
    ),
    Case(
        "sixteen right octets are sound",
        HEALTHY,
        [entry(raw_recovery_guid=uuid.UUID(KEY).bytes_le)],
        "escrowed",
        [],
        states={KEY: "present"},
    ),
    Case(
        "sixteen octets in the wrong order",
        HEALTHY,
        [entry(raw_recovery_guid=uuid.UUID(KEY).bytes)],
        "wrong_key",
        ["KW-ESC-004", "KW-VOL-006"],
        states={KEY: "malformed"},
    ),
    Case(
        "malformed beside sound",
        HEALTHY,
        [entry(), entry(raw_recovery_guid=b"\1")],
        "escrowed",
        ["KW-ESC-004"],
        states={KEY: "present"},
    ),
    Case(
        "both IDs of a malformed entry",
        protected(rp(), rp(KEY2)),
        [entry(cn_key_id=KEY2)],
        "wrong_key",
        ["KW-ESC-004", "KW-VOL-006"],
        states={KEY: "malformed", KEY2: "malformed"},
    ),
    Case(
        "sibling",
        protected(rp(), rp(KEY2)),
        [entry()],
        "escrowed",
        ["KW-VOL-107"],
        flags=["sibling_not_escrowed"],
        states={KEY: "present", KEY2: "absent"},
    ),
    Case(
        "Windows recorded a backup",
        protected(rp(backup_types=1)),
        [entry(OTHER, "PC2")],
        "unescrowed",
        ["KW-ESC-011", "KW-VOL-004"],
        states={KEY: "absent"},
    ),
    Case(
        "an old Windows records nothing",
        protected(rp(backup_types=1)),
        [entry(OTHER, "PC2")],
        "unescrowed",
        ["KW-VOL-004"],
        states={KEY: "absent"},
        host={"profile": "ws2016"},
    ),
    Case(
        "recorded elsewhere only",
        protected(rp(backup_types=26)),
        [entry(OTHER, "PC2")],
        "unescrowed",
        ["KW-VOL-004"],
        states={KEY: "absent"},
    ),
    Case("stale", HEALTHY, [entry(), entry(OTHER)], "escrowed", [], states={KEY: "present"}, computer=["KW-ESC-001"]),
    # where all that is asked for is readable, nobody looks for names
    Case("stale and hidden", HEALTHY, [entry(), entry(OTHER, hidden=True)], "escrowed", [], states={KEY: "present"}),
    Case(
        "malformed of no protector",
        HEALTHY,
        [entry(), entry(OTHER, raw_recovery_guid=b"")],
        "escrowed",
        [],
        states={KEY: "present"},
        computer=["KW-ESC-004"],
    ),
    Case(
        "not encrypted",
        {"conversion_status": 0, "encryption_method": 0, "protection_status": 0},
        [entry(OTHER, "PC2")],
        "not_encrypted",
        ["KW-VOL-001"],
    ),
    Case(
        "waiting for the hardware test",
        protected(rp(), conversion_status=0, encryption_method=0, protection_status=0, hardware_test_status=2),
        [entry()],
        "not_encrypted",
        ["KW-VOL-001", "KW-VOL-105"],
        flags=["activation_pending"],
        states={KEY: "present"},
    ),
    Case("no protector", {"protection_status": 0}, [entry(OTHER, "PC2")], "unprotected", ["KW-VOL-002"]),
    Case("off, no suspension", protected(rp(), protection_status=0), [entry()], "unprotected", ["KW-VOL-002"], states={KEY: "present"}),
    Case(
        "suspended for good",
        protected(rp(), protection_status=0, suspend_count=0),
        [entry()],
        "unprotected",
        ["KW-VOL-002"],
        flags=["suspended"],
        states={KEY: "present"},
    ),
    Case(
        "suspended for two",
        protected(rp(), protection_status=0, suspend_count=2),
        [entry()],
        "escrowed",
        [],
        flags=["suspended"],
        states={KEY: "present"},
    ),
    Case(
        "suspended for three",
        protected(rp(), protection_status=0, suspend_count=3),
        [entry()],
        "escrowed",
        ["KW-VOL-101"],
        flags=["suspended"],
        states={KEY: "present"},
    ),
    Case(
        "decrypting",
        protected(rp(), conversion_status=3, protection_status=0),
        [entry()],
        "unprotected",
        ["KW-VOL-002", "KW-VOL-103"],
        flags=["converting"],
        states={KEY: "present"},
    ),
    Case(
        "encrypting, protection says off",
        protected(rp(), conversion_status=2, protection_status=0),
        [entry()],
        "escrowed",
        ["KW-VOL-103"],
        flags=["converting"],
        states={KEY: "present"},
    ),
    Case(
        "encrypting, paused, bare",
        {"conversion_status": 4, "protection_status": 0},
        [entry(OTHER, "PC2")],
        "unprotected",
        ["KW-VOL-002", "KW-VOL-103"],
        flags=["converting"],
    ),
    Case(
        "locked",
        protected(rp(), locked=True, conversion_status=1),
        [entry()],
        "escrowed",
        ["KW-VOL-102"],
        flags=["locked"],
        states={KEY: "present"},
    ),
    Case(
        "diffuser",
        protected(rp(), encryption_method=1),
        [entry()],
        "escrowed",
        ["KW-VOL-104"],
        flags=["weak_method"],
        states={KEY: "present"},
    ),
    Case(
        "hardware",
        protected(rp(), encryption_method=5),
        [entry()],
        "escrowed",
        ["KW-VOL-104"],
        flags=["weak_method"],
        states={KEY: "present"},
    ),
    Case("AES 128 is accepted", protected(rp(), encryption_method=3), [entry()], "escrowed", [], states={KEY: "present"}),
    Case("TPM alone", protected(), [entry(OTHER, "PC2")], "no_recovery_password", ["KW-VOL-003"]),
    Case(
        "external key",
        protected(EXTERNAL),
        [entry(OTHER, "PC2")],
        "no_recovery_password",
        ["KW-VOL-003", "KW-VOL-106"],
        flags=["other_recovery"],
    ),
    Case(
        "external key that unlocks automatically",
        protected(EXTERNAL, auto_unlock_key_id=EXTERNAL.key_id),
        [entry(OTHER, "PC2")],
        "no_recovery_password",
        ["KW-VOL-003"],
    ),
    Case(
        "network unlock",
        protected(LabProtector(key_id=KEY2, type=9)),
        [entry(OTHER, "PC2")],
        "no_recovery_password",
        ["KW-VOL-003"],
    ),
    Case("protectors unreadable", protected(rp(), failing_methods={"GetKeyProtectors": 0x80310010}), [entry()], "unknown", ["KW-VOL-007"]),
    Case("types unreadable", protected(rp(), failing_methods={"GetKeyProtectorType": 0x80310010}), [entry()], "unknown", ["KW-VOL-007"]),
    Case(
        "suspension unreadable",
        protected(rp(), protection_status=0, suspend_count=1, failing_methods={"GetSuspendCount": 0x80070005}),
        [entry()],
        "unknown",
        ["KW-VOL-007"],
        states={KEY: "present"},
    ),
    Case("removable", protected(rp(), volume_type=2, encryption_method=1), [entry()], None, [], states={KEY: "present"}),
    Case("a DC's key in its own domain", HEALTHY, [entry()], "escrowed", ["KW-ESC-012"], states={KEY: "present"}, host={"domain_role": 5}),
    Case(
        "a DC without a key", HEALTHY, [entry(OTHER, "PC2")], "unescrowed", ["KW-VOL-004"], states={KEY: "absent"}, host={"domain_role": 4}
    ),
    # a store that cannot be searched: neither missing nor green
    Case("down", HEALTHY, [entry()], "unknown", ["KW-VOL-007"], states={KEY: "unknown"}, fault="ad_down"),
    Case("down, recorded", protected(rp(backup_types=1)), [], "unknown", ["KW-VOL-007"], states={KEY: "unknown"}, fault="ad_down"),
    Case("down, but decrypted", {"conversion_status": 0}, [], "not_encrypted", ["KW-VOL-001"], fault="ad_down"),
    Case(
        "down, but off",
        protected(rp(), protection_status=0, suspend_count=0),
        [entry()],
        "unprotected",
        ["KW-VOL-002"],
        flags=["suspended"],
        states={KEY: "unknown"},
        fault="ad_down",
    ),
    Case("no rights, named", HEALTHY, [entry()], "escrowed", ["KW-ESC-007"], states={KEY: "unreadable"}, fault="ad_no_rights"),
    Case("no rights, not named", HEALTHY, [entry(OTHER, "PC2")], "unknown", ["KW-VOL-007"], states={KEY: "unknown"}, fault="ad_no_rights"),
    Case(
        "no rights, one named of two",
        protected(rp(), rp(KEY2)),
        [entry()],
        "escrowed",
        ["KW-ESC-007"],
        states={KEY: "unreadable", KEY2: "unknown"},
        fault="ad_no_rights",
    ),
    Case(
        "no rights, the name is the only thing seen of a broken one",
        HEALTHY,
        [entry(raw_recovery_guid=b"\1")],
        "escrowed",
        ["KW-ESC-007"],
        states={KEY: "unreadable"},
        fault="ad_no_rights",
    ),
    Case(
        "no rights, the broken one's name is of nobody",
        HEALTHY,
        [entry(cn_key_id=OTHER)],
        "unknown",
        ["KW-VOL-007"],
        states={KEY: "unknown"},
        computer=["KW-ESC-001"],
        fault="ad_no_rights",
    ),
]


def estate_of(case: Case) -> Estate:
    """PC1 with the volume, and computer objects that are out of scope to hold other entries."""
    volume = LabVolume(device_guid=OTHER, persistent_id=OTHER, drive_letter="C:", **case.volume)
    host = LabHost(inventory_name="pc1", netbios_name="PC1", domain="lab.example", volumes=[volume], **case.host)
    computers = [
        LabComputerObject(name="PC1", dns_name="PC1.LAB.example"),
        LabComputerObject(name="PC2", dns_name="pc2.lab.example", enabled=False),
        LabComputerObject(name="GONE", dns_name="gone.lab.example", delete_after=True),
    ]
    return Estate(seed=0, now=NOW, hosts=[host], computers=computers, entries=case.entries)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_one_volume(case: Case) -> None:
    judged = truth(estate_of(case), fault=case.fault)
    [volume] = judged["volumes"]
    assert volume == {
        "computer": "pc1.lab.example",
        "volume": "C:",
        "verdict": case.verdict,
        "flags": case.flags,
        "findings": case.findings,
        "protectors": {key_id: {"ad": state} for key_id, state in case.states.items()},
    }
    assert judged["computers"] == [{"computer": "pc1.lab.example", "verdict": case.verdict, "findings": case.computer}]


@pytest.mark.parametrize(("fault", "run"), [(None, []), ("ad_down", ["KW-STO-001"]), ("ad_no_rights", ["KW-STO-002"])])
def test_complete_and_passed_follow_from_run_findings(fault: str | None, run: list[str]) -> None:
    judged = truth(estate_of(CASES[0]), fault=fault)
    assert judged["run_findings"] == run
    assert judged["complete"] is (not run)
    assert judged["passed"] is (fault is None)


def test_passed_needs_every_volume() -> None:
    assert truth(estate_of(CASES[1]))["passed"] is False


def test_an_out_of_scope_volume_does_not_fail_the_run() -> None:
    case = next(case for case in CASES if case.name == "removable")
    assert truth(estate_of(case))["passed"] is True


def test_options_that_cannot_be_met_are_refused() -> None:
    estate = estate_of(CASES[0])
    for options in ({"copies": 2}, {"copies": 0}, {"proof": "image"}, {"stores": ("ad", "entra")}, {"fault": "entra_down"}):
        with pytest.raises(ValueError, match=r"option error|no truth"):
            truth(estate, **options)
