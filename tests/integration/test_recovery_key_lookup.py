# SPDX-License-Identifier: GPL-3.0-or-later
"""The lookup recovery_key and the module recovery_key_info over a directory, a tenant and live hosts: what brings which key, and none."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.keyward.bitlocker.tests.integration.finding import (
    ADMINISTRATOR,
    REASON,
    Questions,
    directory,
    entry_of,
    finding_estate,
    host_named,
    key_of,
    leaks,
    passwords_of,
    tenant,
)
from ansible_collections.keyward.bitlocker.tests.integration.playing import Player, Watch
from ansible_collections.keyward.bitlocker.tests.lab.directory.layout import NO_RIGHTS, REPORT
from ansible_collections.keyward.bitlocker.tests.lab.entra import accounts
from ansible_collections.keyward.bitlocker.tests.lab.lab import Lab, LabOptions


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with Lab(tmp_path_factory.mktemp("finding"), LabOptions(record_ldap=True), estate=finding_estate()) as running:
        yield running


@pytest.fixture(scope="module")
def found(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> tuple[Questions, Path]:
    """Every question that has an answer, asked once."""
    folder = tmp_path_factory.mktemp("found")
    audit = folder / "audit.jsonl"
    player = Player(folder, lab, {"KEYWARD_AUDIT_FILE": str(audit)})
    ad, entra = directory(lab), tenant(lab)
    both: dict[str, Any] = {"ad": ad, "entra": entra}
    in_ad, in_entra = key_of(lab, "in-ad")[0], key_of(lab, "in-entra")[0]
    device = host_named(lab.estate, "in-entra").entra_device_id
    questions: dict[str, dict[str, Any]] = {
        "AD by name": {"terms": "in-ad", "ad": ad},
        "AD by DNS name": {"terms": "in-ad.lab.example", "ad": ad},
        "AD by 8 characters": {"terms": in_ad[:8].upper(), "ad": ad},
        "AD by full ID": {"terms": f"{{{in_ad.upper()}}}", "ad": ad},
        "AD by volume": {"terms": host_named(lab.estate, "in-ad").volumes[0].persistent_id, "ad": ad},
        "AD, deleted computer": {"terms": "gone", "ad": directory(lab, ADMINISTRATOR)},
        "AD, deleted computer's key": {"terms": entry_of(lab, "GONE")[0][:8], "ad": directory(lab, ADMINISTRATOR)},
        "Entra by device": {"terms": device, "entra": entra},
        "Entra by name": {"terms": "in-entra", "entra": entra},
        "Entra by key ID": {"terms": in_entra, "entra": entra},
        "Entra by 8 characters": {"terms": in_entra[:8], "entra": entra},
        "live host": {"terms": "no-key", "sources": ["host"]},
        "three sources": {"terms": "both", "sources": ["host", "ad", "entra"], **both},
        "first source": {"terms": "both", "search": "first", **both},
        "live preferred": {"terms": "reimaged", "sources": ["host", "ad"], "ad": ad},
        "newest": {"terms": "old-and-new", "match": "newest", "ad": ad},
        "all": {"terms": "old-and-new", "match": "all", "ad": ad},
        "host down, key elsewhere": {"terms": "dead", "sources": ["host", "ad"], "ad": ad},
        "several": {"terms": ["in-ad", "cloud", "both"], **both},
    }
    return Questions(player, questions), audit


CASES: list[tuple[str, str, tuple[str, ...]]] = [
    ("AD by name", "in-ad", ("ad",)),
    ("AD by DNS name", "in-ad", ("ad",)),
    ("AD by 8 characters", "in-ad", ("ad",)),
    ("AD by full ID", "in-ad", ("ad",)),
    ("AD by volume", "in-ad", ("ad",)),
    ("Entra by device", "in-entra", ("entra",)),
    ("Entra by name", "in-entra", ("entra",)),
    ("Entra by key ID", "in-entra", ("entra",)),
    ("Entra by 8 characters", "in-entra", ("entra",)),
    ("live host", "no-key", ("host",)),
    ("three sources", "both", ("host", "ad", "entra")),
    ("first source", "both", ("ad",)),
    ("live preferred", "reimaged", ("host", "ad")),
    ("newest", "old-and-new", ("ad",)),
    ("host down, key elsewhere", "dead", ("ad",)),
]


@pytest.mark.parametrize(("question", "host", "sources"), CASES, ids=[case[0] for case in CASES])
def test_the_right_key_as_lookup_and_as_module(
    found: tuple[Questions, Path], lab: Lab, question: str, host: str, sources: tuple[str, ...]
) -> None:
    asked = found[0][question]
    assert asked.failures == ("", "")
    key_id, password = key_of(lab, host)
    assert asked.passwords == [password]
    (row,) = asked.rows
    assert (row["key_id"], row["recovery_password"]) == (key_id, password)
    assert tuple(place["source"] for place in row["sources"]) == sources
    assert row["live"] is ("host" in sources)


@pytest.mark.parametrize("question", ["AD, deleted computer", "AD, deleted computer's key"])
def test_a_deleted_computer_is_found_and_marked(found: tuple[Questions, Path], lab: Lab, question: str) -> None:
    asked = found[0][question]
    key_id, password = entry_of(lab, "GONE")
    assert asked.passwords == [password]
    assert [(row["key_id"], row["deleted_owner"], row["owner"]) for row in asked.rows] == [(key_id, True, "GONE")]


def test_all_keys_of_a_computer_the_newest_first(found: tuple[Questions, Path], lab: Lab) -> None:
    asked = found[0]["all"]
    expected = [entry_of(lab, "OLD-AND-NEW", number) for number in (0, 1)]
    assert asked.passwords == [password for _key_id, password in expected]
    assert [row["key_id"] for row in asked.rows] == [key_id for key_id, _password in expected]


def test_several_terms_keep_their_order(found: tuple[Questions, Path], lab: Lab) -> None:
    asked = found[0]["several"]
    assert asked.passwords == [key_of(lab, name)[1] for name in ("in-ad", "cloud", "both")]
    assert [row["term"] for row in asked.rows] == ["in-ad", "cloud", "both"]


def test_a_host_that_is_down_is_told(found: tuple[Questions, Path]) -> None:
    (row,) = found[0]["host down, key elsewhere"].rows
    assert list(row["unsearched"]) == ["host"]
    assert "The source host could not be searched" in found[0].run.output


def test_nothing_of_it_is_shown(found: tuple[Questions, Path], lab: Lab) -> None:
    questions, audit = found
    assert leaks(questions.run, passwords_of(lab), audit) == []
    questions.run.no_traceback()


def test_every_key_is_on_record_before_it_is_given(found: tuple[Questions, Path]) -> None:
    questions, audit = found
    records = [json.loads(line) for line in audit.read_text(encoding="utf-8").splitlines()]
    given = [record for record in records if record.get("reason") == REASON]
    actions = [record["action"] for record in given]
    names = [case[0] for case in CASES] + ["AD, deleted computer", "AD, deleted computer's key", "all", "several"]
    assert actions.count("lookup") == actions.count("reveal") == sum(len(questions[name].passwords) for name in names)
    (three, _module) = [record for record in given if record["source"] == "host+ad+entra"]
    assert three["key_id"] == questions["three sources"].rows[0]["key_id"]


# --- what brings no key ----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def refused(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> tuple[Questions, Path]:
    """Every question that has no single answer, in the open: nothing that it says is a secret."""
    folder = tmp_path_factory.mktemp("refused")
    audit = folder / "audit.jsonl"
    player = Player(folder, lab, {"KEYWARD_AUDIT_FILE": str(audit)})
    ad, entra = directory(lab), tenant(lab)
    both: dict[str, Any] = {"ad": ad, "entra": entra}
    down = directory(lab, server="127.0.0.1", port=9, connection_timeout=1)
    questions: dict[str, dict[str, Any]] = {
        "no such computer": {"terms": "nobody", **both},
        "no such key": {"terms": "12345678", **both},
        "a computer without a key": {"terms": "no-key", **both},
        "several keys": {"terms": "reimaged", "ad": ad},
        "several keys begin so": {"terms": "DEADBEEF", "match": "single", "ad": ad},
        "sources disagree": {"terms": "disagree", **both},
        "directory down": {"terms": "in-ad", "ad": down},
        "directory down, and not elsewhere": {"terms": "nobody", "ad": down, "entra": entra},
        "metadata account": {"terms": "in-ad", "ad": directory(lab, REPORT)},
        "no rights": {"terms": "in-ad", "ad": directory(lab, NO_RIGHTS)},
        "no rights, key ID": {"terms": key_of(lab, "in-ad")[0], "ad": directory(lab, NO_RIGHTS)},
        "metadata application": {"terms": "in-entra", "entra": tenant(lab, accounts.REPORT)},
        "application without rights": {"terms": "in-entra", "entra": tenant(lab, accounts.NO_RIGHTS)},
        "damaged": {"terms": "damaged", "ad": ad},
        "host down": {"terms": "dead", "sources": ["host"]},
        "no reason": {"terms": "in-ad", "ad": ad, "reason": ""},
        "nothing configured": {"terms": "in-ad"},
        "source without its option": {"terms": "in-ad", "sources": ["vault"]},
        "a wrong password": {"terms": "in-ad", "ad": directory(lab, password="Wrong-Canary-1")},
        "a short key ID": {"terms": "key_id:1a2b", "ad": ad},
    }
    return Questions(player, {name: {"shown": True} | options for name, options in questions.items()}), audit


SENTENCES = {
    "no such computer": ["find the recovery key (nobody)", "there is none in ad or entra"],
    "no such key": ["there is none in ad or entra", "Compare the key ID with the screen"],
    "a computer without a key": ["there is none in ad or entra"],
    "several keys": ["choose one recovery key (reimaged)", "2 keys fit", "of REIMAGED", "in ad"],
    "several keys begin so": ["2 keys fit", "deadbeef-1111", "of TWIN-A", "deadbeef-2222", "of TWIN-B"],
    "sources disagree": ["the sources do not agree on it", "ad (CN=", "and entra (", "none was handed out"],
    "directory down": ["it is not known whether there is one", "ad:"],
    "directory down, and not elsewhere": ["nothing was found in entra, and it is not known whether there is one", "ad:"],
    "metadata account": ["read the recovery password", "Grant read and control access"],
    "no rights": ["Grant read and control access"],
    "no rights, key ID": ["it is not known whether there is one", "lacks the rights"],
    "metadata application": ["read the recovery password", "BitlockerKey.Read.All"],
    "application without rights": ["it is not known whether there is one", "entra:"],
    "damaged": ["it is not eight groups of six digits", "Look for another copy"],
    "host down": ["it is not known whether there is one", "host: dead:"],
    "no reason": ["reason"],
    "nothing configured": ["no source is named, and none is configured"],
    "source without its option": ["the source vault is named, and there is no option vault"],
    "a wrong password": ["it is not known whether there is one", "ad:"],
    "a short key ID": ["a key ID has 8 to 32 hexadecimal digits"],
}


@pytest.mark.parametrize("question", SENTENCES)
def test_each_refusal_has_its_own_sentence(refused: tuple[Questions, Path], question: str) -> None:
    asked = refused[0][question]
    assert asked.passwords == []
    assert asked.rows == []
    for failure in asked.failures:
        assert [words for words in SENTENCES[question] if words not in failure] == [], failure


def test_a_refusal_gives_nothing_and_shows_nothing(refused: tuple[Questions, Path], lab: Lab) -> None:
    questions, audit = refused
    assert leaks(questions.run, [*passwords_of(lab), "Wrong-Canary-1"]) == []
    questions.run.no_traceback()
    given = [json.loads(line) for line in audit.read_text(encoding="utf-8").splitlines()] if audit.exists() else []
    assert [record for record in given if record.get("reason") == REASON] == []


# --- masked ------------------------------------------------------------------------------------------------------------------------


def test_without_reveal_no_value_is_asked_for(lab: Lab, tmp_path: Path) -> None:
    player = Player(tmp_path, lab)
    watch = Watch(lab)
    hosts = player.inventory({"localhost": {"ansible_connection": "local"}})
    options = {"sources": ["host", "ad", "entra"], "ad": directory(lab, REPORT), "entra": tenant(lab, accounts.REPORT)}
    asked = {"terms": ["both", key_of(lab, "in-ad")[0][:8]], **options}
    run = player.play(
        [{"hosts": "localhost", "gather_facts": False, "tasks": [{"name": "look", "keyward.bitlocker.recovery_key_info": asked}]}],
        hosts=hosts,
    )
    assert run.code == 0, run.output
    rows = run.no_traceback().result("look")["keys"]
    assert [row["key_id"] for row in rows] == [key_of(lab, "both")[0], key_of(lab, "in-ad")[0]]
    assert {row["recovery_password"] for row in rows} == {"-".join(["******"] * 8)}
    assert [place["source"] for place in rows[0]["sources"]] == ["host", "ad", "entra"]
    assert rows[0]["live"] is True
    assert "msFVE-RecoveryPassword" not in json.dumps(watch.ldap())
    assert "$select=key" not in json.dumps(watch.entra())
    assert "NumericalPassword" not in json.dumps([row for row in watch.host("both") if row])
    assert leaks(run, passwords_of(lab)) == []
