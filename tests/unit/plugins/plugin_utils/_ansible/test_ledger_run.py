# SPDX-License-Identifier: GPL-3.0-or-later
"""The ledger's part in a run of the report: last observations, what vanished and changed, proofs that hold still."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._ansible.ledger_query import LedgerQuery
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._ansible.ledger_run import LedgerRun, ledger_run
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.estate import judge_estate, known_computers
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.joins import InventoryHost, inventory_computers
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.key_proof.proof import Outcome
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.ledger_changes import Change, EntryChange
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.ledger_observation import at_time, observation_facts
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.ledger_rows import FoundChange, change_findings
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.model import (
    Entry,
    FailureReason,
    Observation,
    ObservedProtector,
    ObservedVolume,
    Owner,
    ReadError,
    StoreReading,
    StoreState,
)
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.observation import parse_observation
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.proofs import Basis
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.redaction import Secret
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.requirements import Requirements
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.rows import EstateJudgement
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._errors import OptionError
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._report import document

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
NAMES = ("pc01", "pc02")
HOSTS = [InventoryHost(name=name) for name in NAMES]
KEYS = {name: f"0123abcd-1111-2222-3333-44444444440{number}" for number, name in enumerate(NAMES)}
REQUIREMENTS = Requirements(stores=("ad",))
SCOPE: dict[str, object] = {}
Opening = Callable[..., AbstractContextManager[LedgerRun]]


def said(name: str, at: datetime = NOW) -> Observation:
    volume = ObservedVolume(
        device_id="\\\\?\\Volume{1}\\",
        letter="C:",
        type="os",
        conversion="fully_encrypted",
        method="xts_aes_256",
        protection="on",
        locked=False,
        protectors=(ObservedProtector(key_id=KEYS[name], type="recovery_password", key_packages=(Secret(b"a package"),)),),
    )
    return Observation(host=name, observed_at=at, dns_name=f"{name}.corp.example", bitlocker_installed=True, volumes=(volume,))


def reading(*entries: Entry, **facts: object) -> StoreReading:
    owners = tuple(Owner(store="ad", owner_id=f"id-{n}", name=n, location=f"CN={n}", dns_name=f"{n}.corp.example") for n in NAMES)
    given = {"store": "ad", "state": StoreState.SEARCHED, "owners": owners, "entries": entries, "domain": "corp.example", **facts}
    return StoreReading(**given)  # type: ignore[arg-type]  # the test's own words


def entry(name: str, **changes: object) -> Entry:
    made = Entry(store="ad", owner_id=f"id-{name}", entry_id=f"entry-{name}", location=f"CN={name}", key_ids=(KEYS[name],), created=NOW)
    return replace(made, **changes)  # type: ignore[arg-type]  # the test's own words


BOTH = (entry("pc01"), entry("pc02"))


@pytest.fixture
def opening(tmp_path: Path) -> Opening:
    """A run of the ledger; warnings fail the test."""

    def opened(
        at: datetime = NOW, *, check_mode: bool = False, warn: Callable[[str], None] = pytest.fail
    ) -> AbstractContextManager[LedgerRun]:
        given = {"path": str(tmp_path / "l" / "ledger.db"), "hmac_key_file": str(tmp_path / "key"), "keep_days": 400, "compare_days": 7}
        return ledger_run({"ledger": given}, check_mode=check_mode, say=lambda text: None, warn=warn, clock=lambda: at)

    return opened


def run(
    opening: Opening, store: StoreReading, *, at: datetime = NOW, silent: Sequence[str] = (), check_mode: bool = False
) -> tuple[EstateJudgement, dict[str, object]]:
    """One whole run, recorded."""
    with opening(at, check_mode=check_mode) as ledger:
        failed = Observation(host="", observed_at=at, reason=FailureReason.UNREACHABLE)
        given = {name: [replace(failed, host=name) if name in silent else said(name, at)] for name in NAMES}
        observations = ledger.with_earlier(HOSTS, given)
        computers = inventory_computers(HOSTS, observations, now=at, requirements=REQUIREMENTS)
        judgement = judge_estate(known_computers(computers, [store]), [store], REQUIREMENTS, now=at)
        judgement = ledger.compared(judgement, SCOPE)
        report = document.build(judgement, {})
        ledger.annotate(report)
        ledger.record(judgement, SCOPE)
    return judgement, report


def changes(judgement: EstateJudgement) -> list[tuple[str, str | None, str | None]]:
    return [(f.code, f.computer, f.volume) for f in judgement.findings if f.code in ("KW-ESC-013", "KW-ESC-014")]


def test_an_offline_computer_is_shown_by_its_last_observation(opening: Opening) -> None:
    run(opening, reading(*BOTH))
    judgement, report = run(opening, reading(*BOTH), at=NOW + timedelta(days=3), silent=["pc02"])
    rows = {row["name"]: row for row in report["computers"]}  # type: ignore[attr-defined]  # a list
    assert rows["pc02.corp.example"]["observed_from"] == "ledger"
    assert rows["pc02.corp.example"]["verdict"] == "escrowed"
    assert rows["pc02.corp.example"]["observed_at"] == "2026-11-22T12:00:00Z"
    assert rows["pc02.corp.example"]["not_observed"] == "unreachable"
    assert "observed_from" not in rows["pc01.corp.example"]
    assert changes(judgement) == []
    # what came out of the ledger is not observed anew by being read
    judgement, report = run(opening, reading(*BOTH), at=NOW + timedelta(days=31), silent=["pc01", "pc02"])
    rows = {row["name"]: row for row in report["computers"]}  # type: ignore[attr-defined]  # a list
    assert rows["pc01.corp.example"]["verdict"] == "escrowed"
    assert rows["pc02.corp.example"]["verdict"] == "on_file", "31 days are too old"


def test_an_entry_that_vanished_is_a_finding_for_some_days(opening: Opening) -> None:
    run(opening, reading(*BOTH))
    for day in (1, 2, 7):
        judgement, _report = run(opening, reading(entry("pc01")), at=NOW + timedelta(days=day))
        assert changes(judgement) == [("KW-ESC-013", "pc02.corp.example", "C:")], day
    judgement, _report = run(opening, reading(entry("pc01")), at=NOW + timedelta(days=9))
    assert changes(judgement) == []


def test_it_stays_a_finding_when_the_next_run_is_on_the_same_day(opening: Opening) -> None:
    run(opening, reading(*BOTH))
    for hour in (1, 2, 3):
        judgement, _report = run(opening, reading(entry("pc01")), at=NOW + timedelta(hours=hour))
        assert changes(judgement) == [("KW-ESC-013", "pc02.corp.example", "C:")], hour
    judgement, _report = run(opening, reading(*BOTH), at=NOW + timedelta(hours=4))
    assert changes(judgement) == [], "it is there again"


def test_of_a_shared_volume_it_sits_where_the_volume_is_listed() -> None:
    reading_ = reading(*BOTH)
    shared = replace(
        (said("pc01").volumes or ())[0],
        type="fixed",
        letter="F:",
        persistent_id="{5d2e7c1a-0000-4000-8000-000000000001}",
    )
    given = {name: [replace(said(name), cluster="c1", domain="corp.example", volumes=(shared,))] for name in NAMES}
    computers = inventory_computers(HOSTS, given, now=NOW, requirements=REQUIREMENTS)
    judgement = judge_estate(known_computers(computers, [reading_]), [reading_], REQUIREMENTS, now=NOW)
    change = EntryChange(kind=Change.VANISHED, key_id=KEYS["pc01"], entry_id="e", why="it is gone")
    found = FoundChange(store="ad", owner_id="id-pc02", change=change, since=NOW, computer="pc02.corp.example")
    (finding,) = change_findings(judgement, [found])
    assert (finding.computer, finding.volume) == ("pc01.corp.example", "F:")


@pytest.mark.parametrize(
    "store",
    [
        reading(state=StoreState.DOWN, owners=()),
        reading(state=StoreState.PARTIAL),
        reading(state=StoreState.NO_RIGHTS),
        reading(unsearched_owners=frozenset({"id-pc02"})),
        reading(entry("pc01"), whole=False, owners=()),
        reading(domain="other.example"),
    ],
    ids=["down", "partial", "no rights", "owner not searched", "moved out of the search bases", "another domain"],
)
def test_what_was_not_searched_did_not_vanish(opening: Opening, store: StoreReading) -> None:
    run(opening, reading(*BOTH))
    judgement, _report = run(opening, store, at=NOW + timedelta(days=1))
    assert changes(judgement) == []


def test_nothing_is_compared_with_a_run_that_did_not_see_all(opening: Opening) -> None:
    run(opening, reading(*BOTH, state=StoreState.PARTIAL))
    judgement, _report = run(opening, reading(), at=NOW + timedelta(days=1))
    assert changes(judgement) == []


@pytest.mark.parametrize(
    ("now", "code"),
    [
        (entry("pc02", created=NOW + timedelta(hours=1)), "KW-ESC-014"),
        (entry("pc02", entry_id="another"), "KW-ESC-014"),
        (entry("pc02", key_ids=("0123abcd-9999-2222-3333-444444444444",)), "KW-ESC-013"),
        (entry("pc02", deleted=True), "KW-ESC-013"),
        (entry("pc02", owner_id="id-pc01"), "KW-ESC-013"),
        (entry("pc02", readable=False, entry_id="a name", created=None), None),
        (entry("pc02", location="CN=renamed"), None),
    ],
)
def test_what_counts_as_a_change(opening: Opening, now: Entry, code: str | None) -> None:
    run(opening, reading(*BOTH))
    judgement, _report = run(opening, reading(entry("pc01"), now), at=NOW + timedelta(days=1))
    assert [found[0] for found in changes(judgement)] == ([code] if code else [])


@pytest.mark.parametrize(
    ("was", "now", "code"),
    [
        ("repl:1:9:aa:7", "repl:2:10:aa:8", "KW-ESC-014"),
        ("repl:1:9:aa:7", "repl:1:9:aa:7", None),
        (None, "repl:2:10:aa:8", None),  # the earlier run did not ask
        ("repl:1:9:aa:7", None, None),  # another controller does not say
        ("other:1", "repl:2:10:aa:8", None),
    ],
)
def test_metadata_alone_tells_that_a_value_was_written_again(opening: Opening, was: str | None, now: str | None, code: str | None) -> None:
    run(opening, reading(entry("pc01", version=was), entry("pc02", version="repl:1:1:bb:1")))
    later = reading(entry("pc01", version=now), entry("pc02", version="repl:1:1:bb:1"))
    judgement, _report = run(opening, later, at=NOW + timedelta(days=1))
    assert changes(judgement) == ([(code, "pc01.corp.example", "C:")] if code else [])


def test_a_proof_is_made_again_where_the_value_was_written_again(opening: Opening) -> None:
    value = entry("pc01", value=Secret("111111-222222"), version="repl:1:9:aa:7")
    with opening() as ledger:
        ledger.with_earlier(HOSTS, {})
        ledger.remember(value, KEYS["pc01"], "datum", "proven", "live", NOW, "it opened")
        ledger.record(judge_estate([], [reading(*BOTH)], REQUIREMENTS, now=NOW), SCOPE)
    with opening(NOW + timedelta(days=1)) as ledger:
        ledger.with_earlier(HOSTS, {})
        assert ledger.recall(value, KEYS["pc01"], "datum") is not None
        assert ledger.recall(replace(value, value=None), KEYS["pc01"], "datum") is not None, "what was not read in time"
        assert ledger.recall(replace(value, version="repl:2:10:aa:8"), KEYS["pc01"], "datum") is None
        assert ledger.recall(replace(value, version="repl:2:10:aa:8", value=None), KEYS["pc01"], "datum") is None
        assert ledger.recall(replace(value, version=None), KEYS["pc01"], "datum") is not None, "the same value; nobody says more"
        assert ledger.recall(replace(value, value=Secret("9")), KEYS["pc01"], "datum") is None, "the value is held against it all the same"


def test_check_mode_reads_and_writes_nothing(opening: Opening) -> None:
    said_so: list[str] = []
    with pytest.raises(OptionError), opening(check_mode=False, warn=said_so.append) as ledger:
        raise OptionError("stop", target="before a run")
    assert ledger.writes
    run(opening, reading(*BOTH))
    judgement, _report = run(opening, reading(), at=NOW + timedelta(days=1), check_mode=True)
    assert len(changes(judgement)) == 2
    with opening() as ledger:
        assert ledger.ledger is not None
        with ledger.ledger.read() as reader:
            assert len(reader.runs) == 1


def test_a_proof_holds_for_the_same_value_and_wrapping_alone(opening: Opening) -> None:
    value = entry("pc01", value=Secret("111111-222222"))
    with opening() as ledger:
        ledger.with_earlier(HOSTS, {})
        assert ledger.recall(value, KEYS["pc01"], "datum") is None
        ledger.remember(value, KEYS["pc01"], "datum", "proven", "live", NOW, "it opened")
        ledger.remember(entry("pc02", value=Secret("x")), KEYS["pc02"], "datum", "inconclusive", "live", NOW, "")
        ledger.remember(entry("pc02", value=Secret("x")), KEYS["pc02"], "datum", "proven", "directory", NOW, "")
        ledger.record(judge_estate([], [reading(*BOTH)], REQUIREMENTS, now=NOW), SCOPE)
    with opening(NOW + timedelta(days=1)) as ledger:
        ledger.with_earlier(HOSTS, {})
        assert len(ledger.memory) == 1
        found = ledger.recall(value, KEYS["pc01"], "datum")
        assert found is not None
        assert (found.outcome, found.basis, found.made_at) == ("proven", "live", NOW)
        assert ledger.last_proven() == {("ad", "entry-pc01", "datum"): NOW}
        assert ledger.changed_values == []
        assert ledger.recall(value, KEYS["pc01"], "another wrapping") is None
        assert ledger.recall(value, KEYS["pc02"], "datum") is None
        assert ledger.recall(replace(value, owner_id="id-pc02"), KEYS["pc01"], "datum") is None
        assert ledger.recall(entry("pc01"), KEYS["pc01"], "datum") is None, "AD says nothing of when a value was written"
        assert ledger.changed_values == []
        assert ledger.recall(replace(value, value=Secret("333333-444444")), KEYS["pc01"], "datum") is None
        assert [item.change.kind for item in ledger.changed_values] == ["changed"]


def test_a_proof_in_the_words_of_the_core_holds_too(opening: Opening) -> None:
    value = entry("pc01", value=Secret("111111-222222"))
    with opening() as ledger:
        ledger.with_earlier(HOSTS, {})
        # what the proofs of a run are told in: texts, but not plain ones
        ledger.remember(value, KEYS["pc01"], "datum", Outcome.REFUTED, Basis.LIVE, NOW, "it does not open")
        ledger.record(judge_estate([], [reading(*BOTH)], REQUIREMENTS, now=NOW), SCOPE)
    with opening(NOW + timedelta(days=1)) as ledger:
        ledger.with_earlier(HOSTS, {})
        found = ledger.recall(value, KEYS["pc01"], "datum")
    assert found is not None
    assert (found.outcome, found.basis) == ("refuted", "live")


def test_what_entra_says_of_an_entry_must_do_where_it_is_not_read(opening: Opening) -> None:
    key = entry("pc01", store="entra", value=Secret("111111-222222"))
    with opening() as ledger:
        ledger.with_earlier(HOSTS, {})
        ledger.remember(key, KEYS["pc01"], "datum", "proven", "live", NOW, "")
        ledger.record(judge_estate([], [], REQUIREMENTS, now=NOW), SCOPE)
    with opening() as ledger:
        ledger.with_earlier(HOSTS, {})
        assert ledger.recall(replace(key, value=None), KEYS["pc01"], "datum") is not None
        assert ledger.recall(replace(key, value=None, created=NOW + timedelta(seconds=1)), KEYS["pc01"], "datum") is None
        assert ledger.recall(replace(key, value=None, created=None), KEYS["pc01"], "datum") is None


def test_the_ledger_tells_when_things_were_seen(opening: Opening) -> None:
    run(opening, reading(entry("pc01", created=NOW - timedelta(days=9))))
    run(opening, reading(*(replace(item, created=NOW + timedelta(days=1)) for item in BOTH[1:]), entry("pc01")), at=NOW + timedelta(days=2))
    with opening() as ledger:
        assert ledger.ledger is not None
        with ledger.ledger.read() as reader:
            query = LedgerQuery(reader, limit=10, now=NOW)
            assert [row["believed"] for row in query.runs()] == [True, True]
            told = query.computer("pc02.corp.example")
            (early,) = query.protectors([KEYS["pc01"].upper()])
    assert [row["verdict"] for row in told["verdicts"]] == ["escrowed", "unescrowed"]
    (late,) = told["protectors"]
    assert (late["first_seen"], late["last_seen"]) == ("2026-11-22T12:00:00Z", "2026-11-24T12:00:00Z")
    assert late["hours_to_escrow"] == 24.0
    assert early["hours_to_escrow"] == 0.0
    assert late["entries"][0]["last_seen"] == "2026-11-24T12:00:00Z"


def test_no_package_and_no_value_is_in_the_ledger(opening: Opening, tmp_path: Path) -> None:
    run(opening, reading(entry("pc01", value=Secret("111111-222222")), entry("pc02")))
    everything = b"".join(path.read_bytes() for path in (tmp_path / "l").iterdir())
    assert b"a package" not in everything
    assert b"YSBwYWNrYWdl" not in everything
    assert b"111111" not in everything
    assert KEYS["pc01"].encode() in everything, "the control"


def test_an_observation_comes_back_as_it_was() -> None:
    whole = replace(
        said("pc01"),
        gathered=("escrow", "policy"),
        authenticated_names=("pc01.corp.example",),
        domain="corp.example",
        part_of_domain=True,
        domain_controller=True,
        serial="x",
        entra_device_id=KEYS["pc01"],
        cluster="c1",
        policy={"A": 1, "B": "text"},
        errors=(ReadError(read="x", code="0x1", name="N", message="m"),),
    )
    bare = Observation(host="pc01", observed_at=NOW)
    empty = Observation(host="pc01", observed_at=NOW, volumes=(), policy={}, bitlocker_installed=False)
    (volume,) = said("pc01").volumes or ()
    unread = replace(bare, volumes=(replace(volume, protectors=None), replace(volume, device_id="2", protectors=(), suspend_count=0)))
    for given in (whole, bare, empty, unread):
        back = parse_observation("pc01", at_time(observation_facts(given), given.observed_at))
        expected = given.volumes and tuple(
            replace(v, protectors=v.protectors and tuple(replace(p, key_packages=()) for p in v.protectors)) for v in given.volumes
        )
        assert back == replace(given, volumes=expected)
