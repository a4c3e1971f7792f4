# SPDX-License-Identifier: GPL-3.0-or-later
"""Adding to a second copy, opening it later, sealing it anew; and being killed at every step of each."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.key_search import parse_term
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.model import StoreState
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.redaction import Secret
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._errors import KeywardError, OptionError
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._stores.vault.folder import list_machines
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._stores.vault.sealing import Sealer, SealError
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._stores.vault.upkeep import rekey, verify
from ansible_collections.keyward.bitlocker.tests.unit.plugins.plugin_utils._stores.vault import copies
from ansible_collections.keyward.bitlocker.tests.unit.plugins.plugin_utils._stores.vault.copies import (
    T0,
    Keys,
    key,
    machine,
    pairs,
    vault,
)

LATER = T0 + timedelta(days=1)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "copy"


@pytest.fixture
def people(tmp_path: Path) -> Keys:
    (tmp_path / "keys").mkdir()
    return Keys(tmp_path / "keys")


@pytest.fixture(params=["ansible_vault", "age", "age, write only"])
def sealer(request: pytest.FixtureRequest, people: Keys) -> Sealer:
    if request.param == "ansible_vault":
        return vault("new")
    return people.sealer("one", "two", opens="one" if request.param == "age" else "")


def opener(sealer: Sealer, people: Keys) -> Sealer:
    """What opens what this one seals."""
    return sealer if sealer.opens else people.sealer("one", "two", opens="two")


def snapshot(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


class TestAdding:
    def test_twice_is_once(self, folder: Path, sealer: Sealer) -> None:
        assert copies.writer(folder, sealer).add(machine(1), [key(1), key(2)]).changed
        before = snapshot(folder)
        again = copies.writer(folder, sealer, run="run 2").add(machine(1), [key(1), key(2)])
        assert not again.changed
        assert snapshot(folder).items() >= {name: data for name, data in before.items() if name != ".lock"}.items()

    def test_what_is_added_is_added_and_said_exactly(self, folder: Path, sealer: Sealer, people: Keys) -> None:
        copies.writer(folder, sealer).add(machine(1), [key(1)])
        added = copies.writer(folder, sealer, run="run 2").add(machine(1), [key(1), key(2)])
        assert (added.sealed, added.conflicting, len(added.files)) == ((copies.guid(2),), (), 1)
        assert copies.everything(folder, [opener(sealer, people)], [1, 2]) == pairs(1, 2)

    def test_the_same_value_from_another_source_is_noted_and_not_sealed_again(self, folder: Path, sealer: Sealer) -> None:
        made = copies.writer(folder, sealer)
        made.add(machine(1), [key(1)])
        added = made.add(machine(1), [key(1, source="entra")])
        assert (added.changed, added.sealed) == (True, ())
        (item,) = made.catalogue.states[added.stem].keys
        assert [origin.source for origin in item.key.origins] == ["ad", "entra"]
        assert not made.add(machine(1), [key(1, source="entra")]).changed

    def test_another_value_for_a_key_id_is_kept_too(self, folder: Path, sealer: Sealer, people: Keys) -> None:
        made = copies.writer(folder, sealer)
        made.add(machine(1), [key(1), key(2)])
        added = made.add(machine(1), [key(1, value=77, source="entra")])
        assert (added.sealed, added.conflicting) == ((copies.guid(1),), (copies.guid(1),))
        reader = opener(sealer, people)
        assert copies.everything(folder, [reader], [1, 2]) == pairs(1, 2) | {(copies.guid(1), copies.password(77))}
        found = copies.source(folder, reader).find([parse_term(copies.guid(1))]).found[copies.guid(1)]
        assert len({candidate.location for candidate in found}) == 2
        assert all("another value" in candidate.defects[0] for candidate in found)

    def test_what_could_not_be_read_again_is_not_written(self, folder: Path, sealer: Sealer) -> None:
        copies.writer(folder, sealer).add(machine(1), [key(1)])
        before = snapshot(folder)
        with pytest.raises(SealError, match="could not be read again"):
            copies.writer(folder, sealer).add(machine(1, serial="\ud800"), [key(2)])
        assert {name: data for name, data in snapshot(folder).items() if name in before} == before

    def test_whoever_writes_to_public_keys_cannot_read(self, folder: Path, people: Keys) -> None:
        sealer = people.sealer("one")
        copies.writer(folder, sealer).add(machine(1), [key(1)])
        reader = copies.source(folder, sealer)
        (candidate,) = reader.find([parse_term("pc01")]).found["pc01"]
        assert not candidate.readable
        (value,) = reader.values([candidate])
        assert value.value is None
        assert "identity_file" in str(value.problem)

    def test_what_cannot_be_opened_is_not_added_to(self, folder: Path) -> None:
        copies.writer(folder, vault("old", vault_id="old")).add(machine(1), [key(1)])
        before = snapshot(folder)
        for card in folder.glob("*.card.json"):
            card.unlink()
        with pytest.raises(SealError, match="none of the vault passwords opens it"):
            copies.writer(folder, vault("new")).add(machine(1), [key(2)])
        assert {name: data for name, data in snapshot(folder).items() if name.endswith(".yml")} == {
            name: data for name, data in before.items() if name.endswith(".yml")
        }

    def test_nothing_of_a_key_is_in_the_folder_in_clear(self, folder: Path, sealer: Sealer) -> None:
        copies.writer(folder, sealer).add(machine(1), [key(1), key(2)])
        whole = b"".join(snapshot(folder).values())
        for number in (1, 2):
            text = copies.password(number)
            assert text.encode() not in whole
            assert text.replace("-", "").encode() not in whole

    def test_cards_are_a_help_and_no_need(self, folder: Path, sealer: Sealer, people: Keys) -> None:
        copies.writer(folder, sealer).add(machine(1, serial="5CD1"), [key(1)])
        for card in folder.glob("*.card.json"):
            card.unlink()
        reader = copies.source(folder, opener(sealer, people))
        terms = [parse_term(text) for text in ("pc01", "PC01.lab.example", "serial:5cd1", copies.guid(1)[:8], copies.guid(0xAD0001))]
        assert set(reader.find(terms).found) == {term.text for term in terms}

    def test_a_card_that_lies_gives_no_wrong_key(self, folder: Path) -> None:
        sealer = vault("new")
        copies.writer(folder, sealer).add(machine(1), [key(1)])
        (card,) = folder.glob("*.card.json")
        card.write_text(card.read_text().replace(copies.guid(1), copies.guid(2)))
        reader = copies.source(folder, sealer)
        (candidate,) = reader.find([parse_term(copies.guid(2))]).found[copies.guid(2)]
        (value,) = reader.values([candidate])
        assert value.value is None
        assert "does not hold" in str(value.problem)

    def test_a_sealed_file_that_went_missing_makes_the_answer_partial(self, folder: Path) -> None:
        sealer = vault("new")
        copies.writer(folder, sealer).add(machine(1), [key(1)])
        next(folder.glob("*.vault.yml")).unlink()
        answer = copies.source(folder, sealer).find([parse_term("pc01")])
        assert (answer.state, answer.found) == (StoreState.PARTIAL, {})

    def test_no_folder_is_a_source_that_is_down(self, folder: Path) -> None:
        answer = copies.source(folder, vault("new")).find([parse_term("pc01")])
        assert answer.state is StoreState.DOWN

    @pytest.mark.parametrize("junk", [b"", b"$ANSIBLE_VAULT;1.1;AES256\n", b"$ANSIBLE_VAULT;1.1;AES256\n" + b"6" * 81, b"\xff" * 100])
    def test_damaged_files_are_problems(self, folder: Path, people: Keys, junk: bytes) -> None:
        copies.writer(folder, vault("new")).add(machine(1), [key(1)])
        (folder / "x.vault.yml").write_bytes(junk)
        (folder / "y.age").write_bytes(b"-----BEGIN AGE ENCRYPTED FILE-----\n" + junk)
        answer = copies.source(folder, vault("new"), people.sealer("one", opens="one")).find([parse_term("pc01")])
        assert len(answer.found["pc01"]) == 1
        assert len(answer.problems) == 2


class TestVerifying:
    def test_only_a_later_run_verifies(self, folder: Path, people: Keys) -> None:
        sealer = vault("new")
        first = copies.writer(folder, sealer)
        stem = first.add(machine(1), [key(1)]).stem
        assert verify(first, stem, again=True, now=T0).verified == ()
        checked = verify(copies.writer(folder, sealer, run="run 2"), stem, again=False, now=LATER)
        assert (checked.verified, checked.unverified) == ((copies.guid(1),), ())
        assert verify(copies.writer(folder, sealer, run="run 3"), stem, again=False, now=LATER).verified == ()
        assert len(verify(copies.writer(folder, sealer, run="run 3"), stem, again=True, now=LATER).verified) == 1

    def test_what_was_verified_stays_so_when_something_is_added(self, folder: Path) -> None:
        sealer = vault("new")
        stem = copies.writer(folder, sealer).add(machine(1), [key(1)]).stem
        verify(copies.writer(folder, sealer, run="run 2"), stem, again=False, now=LATER)
        third = copies.writer(folder, sealer, run="run 3")
        third.add(machine(1), [key(2)])
        assert {item.key.key_id: item.verified_at for item in third.catalogue.states[stem].keys} == {
            copies.guid(1): LATER,
            copies.guid(2): None,
        }

    def test_the_holder_of_the_key_verifies_what_the_job_cannot_read(self, folder: Path, people: Keys) -> None:
        stem = copies.writer(folder, people.sealer("one")).add(machine(1), [key(1)]).stem
        assert verify(copies.writer(folder, people.sealer("one"), run="run 2"), stem, again=True, now=LATER).unverified == (copies.guid(1),)
        holder = copies.writer(folder, people.sealer("one", opens="one"), run="run 3")
        assert verify(holder, stem, again=False, now=LATER).verified == (copies.guid(1),)

    def test_a_copy_that_no_longer_opens_loses_its_word(self, folder: Path) -> None:
        sealer = vault("new")
        stem = copies.writer(folder, sealer).add(machine(1), [key(1)]).stem
        verify(copies.writer(folder, sealer, run="run 2"), stem, again=False, now=LATER)
        other = vault("other", vault_id="other")
        checked = verify(copies.writer(folder, other, run="run 3"), stem, again=True, now=LATER)
        assert list(checked.problems) == [f"{stem}.vault.yml"]
        assert checked.unverified == (copies.guid(1),)


class TestRekeying:
    def test_to_another_vault_id(self, folder: Path) -> None:
        old = vault("old", vault_id="old")
        stem = copies.writer(folder, old).add(machine(1), [key(1), key(2)]).stem
        both = copies.writer(folder, vault("old", "new"), run="run 2")
        assert rekey(both, stem).files == (f"{stem}.vault.yml",)
        assert rekey(both, stem).files == ()
        assert copies.everything(folder, [vault("new")], [1, 2]) == pairs(1, 2)
        assert b";new\n" in (folder / f"{stem}.vault.yml").read_bytes()[:60]

    def test_check_mode_says_what_would_be(self, folder: Path) -> None:
        stem = copies.writer(folder, vault("old", vault_id="old")).add(machine(1), [key(1)]).stem
        before = snapshot(folder)
        assert len(rekey(copies.writer(folder, vault("old", "new")), stem, check_mode=True).files) == 1
        assert snapshot(folder) == {**before, ".lock": (folder / ".lock").read_bytes()}

    def test_to_other_recipients(self, folder: Path, people: Keys) -> None:
        stem = copies.writer(folder, people.sealer("one")).add(machine(1), [key(1), key(2)]).stem
        (people.folder / "all.key").write_text(people.file("one").read_text() + (people.pair("two") and people.file("two").read_text()))
        changed = copies.writer(folder, people.sealer("two", opens="all"), run="run 2")
        assert len(rekey(changed, stem).files) == 2
        assert rekey(changed, stem).files == ()
        assert copies.everything(folder, [people.sealer("two", opens="two")], [1, 2]) == pairs(1, 2)
        with pytest.raises(AssertionError):
            copies.everything(folder, [people.sealer("two", opens="one")], [1, 2])

    def test_without_what_opens_the_new_sealing_nothing_is_touched(self, folder: Path, people: Keys) -> None:
        stem = copies.writer(folder, vault("new")).add(machine(1), [key(1)]).stem
        with pytest.raises(SealError, match="cannot be opened here"):
            rekey(copies.writer(folder, people.sealer("one"), vault("new")), stem)
        people.pair("two")
        with pytest.raises(SealError):
            rekey(copies.writer(folder, people.sealer("one", opens="two"), vault("new")), stem)
        assert copies.everything(folder, [vault("new")], [1]) == pairs(1)

    def test_from_one_sealing_to_the_other_and_back(self, folder: Path, people: Keys) -> None:
        age, both = people.sealer("one", opens="one"), vault("new")
        stem = copies.writer(folder, both).add(machine(1), [key(1), key(2)]).stem
        rekey(copies.writer(folder, age, both, run="run 2"), stem)
        assert {Path(name).suffix for name in list_machines(folder)[stem].parts} == {".age"}
        assert copies.everything(folder, [age], [1, 2]) == pairs(1, 2)
        rekey(copies.writer(folder, both, age, run="run 3"), stem)
        assert list_machines(folder)[stem].parts == [f"{stem}.vault.yml"]
        assert copies.everything(folder, [both], [1, 2]) == pairs(1, 2)


class Killed:
    """Runs work in a child that is killed (SIGKILL) before its n-th call that changes anything on disk."""

    CALLS = ("open", "write", "pwrite", "rename", "unlink")

    def __init__(self, step: int) -> None:
        self.step = step

    def _counting(self, name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **named: Any) -> Any:
            if name != "open" or arguments[1] & os.O_CREAT:
                self.step -= 1
                if self.step == 0:
                    os.kill(os.getpid(), signal.SIGKILL)
            return real(*arguments, **named)

        return call

    def run(self, work: Callable[[], object]) -> bool:
        """Whether the work came to its end before it could be killed."""
        child = os.fork()
        if child == 0:
            for name in self.CALLS:
                setattr(os, name, self._counting(name, getattr(os, name)))
            code = 1
            try:
                work()
                code = 0
            finally:
                os._exit(code)
        _pid, status = os.waitpid(child, 0)
        if os.WIFSIGNALED(status):
            assert os.WTERMSIG(status) == signal.SIGKILL
            return False
        assert os.WEXITSTATUS(status) == 0
        return True


class TestKilled:
    """Whatever moment it is: every key that was there is readable, and the next run finishes the work."""

    def through(self, folder: Path, work: Callable[[], object], check: Callable[[], None], finished: Callable[[], None]) -> None:
        start = folder.with_name("start")
        shutil.copytree(folder, start)
        for step in range(1, 200):
            shutil.rmtree(folder)
            shutil.copytree(start, folder)
            done = Killed(step).run(work)
            check()
            work()
            finished()
            assert [path.name for path in folder.iterdir() if path.name.endswith(".tmp")] == []
            if done:
                assert step > 8
                return
        raise AssertionError("it never came to its end")

    @pytest.mark.parametrize("sealer", ["ansible_vault", "age, write only"], indirect=True)
    def test_while_adding(self, folder: Path, sealer: Sealer, people: Keys) -> None:
        copies.writer(folder, sealer).add(machine(1), [key(1)])
        reader = opener(sealer, people)

        def check() -> None:
            assert copies.everything(folder, [reader], [1, 2, 3]) >= pairs(1)

        def finished() -> None:
            assert copies.everything(folder, [reader], [1, 2, 3]) == pairs(1, 2, 3)

        self.through(folder, lambda: copies.writer(folder, sealer).add(machine(1), [key(2), key(3)]), check, finished)

    def test_while_sealing_anew_with_another_password(self, folder: Path) -> None:
        stem = copies.writer(folder, vault("old", vault_id="old")).add(machine(1), [key(1), key(2)]).stem
        both, new = vault("old", "new"), vault("new")
        self.through(
            folder,
            lambda: rekey(copies.writer(folder, both), stem),
            lambda: self.holds(folder, both),
            lambda: self.holds(folder, new),
        )

    def test_while_moving_to_the_other_sealing(self, folder: Path, people: Keys) -> None:
        old, new = vault("old", vault_id="old"), people.sealer("one", opens="one")
        stem = copies.writer(folder, old).add(machine(1), [key(1), key(2)]).stem
        self.through(
            folder,
            lambda: rekey(copies.writer(folder, new, old), stem),
            lambda: self.holds(folder, old, new),
            lambda: self.holds(folder, new),
        )

    @staticmethod
    def holds(folder: Path, *sealers: Sealer) -> None:
        assert copies.everything(folder, sealers, [1, 2]) == pairs(1, 2)


class TestAge:
    @pytest.mark.skipif(shutil.which("age") is None, reason="the tool age is not installed; make test installs it")
    def test_the_tool_reads_what_we_seal_and_we_read_what_it_seals(self, folder: Path, people: Keys) -> None:
        made = copies.writer(folder, people.sealer("one"))
        (name,) = made.add(machine(1), [key(1)]).files
        shown = subprocess.run(["age", "-d", "-i", str(people.file("one")), str(folder / name)], capture_output=True, check=True, text=True)
        assert copies.password(1) in shown.stdout
        theirs = subprocess.run(["age", "-a", "-r", people.pair("two")], input=shown.stdout, capture_output=True, check=True, text=True)
        (folder / "brought back.age").write_text(theirs.stdout)
        reader = copies.source(folder, people.sealer("two", opens="two"))
        found = reader.find([parse_term(copies.guid(1))]).found[copies.guid(1)]
        assert {value.value.reveal() for value in reader.values(found) if value.value is not None} == {copies.password(1)}

    @pytest.mark.parametrize("text", ["age1x", "", "ssh-dss AAAA", "AGE-SECRET-KEY-1" + "Q" * 58])
    def test_what_is_no_public_key_is_refused_and_not_repeated(self, people: Keys, text: str) -> None:
        with pytest.raises(OptionError) as caught:
            people.sealer().__class__(recipients=[text]).check()
        assert text == "" or text not in str(caught.value)

    def test_a_file_without_private_keys_is_refused(self, people: Keys, tmp_path: Path) -> None:
        (tmp_path / "keys" / "none.key").write_text("# nothing\nage1notprivate\n")
        sealed = people.sealer("one").seal(Secret("text"))
        with pytest.raises(OptionError, match="no private key"):
            people.sealer("one", opens="none").open(sealed, "x")

    @pytest.mark.parametrize("cut", [2, 40, 100, 200])
    def test_what_is_cut_off_is_refused(self, people: Keys, cut: int) -> None:
        people.pair("one")
        sealer = people.sealer("one", opens="one")
        with pytest.raises(KeywardError):
            sealer.open(sealer.seal(Secret("text"))[:-cut], "x")
