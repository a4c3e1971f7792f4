# SPDX-License-Identifier: GPL-3.0-or-later
"""One run of vault_copy with sources, gate and copy of its own: what is read, disclosed and sealed, what is not, and what is said of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import pytest
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._ansible.copy_offers import CopySources, Offers, Shortcoming, grouped
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._ansible.vault_copy_run import (
    CopyRun,
    Outcome,
    by_computer,
    diffs,
    standing,
)
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.key_search import Candidate, CandidateValue
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.redaction import Secret
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._errors import AuthorizationError, OptionError
from ansible_collections.keyward.bitlocker.tests.unit.plugins.plugin_utils._stores.vault import copies
from ansible_collections.keyward.bitlocker.tests.unit.plugins.plugin_utils._stores.vault.copies import T0, guid, pairs, password, vault

SEALER = vault("new")


def candidate(number: int, owner: int = 1, source: str = "ad", **more: Any) -> Candidate:
    names = {
        "ad": (f"pc{owner:02}", f"pc{owner:02}.lab.example"),
        "entra": (f"pc{owner:02}",),
        "host": (f"pc{owner:02}.lab.example",),
        "file": (),
    }
    fields: dict[str, Any] = {
        "key_id": guid(number),
        "source": source,
        "owner": f"PC{owner:02}",
        "owner_id": guid(0xAD0000 + owner) if source in ("ad", "entra") else f"pc{owner:02}",
        "location": f"{source} {owner} {number}",
        "computers": names[source],
        "created": T0,
        "handle": number,
    }
    return Candidate(**(fields | more))


class Sources:
    """Values by the candidate's handle; a problem where there is one."""

    def __init__(self, problems: Sequence[int] = ()) -> None:
        self.asked: list[str] = []
        self.problems = problems

    def values(self, wanted: Sequence[Candidate]) -> Iterator[CandidateValue]:
        for item in wanted:
            self.asked.append(item.location)
            number = cast(int, item.handle)
            if number in self.problems:
                yield CandidateValue(candidate=item, problem=AuthorizationError("read a value", target=item.location))
            else:
                yield CandidateValue(candidate=item, value=Secret(password(number) if number else "no password"))


class Gate:
    """Notes what it is asked for, and refuses after so many."""

    def __init__(self, most: int = 1000, *, foresees: bool = True) -> None:
        self.given: list[tuple[str, str, str]] = []
        self.most, self.foresees = most, foresees

    def prepare(self, number: int) -> None:
        if self.foresees and len(self.given) + number > self.most:
            raise OptionError("disclose recovery keys", meaning=f"they are {number}")

    def disclose(self, secret: Secret[str], *, key_id: str, owner: str, source: str, action: str = "reveal") -> str:
        if len(self.given) == self.most:
            raise OptionError("disclose a recovery key", meaning="max_reveals is spent")
        self.given.append((key_id, source, action))
        return secret.reveal()


class Ground:
    """One folder, and runs over it."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.runs = folder, 0

    def copy(self, *found: Candidate, sources: Sources | None = None, gate: Gate | None = None, check_mode: bool = False) -> Outcome:
        self.runs += 1
        writer = copies.writer(self.folder, SEALER, run=f"run {self.runs}")
        run = CopyRun(writer=writer, gate=gate or Gate(), now=T0 + timedelta(days=self.runs), check_mode=check_mode)
        outcome = Outcome()
        run.copy(cast(CopySources, sources or Sources()), Offers(machines=grouped(found, {})), outcome)
        run.verify(outcome, again=False)
        self.writer = writer
        return outcome

    def holds(self, *numbers: int) -> set[tuple[str, str]]:
        return copies.everything(self.folder, [SEALER], numbers)


@pytest.fixture
def ground(tmp_path: Path) -> Ground:
    return Ground(tmp_path / "copy")


@pytest.mark.parametrize("odd", ["schl\udcfcssel", "\ud800", "x" * 5000])
def test_no_name_makes_a_copy_that_cannot_be_read_again(ground: Ground, odd: str) -> None:
    """A file's name need not be UTF-8, and a device may be called anything: the keys that were there must not be lost by it."""
    ground.copy(candidate(1))
    names = {"owner": odd, "owner_id": odd, "location": odd, "serial": odd, "volume": odd, "computers": ("pc01.lab.example", odd)}
    strange = [candidate(1), candidate(2, source="file", **names), candidate(3, owner=2, computers=(odd,), serial=odd)]
    outcome = ground.copy(*strange)
    assert (outcome.missing, len(outcome.copied)) == ([], 2)
    assert ground.holds(1, 2, 3) == pairs(1, 2, 3)
    sources = Sources()
    assert not ground.copy(*strange, sources=sources).changed
    assert sources.asked == []


def test_a_second_run_reads_no_value_and_changes_nothing(ground: Ground) -> None:
    sources, gate = Sources(), Gate()
    first = ground.copy(candidate(1), candidate(2), candidate(3, 2), sources=sources, gate=gate)
    assert (len(first.copied), first.changed, len(gate.given), len(sources.asked)) == (3, True, 3, 3)
    again = ground.copy(candidate(1), candidate(2), candidate(3, 2), sources=sources, gate=gate)
    assert (again.copied, again.changed, len(gate.given), len(sources.asked)) == ([], False, 3, 3)
    assert again.verified == 3
    assert ground.holds(1, 2, 3) == pairs(1, 2, 3)


def test_each_password_passes_the_gate_once_with_its_sources(ground: Ground) -> None:
    gate = Gate()
    outcome = ground.copy(candidate(1), candidate(1, source="entra"), gate=gate)
    assert gate.given == [(guid(1), "ad+entra", "copy")]
    assert outcome.copied == [{"computer": "pc01.lab.example", "key_id": guid(1), "sources": ["ad", "entra"]}]
    # a source that comes later is read, and what it has is no news
    later = ground.copy(candidate(1), candidate(1, source="host"), gate=gate)
    assert (len(gate.given), later.copied, later.changed) == (1, [], True)


def test_sources_that_disagree_are_both_kept(ground: Ground) -> None:
    outcome = ground.copy(candidate(1), candidate(1, source="entra", handle=7))
    assert outcome.conflicting == [{"computer": "pc01.lab.example", "key_id": guid(1)}]
    assert ground.holds(1) == {(guid(1), password(1)), (guid(1), password(7))}


def test_what_cannot_be_read_leaves_the_rest(ground: Ground) -> None:
    outcome = ground.copy(
        candidate(1),
        candidate(2, handle=0),
        candidate(3, readable=False),
        candidate(4, defects=("its CN is another",)),
        candidate(5, key_id="deadbeef"),
        candidate(6, type="external_key"),
        candidate(8, 2),
        sources=Sources(problems=[8]),
    )
    assert [row["key_id"] for row in outcome.copied] == [guid(1)]
    assert ground.holds(1, 2, 3, 4, 5, 6, 8) == pairs(1)
    assert {row["key_id"] for row in by_computer(outcome.missing)} == {guid(2), guid(3), guid(4), "deadbeef", guid(8)}


def test_when_the_gate_closes_what_was_copied_stays_and_the_rest_is_left(ground: Ground) -> None:
    outcome = ground.copy(*(candidate(number, number) for number in range(1, 6)), gate=Gate(most=2, foresees=False))
    assert "max_reveals is spent" in str(outcome.stopped)
    assert len(outcome.copied) == 2
    assert ground.holds(1, 2, 3, 4, 5) == pairs(1, 2)


def test_what_the_gate_will_not_let_pass_is_not_read(ground: Ground) -> None:
    sources = Sources()
    with pytest.raises(OptionError, match="they are 3"):
        ground.copy(candidate(1), candidate(2), candidate(3), candidate(3, source="entra"), sources=sources, gate=Gate(most=2))
    assert sources.asked == []
    ground.copy(candidate(1))
    # another source for a key that is there needs no disclosure
    ground.copy(candidate(1, source="entra"), gate=Gate(most=0))


def test_one_machine_whose_file_cannot_be_opened_leaves_the_others(ground: Ground) -> None:
    ground.copy(candidate(1), candidate(2, 2))
    (broken,) = ground.folder.glob("pc01*.vault.yml")
    broken.write_bytes(vault("other", vault_id="other").seal(Secret("x")))
    outcome = ground.copy(candidate(3), candidate(4, 2))
    assert [row["key_id"] for row in outcome.copied] == [guid(4)]
    assert any("none of the vault passwords" in item.text for item in outcome.missing)
    assert broken.read_bytes().startswith(b"$ANSIBLE_VAULT;1.2;AES256;other")


def test_check_mode_asks_for_nothing(ground: Ground) -> None:
    ground.copy(candidate(1))
    sources, gate = Sources(), Gate()
    before = {path.name: path.read_bytes() for path in ground.folder.iterdir() if path.name != ".lock"}
    outcome = ground.copy(candidate(1), candidate(2), sources=sources, gate=gate, check_mode=True)
    assert ([row["key_id"] for row in outcome.copied], outcome.changed, sources.asked, gate.given) == ([guid(2)], True, [], [])
    assert {path.name: path.read_bytes() for path in ground.folder.iterdir() if path.name != ".lock"} == before
    assert not ground.copy(candidate(1), check_mode=True).changed


def test_the_diff_shows_key_ids_and_sources_alone(ground: Ground) -> None:
    ground.copy(candidate(1))
    (shown,) = diffs(ground.copy(candidate(1), candidate(2, source="entra")))
    assert shown["before"] == f"{guid(1)} from ad\n"
    assert set(shown["after"].splitlines()) == {f"{guid(1)} from ad", f"{guid(2)} from entra"}


def test_only_what_is_persistent_and_verified_counts(ground: Ground) -> None:
    ground.copy(candidate(1))
    assert standing(ground.writer.catalogue.states, persistent=True)["counted"] == 0
    ground.copy(candidate(1))
    assert standing(ground.writer.catalogue.states, persistent=True)["counted"] == 1
    assert standing(ground.writer.catalogue.states, persistent=False)["counted"] == 0


def test_what_one_directory_lost_stays(ground: Ground) -> None:
    ground.copy(candidate(1), candidate(2))
    assert not ground.copy(candidate(2)).changed
    assert ground.holds(1, 2) == pairs(1, 2)


class TestGrouping:
    def test_sources_meet_by_id_and_by_full_name(self) -> None:
        ((machine, found),) = grouped([candidate(1, source="host", serial="5CD1"), candidate(1, source="entra"), candidate(2)], {})
        assert (machine.ad_guid, machine.entra_device_id, machine.serial) == (guid(0xAD0001), guid(0xAD0001), "5CD1")
        assert machine.label == "pc01.lab.example"
        assert len(found) == 3

    def test_a_bare_name_brings_nobody_together(self) -> None:
        stranger = candidate(2, source="entra", owner_id=guid(99))
        assert len(grouped([candidate(1), stranger], {})) == 2

    def test_a_file_without_a_name_goes_to_the_one_machine_with_its_key_id(self) -> None:
        nameless = candidate(1, source="file", owner_id="/saved.txt")
        assert len(grouped([candidate(1), nameless], {})) == 1
        assert len(grouped([candidate(1), candidate(1, 2), nameless], {})) == 3

    def test_a_computer_that_was_installed_anew_has_a_file_of_its_own(self) -> None:
        anew = replace(candidate(2), owner_id=guid(0xAD0099))
        assert len(grouped([candidate(1), anew], {})) == 2

    def test_what_a_host_said_of_its_device_brings_its_keys_together(self) -> None:
        cloud = candidate(1, source="entra", computers=("pc01",))
        live = candidate(1, source="host", computers=("pc01",))
        assert len(grouped([cloud, live], {})) == 2
        assert len(grouped([cloud, live], {"pc01": guid(0xAD0001)})) == 1


def test_each_shortcoming_is_told_once() -> None:
    same = Shortcoming(text="x", source="ad")
    assert len(by_computer([same, replace(same)])) == 1


def test_what_is_sealed_for_others_passes_the_gate_once_more(ground: Ground) -> None:
    """Otherwise whoever may run the module would have every key sealed to a key of his own, without a reason and without a record."""
    ground.copy(candidate(1), candidate(2), candidate(3, owner=2))

    def rekeyed(gate: Gate) -> Outcome:
        other = vault("newer", "new", vault_id="newer")
        writer = copies.writer(ground.folder, other, run="run 9")
        outcome = Outcome()
        CopyRun(writer=writer, gate=gate, now=T0 + timedelta(days=9), check_mode=False).rekey(outcome)
        return outcome

    before = {path.name: path.read_bytes() for path in ground.folder.iterdir()}
    refused = rekeyed(Gate(0))
    assert refused.rekeyed == []
    assert "max_reveals is spent" in str(refused.stopped)
    assert {path.name: path.read_bytes() for path in ground.folder.glob("*.yml")} == {n: d for n, d in before.items() if n.endswith(".yml")}
    gate = Gate()
    assert len(rekeyed(gate).rekeyed) == 2
    assert sorted(gate.given) == [(guid(number), "vault", "copy") for number in (1, 2, 3)]
    again = Gate()
    assert (rekeyed(again).rekeyed, again.given) == ([], [])
