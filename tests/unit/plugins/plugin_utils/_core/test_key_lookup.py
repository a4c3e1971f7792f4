# SPDX-License-Identifier: GPL-3.0-or-later
"""What sources have becomes one record a key ID; preference, ambiguity, disagreement, and what nobody could look at."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import pytest
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core import key_lookup
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.key_lookup import (
    AmbiguousKeyError,
    CouldNotLookError,
    DisagreementError,
    KeyRecord,
    Match,
    NoSuchKeyError,
    ProtectorList,
    agree,
    choose,
    merge,
)
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.key_search import (
    Candidate,
    CandidateValue,
    SourceAnswer,
    SourceProblem,
    parse_term,
)
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.model import StoreState
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.redaction import Secret
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._errors import AuthorizationError, BadDataError, KeywardError, OptionError
from hypothesis import given, settings
from hypothesis import strategies as st

Made = TypeVar("Made")
NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
NAME = parse_term("pc01")
KEYS = [f"{number:08x}-0000-4000-8000-00000000000{number}" for number in range(1, 6)]
PASSWORDS = ["-".join([group] * 8) for group in ("111111", "222222", "333333")]


def candidate(key: int = 0, source: str = "ad", *, days: int | None = 10, **fields: Any) -> Candidate:
    """A candidate of one of KEYS, escrowed so many days ago."""
    made: dict[str, Any] = {
        "key_id": KEYS[key],
        "source": source,
        "owner": "PC01",
        "owner_id": f"{source} object",
        "location": f"{source} {KEYS[key]}",
        "computers": ("pc01",),
        "created": None if days is None else NOW - timedelta(days=days),
    }
    return Candidate(**(made | fields))


def answered(*candidates: Candidate, term: Any = NAME, **fields: Any) -> list[SourceAnswer]:
    """One answer for each source, in the order in which they come up; ``fields`` are for all of them."""
    names = dict.fromkeys(found.source for found in candidates) or {"ad": None}
    return [
        SourceAnswer(source=name, found={term.text: tuple(found for found in candidates if found.source == name)}, **fields)
        for name in names
    ]


def chosen(match: Match, *candidates: Candidate, term: Any = NAME, lists: Sequence[ProtectorList] = ()) -> list[KeyRecord]:
    answers = answered(*candidates, term=term)
    return [key.record for key in choose(term, merge(term, answers, lists), answers, match)]


def listed(*keys: int, days: int = 0, computers: tuple[str, ...] = ("pc01",)) -> ProtectorList:
    return ProtectorList(computers=frozenset(computers), key_ids=frozenset(KEYS[key] for key in keys), as_of=NOW - timedelta(days=days))


def test_one_key_in_three_sources_is_one_record_with_three_sources() -> None:
    (record,) = chosen(
        Match.SINGLE, candidate(source="host", days=None, volume="C:"), candidate(volume="os"), candidate(source="vault", days=1)
    )
    assert record.sources == ("host", "ad", "vault")
    assert (record.key_id, record.volume, record.created) == (KEYS[0], "C:", NOW - timedelta(days=10))


def test_two_keys_of_a_computer_are_an_error_that_lists_them() -> None:
    with pytest.raises(AmbiguousKeyError) as raised:
        chosen(Match.SINGLE, candidate(0), candidate(1, "entra", days=20, readable=False))
    text = str(raised.value)
    for told in (KEYS[0], KEYS[1], "of PC01", "2026-11-12", "2026-11-02", "in ad", "in entra", "not readable by this account"):
        assert told in text
    assert {record.key_id for record in raised.value.records} == {KEYS[0], KEYS[1]}


def test_many_candidates_are_not_all_listed() -> None:
    many = [candidate(key_id=f"{number:08x}-0000-4000-8000-000000000000", location=str(number)) for number in range(40)]
    with pytest.raises(AmbiguousKeyError, match=r"40 keys fit.*and 30 more"):
        chosen(Match.SINGLE, *many)


def test_what_the_computer_lists_now_is_preferred_and_marked() -> None:
    (record,) = chosen(Match.SINGLE, candidate(0, days=1), candidate(1, days=300), lists=[listed(1)])
    assert (record.key_id, record.live, record.live_as_of) == (KEYS[1], True, NOW)
    (newest,) = chosen(Match.NEWEST, candidate(0, days=1), candidate(1, days=300), lists=[listed(1)])
    assert newest.key_id == KEYS[1]
    every = chosen(Match.ALL, candidate(0, days=1), candidate(1, days=300), lists=[listed(1)])
    assert [(found.key_id, found.live, found.live_as_of) for found in every] == [(KEYS[1], True, NOW), (KEYS[0], False, NOW)]


def test_two_protectors_that_the_computer_lists_are_still_two() -> None:
    with pytest.raises(AmbiguousKeyError, match="listed by the computer itself"):
        chosen(Match.SINGLE, candidate(0), candidate(1), lists=[listed(0, 1)])


def test_a_newer_list_takes_back_what_an_older_one_said() -> None:
    (record,) = chosen(Match.SINGLE, candidate(0), lists=[listed(0, days=3), listed(1)])
    assert (record.live, record.live_as_of) == (False, NOW)


def test_a_list_of_another_computer_says_nothing() -> None:
    (record,) = chosen(Match.SINGLE, candidate(0), lists=[listed(1, computers=("pc02",))])
    assert (record.live, record.live_as_of) == (False, None)


def test_a_deleted_owner_yields_to_one_that_is_there_and_is_found_where_it_is_alone() -> None:
    gone = candidate(0, days=1, deleted_owner=True)
    (record,) = chosen(Match.SINGLE, gone, candidate(1, days=300))
    assert (record.key_id, record.deleted_owner) == (KEYS[1], False)
    (alone,) = chosen(Match.SINGLE, gone)
    assert alone.deleted_owner
    assert "owner deleted" in alone.told


@pytest.mark.parametrize("prefer", [{"lists": [listed(0)]}, {}])
def test_keys_that_were_asked_for_by_id_are_never_preferred_over_each_other(prefer: dict[str, Any]) -> None:
    term = parse_term("0000000a")
    alike = [candidate(0, key_id="0000000a-0000-4000-8000-000000000001"), candidate(1, key_id="0000000a-0000-4000-8000-000000000002")]
    lists = [ProtectorList(computers=frozenset(), key_ids=frozenset({alike[0].key_id}), as_of=NOW)] if prefer else []
    alike[1] = replace(alike[1], deleted_owner=True)
    with pytest.raises(AmbiguousKeyError):
        chosen(Match.SINGLE, *alike, term=term, lists=lists)


def test_a_name_that_may_be_a_key_id_finds_both_and_decides_for_none() -> None:
    term = parse_term("deadbeef")
    by_id = candidate(0, key_id="deadbeef-0000-4000-8000-000000000001", owner="PC77", computers=("pc77",))
    with pytest.raises(AmbiguousKeyError):
        chosen(Match.SINGLE, candidate(1, computers=("deadbeef",)), by_id, term=term)


def test_a_later_copy_makes_no_key_newer() -> None:
    old = [candidate(0, days=300, owner_id="guid"), candidate(0, "entra", days=1, owner_id="guid"), candidate(0, "file", days=0)]
    (record,) = chosen(Match.NEWEST, *old, candidate(1, days=30, owner_id="guid"))
    assert record.key_id == KEYS[1]


def test_what_a_file_says_of_a_date_counts_only_where_no_directory_says_one() -> None:
    (record,) = chosen(Match.NEWEST, candidate(0, "file", days=1), candidate(1, days=300))
    assert record.key_id == KEYS[1]
    (record,) = chosen(Match.NEWEST, candidate(0, "file", days=1), candidate(1, "vault", days=300))
    assert record.key_id == KEYS[0]


@pytest.mark.parametrize("days", [None, 7])
def test_no_date_and_equal_dates_decide_nothing(days: int | None) -> None:
    with pytest.raises(AmbiguousKeyError, match="no date says which one is the newest"):
        chosen(Match.NEWEST, candidate(0, days=days), candidate(1, days=days))


def test_not_there_is_another_sentence_than_could_not_look() -> None:
    with pytest.raises(NoSuchKeyError, match="there is none in ad"):
        chosen(Match.SINGLE)
    for state in (StoreState.DOWN, StoreState.PARTIAL, StoreState.NO_RIGHTS):
        answers = [SourceAnswer(source="ad"), SourceAnswer(source="entra", state=state, reason="it did not answer in time.")]
        with pytest.raises(CouldNotLookError, match=r"found in ad, and it is not known.*entra: it did not answer in time\)"):
            choose(NAME, (), answers, Match.ALL)


def test_what_is_found_beside_a_source_that_is_down_says_so() -> None:
    answers = [*answered(candidate()), SourceAnswer(source="entra", state=StoreState.DOWN, reason="down")]
    (key,) = choose(NAME, merge(NAME, answers), answers, Match.SINGLE)
    assert key.unsearched == {"entra": "down"}


def test_what_could_not_be_used_is_told_where_nothing_was_found() -> None:
    problems = tuple(SourceProblem(where=f"/keys/{number}.txt", text="the third group is damaged") for number in range(5))
    with pytest.raises(NoSuchKeyError, match=r"5 things could not be used \(/keys/0.txt: the third group is damaged.*and 2 more"):
        choose(NAME, (), [SourceAnswer(source="file", problems=problems)], Match.SINGLE)


def test_an_external_key_is_no_recovery_password_and_is_named() -> None:
    bek = candidate(source="file", type="external_key", location="/media/usb/1.BEK")
    with pytest.raises(NoSuchKeyError, match=r"only an external key .*/media/usb/1\.BEK"):
        chosen(Match.SINGLE, bek)
    (record,) = chosen(Match.SINGLE, bek, candidate(1))
    assert record.key_id == KEYS[1]


def test_the_beginning_of_an_id_joins_the_one_key_that_begins_so() -> None:
    short = candidate(source="file", key_id=KEYS[0][:8])
    (record,) = chosen(Match.SINGLE, short, candidate())
    assert (record.key_id, record.sources) == (KEYS[0], ("file", "ad"))
    (alone,) = chosen(Match.SINGLE, short)
    assert alone.key_id == KEYS[0][:8]
    twin = candidate(1, key_id=KEYS[0][:8] + "-ffff-4000-8000-000000000009")
    assert len(chosen(Match.ALL, short, candidate(), twin)) == 3


def test_entries_without_an_id_are_not_taken_for_each_other() -> None:
    assert len(chosen(Match.ALL, candidate(key_id="", location="one"), candidate(key_id="", location="two"))) == 2


# --- values ------------------------------------------------------------------------------------------------------------------------


def read(found: Candidate, value: str | None, problem: Exception | None = None) -> CandidateValue:
    return CandidateValue(candidate=found, value=None if value is None else Secret(value), problem=problem)  # type: ignore[arg-type]  # ours


def record_of(*candidates: Candidate) -> KeyRecord:
    return KeyRecord(key_id=KEYS[0], candidates=candidates)


def test_sources_that_agree_give_one_value() -> None:
    both = candidate(), candidate(source="entra")
    agreed = agree(record_of(*both), [read(found, PASSWORDS[0]) for found in both])
    assert (agreed.secret, agreed.sources) == (Secret(PASSWORDS[0]), ("ad", "entra"))


def test_sources_that_do_not_agree_are_named_and_give_none() -> None:
    both = candidate(), candidate(source="entra")
    with pytest.raises(DisagreementError) as raised:
        agree(record_of(*both), [read(found, password) for found, password in zip(both, PASSWORDS, strict=False)])
    assert "ad (ad " in str(raised.value)
    assert "entra (entra " in str(raised.value)


def test_one_source_that_cannot_be_read_does_not_lose_the_other() -> None:
    both = candidate(), candidate(source="entra")
    problem = AuthorizationError("read it", meaning="no right")
    agreed = agree(record_of(*both), [read(both[0], None, problem), read(both[1], PASSWORDS[0])])
    assert (agreed.sources, [value.problem for value in agreed.problems]) == (("entra",), [problem])


def test_a_key_that_nobody_gives_says_why_not() -> None:
    both = candidate(), candidate(source="entra")
    problems = [AuthorizationError("read it", meaning="no right", remedy="Grant it."), BadDataError("read it", meaning="damaged")]
    with pytest.raises(AuthorizationError) as alone:
        agree(record_of(both[0]), [read(both[0], None, problems[0])])
    assert alone.value is problems[0]
    with pytest.raises(AuthorizationError, match=r"ad: Could not read it: no right.*entra: Could not read it: damaged"):
        agree(record_of(*both), [read(found, None, problem) for found, problem in zip(both, problems, strict=True)])


# --- whatever the sources have -----------------------------------------------------------------------------------------------------

candidates = st.builds(
    candidate,
    st.integers(0, 4),
    st.sampled_from(["host", "ad", "entra", "file", "vault"]),
    days=st.none() | st.integers(0, 5),
    key_id=st.sampled_from([*KEYS, KEYS[0][:8], ""]),
    location=st.sampled_from("abc"),
    deleted_owner=st.booleans(),
    readable=st.booleans(),
    computers=st.sampled_from([(), ("pc01",), ("pc02",)]),
    type=st.sampled_from(["recovery_password"] * 4 + ["external_key"]),
)
lists = st.lists(
    st.builds(
        ProtectorList,
        computers=st.frozensets(st.sampled_from(["pc01", "pc02"])),
        key_ids=st.frozensets(st.sampled_from(KEYS)),
        as_of=st.sampled_from([NOW, NOW - timedelta(days=1)]),
    ),
    max_size=3,
)
terms = st.sampled_from([NAME, parse_term("00000001"), parse_term(KEYS[0]), parse_term("serial:x")])


def outcome_of(call: Callable[[], Made]) -> tuple[Made | None, KeywardError | None]:
    """What it gives, or the error of ours that it raises."""
    try:
        return call(), None
    except KeywardError as error:
        return None, error


def states_of(answers: Sequence[SourceAnswer]) -> set[StoreState]:
    return {answer.state for answer in answers}


@settings(max_examples=200, deadline=None)
@given(st.lists(candidates, max_size=8), lists, terms, st.sampled_from(Match), st.sampled_from(StoreState))
def test_a_term_stands_for_records_or_has_one_of_three_errors(
    found: list[Candidate], known: list[ProtectorList], term: Any, match: Match, state: StoreState
) -> None:
    answers = answered(*found, term=term, state=state, reason="x")
    records = merge(term, answers, known)
    passwords = [one for one in found if one.type == "recovery_password"]
    # every candidate is in exactly one record, as often as it has places
    places = [(one.source, one.owner_id, one.location, record.key_id) for record in records for one in record.candidates]
    assert len(places) == len(set(places))
    assert {(one.source, one.location) for one in passwords} == {place[0::2][:2] for place in places}
    ids = [record.key_id for record in records if record.key_id]
    assert len(ids) == len(set(ids))
    keys, problem = outcome_of(lambda: choose(term, records, answers, match))
    if isinstance(problem, AmbiguousKeyError):
        assert match is not Match.ALL
        assert len(problem.records) > 1
        assert set(problem.records) <= set(records)
    elif problem is not None:
        assert not passwords
        assert isinstance(problem, NoSuchKeyError if state is StoreState.SEARCHED else CouldNotLookError)
    else:
        assert keys is not None
        assert [key.record for key in keys] == list(records) if match is Match.ALL else len(keys) == 1
        assert states_of(answers) == {StoreState.SEARCHED} or all(key.unsearched for key in keys)
        if (
            match is not Match.ALL
            and any(record.live for record in records)
            and not any(term.has_key_id(record.key_id) for record in records)
        ):
            assert keys[0].record.live


@settings(max_examples=100, deadline=None)
@given(st.lists(candidates, max_size=8), lists, st.randoms(use_true_random=False))
def test_the_order_in_which_a_source_names_its_entries_does_not_matter(
    found: list[Candidate], known: list[ProtectorList], rng: random.Random
) -> None:
    shuffled = list(found)
    rng.shuffle(shuffled)

    def outcome(given: list[Candidate]) -> set[tuple[str, bool, Any]]:
        return {(record.key_id, record.live, record.created) for record in merge(NAME, answered(*given), known)}

    # two entries of one place are one: whichever comes first stands for it
    if len({(one.source, one.location, one.key_id) for one in found}) == len(found) and not any(one.key_id == "" for one in found):
        assert outcome(found) == outcome(shuffled)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(candidates, st.none() | st.sampled_from(PASSWORDS)), min_size=1, max_size=5))
def test_no_error_about_values_holds_a_digit_of_one(found: list[tuple[Candidate, str | None]]) -> None:
    values = [read(one, value, None if value else BadDataError("read it", meaning="gone")) for one, value in found]
    distinct = {value for _one, value in found if value}
    agreed, problem = outcome_of(lambda: agree(record_of(*(one for one, _value in found)), values))
    assert (problem is None) is (len(distinct) == 1)
    if agreed is not None:
        assert {agreed.secret.reveal()} == distinct
    else:
        assert isinstance(problem, DisagreementError) is (len(distinct) > 1)
        assert not any(value[:6] in str(problem) for value in PASSWORDS)


def test_a_term_is_repeated_short_and_in_one_line() -> None:
    assert key_lookup.shown(parse_term("a\n" + "b" * 200)) == "a " + "b" * 77 + "…"


def test_the_newest_never_decides_between_keys_whose_ids_begin_alike() -> None:
    """Anybody's computer may put an entry with any ID under its own object: eight digits and a later date must not win."""
    term = parse_term("0000000a")
    planted = candidate(1, key_id="0000000a-0000-4000-8000-000000000002", days=1, owner="EVIL", owner_id="evil", computers=("evil",))
    with pytest.raises(AmbiguousKeyError, match="Read more of the key ID"):
        chosen(Match.NEWEST, candidate(0, key_id="0000000a-0000-4000-8000-000000000001", days=300), planted, term=term)


@pytest.mark.parametrize("source", ["ad", "entra"])
def test_the_newest_never_decides_between_owners_of_one_name(source: str) -> None:
    """A device may be registered under any display name; a second object of a name says nothing of the computer that is meant."""
    own, other = candidate(0, days=300, owner_id="one"), candidate(1, source, days=1, owner_id="two")
    with pytest.raises(AmbiguousKeyError, match="more than one owner"):
        chosen(Match.NEWEST, own, other)
    # a hybrid joined computer is one owner in both, a deleted one is no rival, and what the computer lists itself needs no owner
    assert [found.key_id for found in chosen(Match.NEWEST, own, replace(other, owner_id="one"))] == [KEYS[1]]
    assert [found.key_id for found in chosen(Match.NEWEST, own, replace(other, deleted_owner=True))] == [KEYS[0]]
    assert [found.key_id for found in chosen(Match.NEWEST, own, other, lists=[listed(0, 1)])] == [KEYS[1]]


def test_a_source_that_had_nothing_to_ask_says_nothing() -> None:
    """No key ID is looked for on a whole fleet: that no host was asked does not mean that none has it."""
    term = parse_term("12345678")
    host = SourceAnswer(source="host", asked=False)
    with pytest.raises(CouldNotLookError, match=r"it is not known whether there is one.*host: no computer was asked"):
        choose(term, (), [host], Match.SINGLE)
    with pytest.raises(NoSuchKeyError, match=r"there is none in ad; host: no computer was asked"):
        choose(term, (), [host, SourceAnswer(source="ad")], Match.SINGLE)
    with pytest.raises(CouldNotLookError, match=r"ad: it is down; host: no computer was asked"):
        choose(term, (), [host, SourceAnswer(source="ad", state=StoreState.DOWN, reason="it is down")], Match.SINGLE)


@pytest.mark.parametrize("spelling", [PASSWORDS[0], PASSWORDS[0].replace("-", ""), f"host:{PASSWORDS[0]}", f"pc01 {PASSWORDS[0]}"])
def test_a_password_in_the_place_of_a_term_is_not_repeated(spelling: str) -> None:
    with pytest.raises(OptionError, match="it holds a recovery password") as raised:
        parse_term(spelling)
    assert "111111" not in str(raised.value) + repr(raised.value)


@pytest.mark.parametrize(
    ("source", "owner", "way"), [("ad", "evil", "ask by the name of the computer"), ("entra", "evil", "name the source to trust")]
)
def test_a_planted_entry_of_the_same_id_has_a_way_out(source: str, owner: str, way: str) -> None:
    (record,) = chosen(Match.ALL, candidate(0), candidate(0, source, owner_id=owner, location="elsewhere"), term=parse_term(KEYS[0]))
    values = [CandidateValue(candidate=one, value=Secret(PASSWORDS[number])) for number, one in enumerate(record.candidates)]
    with pytest.raises(DisagreementError, match=way):
        agree(record, values)
