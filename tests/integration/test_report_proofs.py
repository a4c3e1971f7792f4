# SPDX-License-Identifier: GPL-3.0-or-later
"""Demos that prove: every planted wrong key is found and no right one is called wrong, once and again, whole and with a broken store."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.keyward.bitlocker.tests.integration.playing import QUICK, ROOT, clean_environment
from ansible_collections.keyward.bitlocker.tests.lab.estate.compare import compare
from ansible_collections.keyward.bitlocker.tests.lab.estate.later import CODES, HAPPENINGS
from ansible_collections.keyward.bitlocker.tests.lab.estate.planting import PROOF_CONDITIONS
from ansible_collections.keyward.bitlocker.tests.lab.hosts.record import read_log
from ansible_collections.keyward.bitlocker.tests.lab.lab import LabOptions, python_path
from ansible_collections.keyward.bitlocker.tests.lab.model import Estate
from ansible_collections.keyward.bitlocker.tests.lab.serialize import from_json
from jsonschema import Draft202012Validator

SCHEMA = json.loads((ROOT / "docs" / "escrow-report.schema.json").read_text(encoding="utf-8"))
AGAIN = "again"
DEMOS = {
    AGAIN: LabOptions(hosts=60, seed=2, proof="live"),
    "two copies": LabOptions(hosts=28, seed=3, copies=2, proof="live"),
    "entra_down": LabOptions(hosts=28, seed=3, proof="live", fault="entra_down"),
}
WRONG = [condition.name for condition in PROOF_CONDITIONS if {"KW-ESC-003", "KW-ESC-005"} & set(condition.shows)]
RUN_DEMO = """
import json, sys
from pathlib import Path
from ansible_collections.keyward.bitlocker.tests.lab import demo
from ansible_collections.keyward.bitlocker.tests.lab.lab import LabOptions

folder, options, again, *arguments = sys.argv[1:]
sys.exit(demo.run(Path(folder), LabOptions(**json.loads(options)), again=again == "again", arguments=tuple(arguments)))
"""


@dataclass(frozen=True)
class Demo:
    """What a demo left."""

    folder: Path
    code: int
    said: str

    def report(self, run: str = "") -> dict[str, Any]:
        return dict(json.loads((self.folder / run / "escrow-report.json").read_text(encoding="utf-8")))

    def truth(self, run: str = "") -> dict[str, Any]:
        return dict(json.loads((self.folder / run / "truth.json").read_text(encoding="utf-8")))

    @property
    def estate(self) -> Estate:
        """As it was at the end."""
        return from_json((self.folder / "lab" / "estate.json").read_text(encoding="utf-8"))


Demos = dict[str, Future[Demo]]


@pytest.fixture(scope="module")
def demos(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demos]:
    """Every demo as its own process, two at a time."""
    faster = [word for name, value in QUICK.items() for word in ("-e", f"{name}={value}")]

    def play(name: str) -> Demo:
        folder = tmp_path_factory.mktemp(name.replace(" ", "-"))
        command = [sys.executable, "-c", RUN_DEMO, str(folder / "demo"), json.dumps(asdict(DEMOS[name])), name, *faster]
        environment = clean_environment(folder) | {"PYTHONPATH": python_path()}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=400, check=False)
        return Demo(folder / "demo", done.returncode, done.stdout + done.stderr)

    with ThreadPoolExecutor(max_workers=2) as pool:
        yield {name: pool.submit(play, name) for name in DEMOS}


@pytest.mark.parametrize(("name", "run"), [*((name, "") for name in DEMOS), (AGAIN, AGAIN)])
def test_the_report_equals_the_truth(demos: Demos, name: str, run: str) -> None:
    demo = demos[name].result()
    assert demo.code == 0, demo.said[-2000:]
    report, true = demo.report(run), demo.truth(run)
    Draft202012Validator(SCHEMA).validate(report)
    assert compare(report, true) == []
    assert report["requirements"]["proof"] == "live"
    assert report["summary"]["proofs"]["proven"] > 20
    # and the comparison is able to see a wrong word
    volumes = [volume for computer in report["computers"] for volume in computer["volumes"]]
    next(volume for volume in volumes if volume["verdict"] == "recoverable")["verdict"] = "wrong_key"
    assert compare(report, true)


def test_every_wrong_key_that_was_planted_is_found(demos: Demos) -> None:
    demo = demos[AGAIN].result()
    estate, report = demo.estate, demo.report()
    names = {computer["identities"]["inventory"]: computer["name"] for computer in report["computers"]}
    planted = Counter(name for conditions in estate.conditions.values() for name in conditions)
    assert all(planted[name] == 2 for name in WRONG)
    found = Counter((finding["computer"], finding["code"]) for finding in report["findings"])
    for host, conditions in estate.conditions.items():
        expected = Counter(code for condition in PROOF_CONDITIONS if condition.name in conditions for code in condition.shows)
        for code in ("KW-ESC-003", "KW-ESC-005"):
            assert (expected[code] > 0) <= (found[names[host], code] > 0), (host, conditions)


@pytest.mark.parametrize(("name", "run"), [(AGAIN, AGAIN), ("two copies", "")])
def test_each_word_is_true_of_the_value_itself(demos: Demos, name: str, run: str) -> None:
    """Held against the estate's own passwords, by nobody's rules: what is proven opens the volume, and what is refuted does not."""
    demo = demos[name].result()
    estate = demo.estate
    right = {protector.key_id: protector.password for host in estate.hosts for volume in host.volumes for protector in volume.protectors}
    held = {"ad": estate.entries, "entra": estate.entra_keys}
    words: Counter[str] = Counter()
    for computer in demo.report(run)["computers"]:
        for volume in computer["volumes"]:
            for protector in volume["protectors"]:
                for store, holding in protector.get("stores", {}).items():
                    values = [entry.password for entry in held[store] if entry.key_id == protector["key_id"]]
                    words[holding["state"]] += 1
                    if holding["state"] == "proven":
                        assert right[protector["key_id"]] in values
                    if holding["state"] in ("refuted", "conflicting"):
                        assert right[protector["key_id"]] not in values
    assert min(words["proven"], words["refuted"], words["conflicting"]) > 0


def test_the_second_run_proves_only_what_changed_and_what_nobody_can_remember(demos: Demos) -> None:
    demo = demos[AGAIN].result()
    report, estate = demo.report(AGAIN), demo.estate
    sums, findings = report["summary"]["proofs"], report["summary"]["findings"]
    happened = Counter(kind for kind, _store, _stores in HAPPENINGS)
    assert {CODES[kind]: number for kind, number in happened.items()} == {code: findings[code] for code in CODES.values()}
    assert demo.said.count("meanwhile: ") == len(HAPPENINGS)
    # what is wrapped anew in every reading is another datum each time
    unsteady = {item.key_id for host in estate.hosts for volume in host.volumes for item in volume.protectors if item.package == "unsteady"}
    proven_anew = sum(
        holding.get("proof", {}).get("outcome") == "proven"
        for computer in report["computers"]
        for volume in computer["volumes"]
        for protector in volume["protectors"]
        if protector["key_id"] in unsteady
        for holding in protector["stores"].values()
    )
    assert sums["made"] - sums["remembered"] == sums["inconclusive"] + proven_anew + happened["changed"]
    assert demo.report()["summary"]["proofs"]["remembered"] == 0


def test_no_host_was_asked_for_its_own_password(demos: Demos) -> None:
    for name in DEMOS:
        demo = demos[name].result()
        asked: Counter[str] = Counter()
        for host in demo.estate.hosts:
            asked.update(
                str(row["method"]) for row in read_log(demo.folder / "lab" / "logs" / "hosts", host.inventory_name) if row.get("method")
            )
        assert asked["GetKeyPackage"] > 40
        assert asked["GetKeyProtectorNumericalPassword"] == asked["GetKeyProtectorExternalKey"] == 0
