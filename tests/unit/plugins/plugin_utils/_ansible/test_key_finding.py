# SPDX-License-Identifier: GPL-3.0-or-later
"""The search over sources: who is asked for what, by which names, and what is read of what was chosen; the lookup around it."""

from __future__ import annotations

import json
import multiprocessing
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible.errors import AnsibleError
from ansible_collections.keyward.bitlocker.plugins.action import recovery_key_info
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._ansible import lookups
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._ansible.inventory import Inventory
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._ansible.key_finding import KeyFinder, ReadKey
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._ansible.key_sources import KeyOptions, Surroundings
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._ansible.options import OptionSpec
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.key_lookup import (
    AmbiguousKeyError,
    CouldNotLookError,
    Match,
    NoSuchKeyError,
    ProtectorList,
    Search,
)
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.key_search import (
    Candidate,
    CandidateValue,
    SourceAnswer,
    Term,
    parse_term,
)
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.model import StoreState
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.redaction import Secret
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._errors import BadDataError, KeywardError, OptionError
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._stores.active_directory import source as active_directory

KEY = "1a2b3c4d-0102-4304-8506-0708090a0b0c"
OTHER = "2a2b3c4d-0102-4304-8506-0708090a0b0c"
PASSWORD = "-".join(["111111"] * 8)
SECOND = "-".join(["222222"] * 8)
NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


class FakeSource:
    """Keys by the name of their computer; writes down what it is asked."""

    def __init__(self, name: str, keys: Mapping[str, str], *, state: StoreState = StoreState.SEARCHED, value: str = PASSWORD) -> None:
        self.name, self._keys, self._state, self._value = name, dict(keys), state, value
        self.asked: list[list[str]] = []
        self.read: list[list[str]] = []
        self.closed = 0

    def find(self, terms: Sequence[Term]) -> SourceAnswer:
        self.asked.append([term.text for term in terms])
        found = {
            term.text: tuple(
                Candidate(key_id=key, source=self.name, owner=name, owner_id=name, location=f"{self.name} {key}", computers=(name,))
                for name, key in self._keys.items()
                if (term.means("host") and term.word.lower() == name) or term.has_key_id(key)
            )
            for term in terms
        }
        reason = "" if self._state is StoreState.SEARCHED else "it does not answer"
        return SourceAnswer(source=self.name, found=found, state=self._state, reason=reason)

    def values(self, candidates: Sequence[Candidate]) -> Iterator[CandidateValue]:
        self.read.append([candidate.key_id for candidate in candidates])
        for candidate in candidates:
            yield CandidateValue(candidate=candidate, value=Secret(self._value))

    def close(self) -> None:
        self.closed += 1


class Gate:
    def __init__(self) -> None:
        self.records: list[dict[str, str]] = []

    def disclose(self, secret: Secret[str], **about: str) -> str:
        self.records.append(about)
        return secret.reveal()


def finder(*sources: FakeSource, search: Search = Search.ALL, match: Match = Match.SINGLE, **variables: Any) -> KeyFinder:
    """A finder over these sources; what it warns of is in ``finder.warned``."""
    warned: list[str] = []
    options = SimpleNamespace(search=search, match=match, open=lambda _around: {source.name: source for source in sources})
    around = Surroundings(inventory=Inventory(variables), loader=None, warn=warned.append)  # type: ignore[arg-type]  # no vault here
    made = KeyFinder(options, around)  # type: ignore[arg-type]  # as much of the options as it needs
    made.warned = warned  # type: ignore[attr-defined]  # for the test
    return made


def hostvars(**hosts: dict[str, Any]) -> dict[str, Any]:
    return {"groups": {"all": list(hosts)}, "hostvars": hosts}


def observation(host: str, key_ids: Sequence[str], **computer: Any) -> dict[str, Any]:
    protectors = [{"key_id": key_id, "type": "recovery_password"} for key_id in key_ids]
    volume = {"device_id": "v", "letter": "C:", "protectors": protectors, "errors": []}
    return {
        "observation": {
            "schema_version": 1,
            "host": host,
            "observed_at": "2026-11-22T10:00:00Z",
            "state": "observed",
            "gathered": ["escrow"],
            "computer": {"name": host.upper(), "dns_name": f"{host}.corp.example"} | computer,
            "volumes": [volume],
        }
    }


def test_every_source_is_asked_once_for_all_terms() -> None:
    ad, entra = FakeSource("ad", {"pc01": KEY}), FakeSource("entra", {"pc01": KEY, "pc02": OTHER})
    found = finder(ad, entra).find(["pc01", "pc02"])
    assert [(key.term.text, key.record.key_id, key.record.sources) for key in found] == [
        ("pc01", KEY, ("ad", "entra")),
        ("pc02", OTHER, ("entra",)),
    ]
    assert (ad.asked, entra.asked) == ([["pc01", "pc02"]], [["pc01", "pc02"]])


def test_with_search_first_later_sources_are_asked_for_the_rest_alone() -> None:
    ad, entra = FakeSource("ad", {"pc01": KEY}), FakeSource("entra", {"pc01": KEY, "pc02": OTHER})
    found = finder(ad, entra, search=Search.FIRST).find(["pc01", "pc02"])
    assert [key.record.sources for key in found] == [("ad",), ("entra",)]
    assert entra.asked == [["pc02"]]


def test_a_term_that_is_given_twice_stands_for_its_keys_twice_and_is_asked_for_once() -> None:
    ad = FakeSource("ad", {"pc01": KEY})
    searching = finder(ad)
    found = searching.find(["pc01", KEY[:8], "pc01"])
    assert [key.record.key_id for key in found] == [KEY] * 3
    assert ad.asked == [["pc01", KEY[:8]]]
    assert len(list(searching.read(found))) == 3
    assert ad.read == [[KEY]]


def test_a_thousand_terms_are_one_question() -> None:
    names = {f"pc{number}": f"{number:08x}-0102-4304-8506-0708090a0b0c" for number in range(1000)}
    ad = FakeSource("ad", names)
    assert len(finder(ad).find(list(names))) == 1000
    assert len(ad.asked) == 1


def test_what_one_source_has_while_another_is_down_is_found_with_a_warning() -> None:
    searching = finder(FakeSource("ad", {"pc01": KEY}), FakeSource("entra", {}, state=StoreState.DOWN))
    (key,) = searching.find(["pc01"])
    assert key.unsearched == {"entra": "it does not answer"}
    searching.find([KEY])
    (warning,) = searching.warned  # type: ignore[attr-defined]
    assert "The source entra could not be searched to its end" in warning


def test_each_term_without_a_key_is_told() -> None:
    searching = finder(FakeSource("ad", {"pc01": KEY}))
    with pytest.raises(KeywardError, match=r"2 terms have no single key.*\(nobody\).*\(noone\)"):
        searching.find(["pc01", "nobody", "noone"])
    found, problems = searching.find_each(["pc01", "nobody"])
    assert [key.record.key_id for key in found] == [KEY]
    assert isinstance(problems["nobody"], NoSuchKeyError)


def test_other_names_of_a_host_are_tried_where_its_own_finds_nothing() -> None:
    variables = hostvars(
        web1={"ansible_host": "pc01.corp.example"}, web2={"ansible_host": "10.0.0.1"}, pc02={"ansible_host": "pc01.corp.example"}
    )
    ad = FakeSource("ad", {"pc01.corp.example": KEY, "pc02": OTHER})
    searching = finder(ad, **variables)
    assert searching.find(["web1"])[0].record.key_id == KEY
    # a host that is found by its name is not looked for under others
    assert searching.find(["PC02"])[0].record.key_id == OTHER
    with pytest.raises(NoSuchKeyError):
        searching.find(["web2"])
    assert ad.asked == [["web1"], ["host:pc01.corp.example"], ["PC02"], ["web2"]]


@pytest.mark.parametrize("claimed", ["x" * 600, PASSWORD, "a\0b"])
def test_what_a_host_claims_to_be_called_ends_no_search(claimed: str) -> None:
    variables = hostvars(pc01={"keyward_observation": observation("pc01", [], dns_name=claimed)}, pc02={})
    found, problems = finder(FakeSource("ad", {"pc02": KEY}), **variables).find_each(["pc01", "pc02"])
    assert [key.record.key_id for key in found] == [KEY]
    assert isinstance(problems["pc01"], NoSuchKeyError)


def test_a_serial_number_is_known_from_observations_of_the_play() -> None:
    variables = hostvars(pc01={"keyward_observation": observation("pc01", [], serial="5CD1234")}, pc02={})
    searching = finder(FakeSource("ad", {"pc01": KEY}), **variables)
    assert [key.record.key_id for key in searching.find(["serial:5cd1234", "5CD1234"])] == [KEY, KEY]


def test_an_observation_marks_and_prefers_what_the_host_listed() -> None:
    class Both(FakeSource):
        def find(self, terms: Sequence[Term]) -> SourceAnswer:
            found = tuple(
                Candidate(key_id=key, source="ad", owner="PC01", location=key, computers=("pc01", "pc01.corp.example"))
                for key in (KEY, OTHER)
            )
            return SourceAnswer(source="ad", found={term.text: found for term in terms})

    variables = hostvars(pc01={"keyward_observation": observation("pc01", [OTHER])})
    (key,) = finder(Both("ad", {}), **variables).find(["pc01"])
    assert (key.record.key_id, key.record.live, key.record.live_as_of) == (OTHER, True, datetime(2026, 11, 22, 10, tzinfo=UTC))
    with pytest.raises(AmbiguousKeyError):
        finder(Both("ad", {}), **hostvars(pc01={})).find(["pc01"])


@pytest.mark.parametrize("broken", [{"observation": {"schema_version": 99}}, {"failed": True, "msg": "x"}, "text", {"skipped": True}, [1]])
def test_an_observation_that_cannot_be_used_is_none(broken: Any) -> None:
    searching = finder(FakeSource("ad", {"pc01": KEY}), **hostvars(pc01={"keyward_observation": broken}))
    (key,) = searching.find(["pc01"])
    assert (key.record.live, key.record.live_as_of) == (False, None)


def test_only_what_is_chosen_is_read_and_each_value_is_recorded() -> None:
    ad, entra = FakeSource("ad", {"pc01": KEY, "pc02": OTHER}), FakeSource("entra", {"pc01": KEY})
    searching, gate = finder(ad, entra), Gate()
    (read,) = searching.read(searching.find(["pc01"]))
    assert isinstance(read, ReadKey)
    assert gate.records == []
    assert read.disclose(gate, "lookup") == PASSWORD
    assert gate.records == [{"key_id": KEY, "owner": f"ad {KEY}", "source": "ad+entra", "action": "lookup"}]
    assert (ad.read, entra.read) == ([[KEY]], [[KEY]])


def test_sources_that_disagree_give_an_error_for_that_key_alone() -> None:
    searching = finder(FakeSource("ad", {"pc01": KEY, "pc02": OTHER}), FakeSource("entra", {"pc01": KEY}, value=SECOND))
    wrong, right = searching.read(searching.find(["pc01", "pc02"]))
    assert isinstance(wrong, BadDataError)
    assert "ad" in str(wrong)
    assert "entra" in str(wrong)
    assert isinstance(right, ReadKey)


class Marked(FakeSource):
    """Candidates as they are given, for every term."""

    def __init__(self, name: str, *candidates: Candidate, problem: KeywardError | None = None) -> None:
        super().__init__(name, {})
        self._candidates, self._problem = candidates, problem

    def find(self, terms: Sequence[Term]) -> SourceAnswer:
        self.asked.append([term.text for term in terms])
        return SourceAnswer(source=self.name, found={term.text: self._candidates for term in terms})

    def values(self, candidates: Sequence[Candidate]) -> Iterator[CandidateValue]:
        for candidate in candidates:
            yield CandidateValue(candidate=candidate, value=None if self._problem else Secret(PASSWORD), problem=self._problem)


@pytest.mark.parametrize("useless", [{"type": "external_key"}, {"readable": False}])
def test_what_has_no_password_to_give_ends_no_search(useless: dict[str, Any]) -> None:
    file = Marked("file", Candidate(key_id=OTHER, source="file", owner="x.BEK", location="x.BEK", **useless))
    found = finder(file, FakeSource("ad", {"pc01": KEY}), search=Search.FIRST, match=Match.ALL).find(["pc01"])
    assert KEY in {key.record.key_id for key in found}


def test_a_source_that_came_back_between_two_questions_was_not_searched() -> None:
    class Flapping(FakeSource):
        def find(self, terms: Sequence[Term]) -> SourceAnswer:
            self._state = StoreState.SEARCHED if self.asked else StoreState.DOWN
            return super().find(terms)

    variables = hostvars(web1={"ansible_host": "pc01.corp.example"})
    with pytest.raises(CouldNotLookError, match="it does not answer"):
        finder(Flapping("ad", {}), **variables).find(["web1"])


def test_what_another_host_lists_marks_no_key_of_this_computer() -> None:
    """Each host may claim any key ID, and the names of any computer: only who was asked for is believed, and only about itself."""

    class Hosts(FakeSource):
        lists: Mapping[str, ProtectorList] = {
            "evil": ProtectorList(computers=frozenset({"evil", "pc01", "pc01.corp.example"}), key_ids=frozenset({OTHER}), as_of=NOW)
        }

    ad = Marked("ad", *(Candidate(key_id=key, source="ad", owner="PC01", location=key, computers=("pc01",)) for key in (KEY, OTHER)))
    with pytest.raises(AmbiguousKeyError):
        finder(Hosts("host", {}), ad, **hostvars(pc01={}, evil={})).find(["pc01"])


def test_a_place_that_was_not_read_and_a_defect_are_warned_of() -> None:
    held = {"key_id": KEY, "owner": "PC01", "computers": ("pc01",)}
    entra = Marked("entra", Candidate(source="entra", location="device", **held), problem=BadDataError("read a recovery key"))
    ad = Marked("ad", Candidate(source="ad", location="dn", defects=("its name holds another key ID",), **held))
    searching = finder(ad, entra)
    (read,) = searching.read(searching.find(["pc01"]))
    assert isinstance(read, ReadKey)
    unread, marked = searching.warned  # type: ignore[attr-defined]
    assert f"The key {KEY} could not be read from entra" in unread
    assert "its name holds another key ID" in marked


def test_sources_are_closed_at_the_end() -> None:
    ad = FakeSource("ad", {})
    with finder(ad):
        assert ad.closed == 0
    assert ad.closed == 1


# --- options -----------------------------------------------------------------------------------------------------------------------


def test_sources_default_to_what_is_configured() -> None:
    assert KeyOptions.from_params({"entra": {"x": 1}, "ad": {"x": 1}}).sources == ("ad", "entra")
    assert KeyOptions.from_params({"sources": ["host", "ad", "host"], "ad": {"x": 1}}).sources == ("host", "ad")


@pytest.mark.parametrize("params", [{}, {"sources": ["ad"]}, {"sources": ["nowhere"]}, {"ad": None, "sources": None}])
def test_a_source_that_cannot_be_opened_is_refused(params: dict[str, Any]) -> None:
    with pytest.raises(OptionError):
        KeyOptions.from_params(params)


@pytest.mark.parametrize("spec", [lookups.spec_of("recovery_key"), recovery_key_info.ActionModule.option_spec()], ids=["lookup", "module"])
@pytest.mark.parametrize("sources", ["ad,file", ["ad", "vault"]])
def test_a_directory_that_is_named_may_be_configured_by_the_environment_alone(
    spec: OptionSpec, sources: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MICROSOFT_AD_LDAP_SERVER", "dc1.corp.example")
    given = {"sources": sources, "reason": "INC-1"} | ({"terms": "pc01"} if "terms" in spec.argument_spec else {})
    params = spec.validate(given).values
    assert params["ad"]["server"] == ["dc1.corp.example"]
    assert (params["entra"], params["file"], params["vault"]) == (None, None, None)
    assert spec.validate(given | {"ad": {"server": "dc2"}}).values["ad"]["server"] == ["dc2"]
    assert spec.validate({name: value for name, value in given.items() if name != "sources"}).values["ad"] is None


def test_a_source_that_cannot_be_opened_closes_those_before_it(monkeypatch: pytest.MonkeyPatch) -> None:
    opened = FakeSource("ad", {})
    monkeypatch.setattr(active_directory, "DirectorySource", lambda *_args, **_more: opened)
    options = KeyOptions.from_params({"ad": {"server": "dc1", "username": "a", "password": "b"}, "entra": {"auth_method": "client_secret"}})
    with pytest.raises(OptionError):
        options.open(Surroundings(inventory=Inventory({}), loader=None))  # type: ignore[arg-type]  # no vault here
    assert opened.closed == 1


# --- the lookup around it ----------------------------------------------------------------------------------------------------------


class Display:
    def __init__(self) -> None:
        self.warnings: list[str] = []

    def display(self, text: str) -> None:
        """Progress."""

    def warning(self, text: str) -> None:
        self.warnings.append(text)


@pytest.fixture
def directory(monkeypatch: pytest.MonkeyPatch) -> FakeSource:
    """A source in the place of a directory, however often it is opened."""
    source = FakeSource("ad", {"pc01": KEY, "pc02": OTHER})
    monkeypatch.setattr(active_directory, "DirectorySource", lambda *_args, **_more: source)
    monkeypatch.setattr(lookups, "_kept", [])
    monkeypatch.delenv("KEYWARD_AUDIT_FILE", raising=False)
    monkeypatch.delenv("KEYWARD_AUDIT_SYSLOG", raising=False)
    return source


def look_up(tmp_path: Path, *terms: Any, **options: Any) -> list[Any]:
    given = {
        "ad": {"server": "dc1", "username": "svc@corp.example", "password": "Canary-Bind-1"},
        "reason": "INC-1",
        "audit_file": str(tmp_path / "audit.jsonl"),
    }
    made = given | options
    return lookups.KeyLookup("recovery_key", loader=None, display=Display()).run(
        list(terms), {}, {name: value for name, value in made.items() if value is not None}
    )


def test_a_lookup_gives_passwords_or_records(directory: FakeSource, tmp_path: Path) -> None:
    assert look_up(tmp_path, "pc01") == [PASSWORD]
    (record,) = look_up(tmp_path, "pc01", record=True)
    assert (record["key_id"], record["recovery_password"], record["sources"][0]["source"]) == (KEY, PASSWORD, "ad")
    assert look_up(tmp_path, ["pc01", "pc02"], KEY[:8]) == [PASSWORD] * 3
    assert directory.closed == 3


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"reason": None}, "reason"),
        ({"reason": "  "}, "no reason is given"),
        ({"audit_file": None}, "no key was handed out"),
        ({"max_reveals": 0}, "max_reveals"),
        ({"match": "most"}, "match"),
        ({"nonsense": 1}, "nonsense"),
        ({"ad": {"server": "dc1", "password": "Canary-Bind-1"}}, "username"),
        ({"sources": ["host", "vault"]}, "no option vault"),
    ],
)
def test_what_cannot_be_handed_out_is_refused_before_anything_is_read(
    directory: FakeSource, tmp_path: Path, options: dict[str, Any], words: str
) -> None:
    with pytest.raises(AnsibleError) as raised:
        look_up(tmp_path, "pc01", **options)
    assert words in str(raised.value)
    assert "Canary" not in str(raised.value)
    assert raised.value.__cause__ is None
    assert raised.value.__context__ is None
    assert directory.read == []


def test_more_keys_than_may_be_handed_out_are_none(directory: FakeSource, tmp_path: Path) -> None:
    with pytest.raises(AnsibleError, match="they are 2, and 1 may be handed out"):
        look_up(tmp_path, "pc01", "pc02", max_reveals=1)
    assert directory.read == []


def test_an_unexpected_failure_shows_its_place_and_not_its_text(
    directory: FakeSource, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_terms: Sequence[Term]) -> SourceAnswer:
        raise RuntimeError(f"Canary-Bind-1 {PASSWORD}")

    monkeypatch.setattr(directory, "find", broken)
    with pytest.raises(AnsibleError) as raised:
        look_up(tmp_path, "pc01")
    assert "RuntimeError" in str(raised.value)
    assert "Canary" not in str(raised.value)
    assert PASSWORD[:6] not in str(raised.value)


def test_a_peer_that_repeats_the_bind_password_is_masked(directory: FakeSource, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answer = SourceAnswer(source="ad", state=StoreState.DOWN, reason="the server says: Canary-Bind-1 is wrong \x1b[2J")
    monkeypatch.setattr(directory, "find", lambda _terms: answer)
    with pytest.raises(AnsibleError) as raised:
        look_up(tmp_path, "pc01")
    assert "Canary" not in str(raised.value)
    assert "\x1b" not in str(raised.value)


def _items_of_a_loop(tmp_path: Path, source: FakeSource, answer: Any) -> None:
    # the process of a worker: everything that it keeps ends with it
    passwords = [look_up(tmp_path, name, reason=f"INC-{number}") for number, name in enumerate(("pc01", "pc02", "pc01"))]
    other = look_up(tmp_path, "pc01", ad={"server": "dc2", "username": "svc@corp.example", "password": "Canary-Bind-2"})
    answer.send_bytes(json.dumps([passwords, other, len(lookups._kept), source.closed]).encode())


def test_items_of_a_loop_share_what_was_opened(directory: FakeSource, tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    here, there = context.Pipe(duplex=False)
    worker = context.Process(target=_items_of_a_loop, args=(tmp_path, directory, there))
    worker.start()
    there.close()
    said = json.loads(here.recv_bytes())
    worker.join()
    # one finder for the loop, another one for what is reached in another way, and none is closed between items
    assert said == [[[PASSWORD]] * 3, [PASSWORD], 2, 0]
    records = [json.loads(line) for line in (tmp_path / "audit.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [record["reason"] for record in records if "reason" in record] == ["INC-0", "INC-1", "INC-2", "INC-1"]


def test_nothing_is_kept_in_the_main_process(directory: FakeSource, tmp_path: Path) -> None:
    look_up(tmp_path, "pc01")
    look_up(tmp_path, "pc01")
    assert lookups._kept == []
    assert directory.closed == 2


def test_a_term_may_be_a_number(directory: FakeSource, tmp_path: Path) -> None:
    with pytest.raises(AnsibleError, match=r"\(12345678\)"):
        look_up(tmp_path, 12345678)
    assert directory.asked == [["12345678"]]
    assert parse_term("12345678").digits == "12345678"
