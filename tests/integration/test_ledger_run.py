# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs that share a ledger: what was proven is not proven again, what changed or vanished is found, who is off is remembered.

Five runs of the playbook over one small fleet, whose hosts frame their key packages differently in every call.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.keyward.bitlocker.tests.integration.estates import recovery
from ansible_collections.keyward.bitlocker.tests.integration.playing import ROOT, Player, Run, Watch
from ansible_collections.keyward.bitlocker.tests.integration.tenants import TenantDrawing
from ansible_collections.keyward.bitlocker.tests.lab import later
from ansible_collections.keyward.bitlocker.tests.lab.estate import truth, values
from ansible_collections.keyward.bitlocker.tests.lab.estate.compare import compare
from ansible_collections.keyward.bitlocker.tests.lab.estate.later import CHANGED, VANISHED, Happening, later_truth
from ansible_collections.keyward.bitlocker.tests.lab.lab import Lab, LabOptions
from ansible_collections.keyward.bitlocker.tests.lab.model import Estate
from jsonschema import Draft202012Validator

SCHEMA = json.loads((ROOT / "docs" / "escrow-report.schema.json").read_text(encoding="utf-8"))
REALM = "lab.example"
#: pairs of an entry and a protector: in-ad, in-entra, both (twice), lost (twice), lost-ad, still, laptop
PAIRS = 9


def fleet() -> Estate:
    """Every way to hold a key, all of them right; each package framed anew in every call."""
    drawing = TenantDrawing(4718)
    drawing.hybrid("in-ad", in_entra=False)
    drawing.hybrid("in-entra", in_ad=False)
    drawing.hybrid("both")
    drawing.hybrid("lost")
    drawing.escrow(drawing.host("lost-ad"))
    drawing.escrow(drawing.host("still"))
    drawing.escrow(drawing.host("laptop"))
    for host in drawing.estate.hosts:
        host.package_frame = "moving"
    return drawing.estate


def happenings(estate: Estate) -> list[Happening]:
    """A value is changed in place in each store, one where the other store has the right key still; an entry vanishes in each."""
    hosts = {host.inventory_name: host for host in estate.hosts}
    done = []
    for name, kind, store in (
        ("in-ad", CHANGED, "ad"),
        ("in-entra", CHANGED, "entra"),
        ("both", CHANGED, "entra"),
        ("lost", VANISHED, "entra"),
        ("lost-ad", VANISHED, "ad"),
    ):
        protector = recovery(hosts[name])
        password = values.swapped_groups(protector.password or "") if kind == CHANGED else None
        item = Happening(kind=kind, store=store, computer=f"{name}.{REALM}", volume="C:", key_id=protector.key_id, password=password)
        done.append(item)
    return done


def let_happen(lab: Lab) -> dict[str, Any]:
    """Change the estate, the directory and the tenant; the truth from then on."""
    done, estate = happenings(lab.estate), lab.estate
    for item in done:
        entries: Any = estate.entries if item.store == "ad" else estate.entra_keys
        (entry,) = [entry for entry in entries if entry.key_id == item.key_id]
        if item.password is None:
            entries.remove(entry)
        else:
            entry.password = item.password
    later.apply(lab, done)
    return later_truth(truth.truth(estate, proof="live", stores=("ad", "entra")), done)


@dataclass(frozen=True)
class Played:
    """A run, what the lab saw of it, and what its report should say."""

    run: Run
    watch: Watch
    truth: dict[str, Any]

    @property
    def report(self) -> dict[str, Any]:
        return self.run.report

    @property
    def sums(self) -> dict[str, Any]:
        return dict(self.report["summary"]["proofs"])

    def states(self, name: str) -> dict[str, str]:
        """The states of a host's only recovery password, by store."""
        (volume,) = self.computer(name)["volumes"]
        (stores,) = [protector["stores"] for protector in volume["protectors"] if protector.get("stores")]
        return {store: held["state"] for store, held in stores.items()}

    def computer(self, name: str) -> dict[str, Any]:
        (found,) = [computer for computer in self.report["computers"] if computer["name"] == f"{name}.{REALM}"]
        return dict(found)

    def findings(self, *codes: str) -> dict[str, str]:
        """Host -> code, of these."""
        found = [finding for finding in self.report["findings"] if finding["code"] in codes]
        return {finding["computer"].partition(".")[0]: finding["code"] for finding in found}

    def keys_read(self) -> list[str]:
        """Key IDs whose values were read from Graph."""
        return sorted(
            row["path"].rpartition("/")[2] for row in self.watch.entra() if row["side"] == "graph" and "select=key" in row["query"]
        )


@dataclass(frozen=True)
class Story:
    """The runs in their order."""

    lab: Lab
    first: Played
    again: Played
    changed: Played
    after: Played
    metadata: Played


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    folder = tmp_path_factory.mktemp("story")
    ledger = {"path": str(folder / "ledger" / "ledger.db"), "hmac_key_file": str(folder / "ledger.key")}
    with Lab(folder / "lab", LabOptions(proof="live"), estate=fleet()) as lab:

        def play(name: str, true: dict[str, Any], *, changes: dict[str, Any] | None = None, **variables: Any) -> Played:
            player, watch = Player(folder / name, lab), Watch(lab)
            player.folder.mkdir()
            run = player.report(hosts=player.inventory(changes), keyward_ledger=ledger, **variables)
            assert run.no_traceback().code == 0, run.output
            return Played(run, watch.stop(), true)

        true = truth.truth(lab.estate, proof="live", stores=("ad", "entra"))
        first, again = play("first", true), play("again", true)
        true = let_happen(lab)
        changed, after = play("changed", true), play("after", true)
        # the port of the laptop refuses: it is off
        metadata = play("metadata", {}, changes={"laptop": {"ansible_port": 5987}}, keyward_proof="none")
        yield Story(lab=lab, first=first, again=again, changed=changed, after=after, metadata=metadata)


def test_the_first_run_proves_everything(story: Story) -> None:
    first = story.first
    assert compare(first.report, first.truth) == []
    assert first.sums | {"wanted": PAIRS, "made": PAIRS, "proven": PAIRS, "remembered": 0} == first.sums
    assert {computer["verdict"] for computer in first.report["computers"]} == {"recoverable"}
    assert first.report["passed"]
    # each reading is noted by Entra ID, so there is one for each key that is held against a package
    assert first.keys_read() == sorted(recovery_of(story, f"{name}.{REALM}") for name in ("in-entra", "both", "lost"))


def test_other_frames_repeat_no_proof(story: Story) -> None:
    again = story.again
    assert compare(again.report, again.truth) == []
    # read again, since a value may be changed in place; and each of them found to be the one that was proven
    assert again.sums | {"wanted": PAIRS, "made": PAIRS, "proven": PAIRS, "remembered": PAIRS, "values_read": PAIRS} == again.sums
    assert f"{PAIRS} of these proofs were remembered from earlier runs." in again.run.output
    assert again.findings("KW-ESC-013", "KW-ESC-014") == {}


def test_the_frames_did_differ(story: Story) -> None:
    asked = [row for rows in story.again.watch.hosts().values() for row in rows if row.get("method") == "GetKeyPackage"]
    assert len(asked) == 2 * len(story.lab.estate.hosts)
    assert {host.package_frame for host in story.lab.estate.hosts} == {"moving"}


def test_what_changed_is_proven_again_and_nothing_else(story: Story) -> None:
    changed = story.changed
    assert compare(changed.report, changed.truth) == []
    # two entries are gone, three have another value
    assert (
        changed.sums | {"wanted": PAIRS - 2, "made": PAIRS - 2, "proven": PAIRS - 5, "refuted": 3, "remembered": PAIRS - 5} == changed.sums
    )
    assert {name: changed.states(name) for name in ("in-ad", "in-entra", "both", "still")} == {
        "in-ad": {"ad": "refuted", "entra": "absent"},
        "in-entra": {"ad": "absent", "entra": "refuted"},
        "both": {"ad": "proven", "entra": "refuted"},
        "still": {"ad": "proven", "entra": "absent"},
    }
    verdicts = {computer["name"].partition(".")[0]: computer["verdict"] for computer in changed.report["computers"]}
    assert verdicts == {
        "in-ad": "wrong_key",
        "in-entra": "wrong_key",
        "both": "recoverable",
        "lost": "recoverable",
        "lost-ad": "unescrowed",
        "still": "recoverable",
        "laptop": "recoverable",
    }


def test_what_changed_and_what_vanished_is_a_finding(story: Story) -> None:
    expected = {"in-ad": "KW-ESC-014", "in-entra": "KW-ESC-014", "both": "KW-ESC-014", "lost": "KW-ESC-013", "lost-ad": "KW-ESC-013"}
    assert story.changed.findings("KW-ESC-013", "KW-ESC-014") == expected
    for finding in story.changed.report["findings"]:
        if finding["code"] in ("KW-ESC-013", "KW-ESC-014"):
            assert finding["volume"] == "C:"
            assert recovery_of(story, finding["computer"]) in finding["message"]


def recovery_of(story: Story, computer: str) -> str:
    (host,) = [host for host in story.lab.estate.hosts if host.dns_name == computer]
    return recovery(host).key_id


def test_a_refutation_is_remembered_too(story: Story) -> None:
    after = story.after
    assert after.sums | {"made": PAIRS - 2, "refuted": 3, "remembered": PAIRS - 2} == after.sums
    assert after.states("in-ad")["ad"] == "refuted"
    assert after.findings("KW-ESC-005").keys() == {"in-ad", "in-entra", "both"}
    # nothing changed since the run before; what Active Directory itself dates after the day's first run is still told
    assert after.findings("KW-ESC-014").keys() == {"in-ad"}


def test_a_later_run_by_metadata_reads_no_value_and_remembers_who_is_off(story: Story) -> None:
    metadata = story.metadata
    assert metadata.keys_read() == []
    assert not [row for rows in metadata.watch.hosts().values() for row in rows if row.get("method") == "GetKeyPackage"]
    assert "proofs" not in metadata.report["summary"]
    laptop = metadata.computer("laptop")
    assert laptop["observed_from"] == "ledger"
    # the last observation is that of the run before, so it is judged as one of today
    assert laptop["verdict"] == "escrowed"
    assert laptop["observed_at"] == story.after.computer("laptop")["observed_at"]
    assert {finding["code"] for finding in metadata.report["findings"] if finding["computer"] == laptop["name"]} == {"KW-HST-001"}
    others = [computer for computer in metadata.report["computers"] if computer is not laptop and computer["name"] != laptop["name"]]
    assert others
    assert all("observed_from" not in computer for computer in others)
    seen = datetime.fromisoformat(laptop["observed_at"])
    assert all(timedelta(0) < datetime.fromisoformat(computer["observed_at"]) - seen < timedelta(minutes=10) for computer in others)


def test_the_trend_shows_every_run(story: Story) -> None:
    runs = story.metadata.report["trend"]["runs"]
    assert [run["verdicts"].get("recoverable", 0) for run in runs] in ([7, 7, 4, 4], [4, 4, 7, 7])
    assert all(run["computers"] == run["observed"] == 7 for run in runs)
    page = (story.metadata.run.folder / "report" / "escrow-report.html").read_text(encoding="utf-8")
    assert "<svg" in page
    assert "trend" in page


def test_every_report_has_the_form_that_is_documented(story: Story) -> None:
    for played in (story.first, story.again, story.changed, story.after, story.metadata):
        Draft202012Validator(SCHEMA).validate(played.report)


def test_no_host_was_ever_asked_for_its_own_password(story: Story) -> None:
    for played in (story.first, story.again, story.changed, story.after, story.metadata):
        asked = {row.get("method") for rows in played.watch.hosts().values() for row in rows if row["event"] == "exchange"}
        assert "GetKeyProtectors" in asked
        assert not asked & {"GetKeyProtectorNumericalPassword", "GetKeyProtectorExternalKey"}


def test_no_secret_is_in_what_the_runs_left(story: Story, tmp_path: Path) -> None:
    secrets = {protector.password for host in story.lab.estate.hosts for volume in host.volumes for protector in volume.protectors}
    secrets |= {entry.password for entry in story.lab.estate.entries} | {key.password for key in story.lab.estate.entra_keys}
    for played in (story.first, story.again, story.changed, story.after, story.metadata):
        everything = played.run.output + json.dumps(played.run.record) + json.dumps(played.report)
        assert [secret for secret in secrets if secret and secret in everything] == []
