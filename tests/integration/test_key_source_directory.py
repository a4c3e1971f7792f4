# SPDX-License-Identifier: GPL-3.0-or-later
"""Active Directory as a source of keys, against a real Samba: what each term finds, one by one and out of everything, and what is asked."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.key_search import Candidate, SourceAnswer, parse_term
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.model import StoreState
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.redaction import Secret
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._errors import AuthorizationError, BadDataError
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._stores.active_directory import source as module
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._stores.active_directory.settings import DirectorySettings
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._stores.active_directory.source import DirectorySource
from ansible_collections.keyward.bitlocker.tests.lab.directory import sample
from ansible_collections.keyward.bitlocker.tests.lab.directory.layout import ADMINISTRATOR, NO_RIGHTS, REPORT, REVEAL
from ansible_collections.keyward.bitlocker.tests.lab.directory.recording_proxy import RecordingProxy
from ansible_collections.keyward.bitlocker.tests.lab.directory.sample import GUID_PC01, KEYS, NOW, PASSWORD, Ground

OTHER = PASSWORD.replace("123453", "111111")


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    with sample.running(tmp_path_factory.mktemp("source")) as ground:
        yield ground


@contextmanager
def opened(ground: Ground, account: str = REVEAL, **more: Any) -> Iterator[DirectorySource]:
    known = ground.directory.accounts[account]
    given: dict[str, Any] = {
        "server": [ground.directory.address],
        "username": known.principal,
        "password": Secret(known.password),
        "ca_cert": str(ground.directory.ca_file),
        "timeout": 20,
    }
    source = DirectorySource(DirectorySettings.from_options(given | more), now=NOW)
    try:
        yield source
    finally:
        source.close()


def ask(ground: Ground, *terms: str, account: str = REVEAL, **more: Any) -> SourceAnswer:
    with opened(ground, account, **more) as source:
        return source.find([parse_term(text) for text in terms])


def told(candidates: tuple[Candidate, ...]) -> set[tuple[str, str, bool, bool]]:
    return {(found.owner, found.key_id, found.readable, found.deleted_owner) for found in candidates}


PC01 = {("PC01", KEYS["good"], True, False), ("PC01", KEYS["twice"], True, False), ("PC01", KEYS["hidden"], False, False)}
GOOD = {("PC01", KEYS["good"], True, False), ("DC2", KEYS["good"], True, False)}
FOUND = {
    "PC01": PC01,
    "pc01.lab.example": PC01,
    "PC01$": PC01,
    f"device_id:{GUID_PC01}": PC01,
    KEYS["good"]: GOOD,
    f"key_id:{KEYS['good'].upper()}": GOOD,
    KEYS["good"][:8]: GOOD,
    # the volume of an entry has a GUID that is another one's key ID too
    f"volume:{KEYS['other_cn']}": {("PC01", KEYS["good"], True, False)},
    f"key_id:{KEYS['other_cn']}": {("PC02", KEYS["other_cn"], True, False)},
    # an object whose name says another ID than its attribute stands for both
    f"key_id:{KEYS['planted']}": {("PC02", KEYS["planted"], True, False), ("CL1", KEYS["planted"], True, False)},
    "nobody": set(),
    "12345678": set(),
    "serial:PC01": set(),
    "host:*": set(),
}


@pytest.mark.parametrize("everything", [False, True], ids=["one by one", "out of everything"])
def test_what_each_term_finds(ground: Ground, everything: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FEW", -1 if everything else 1000)
    # one object is hidden from the account that reads metadata
    answer = ask(ground, *FOUND, account=REPORT)
    assert answer.state is StoreState.SEARCHED
    found = {term: told(answer.found[term]) for term in FOUND}
    if everything:
        # what can only be seen by name is looked for where a computer has nothing else
        found = {term: rows | {row for row in FOUND[term] if not row[2]} for term, rows in found.items()}
    assert found == FOUND


def test_a_deleted_computer_for_who_may_see_it(ground: Ground) -> None:
    for term in ("GONE", "gone.lab.example", KEYS["deleted"], KEYS["deleted"][:8]):
        assert told(ask(ground, term, account=ADMINISTRATOR).found[term]) == {("GONE", KEYS["deleted"], True, True)}, term
    answer = ask(ground, "GONE")
    assert (answer.found["GONE"], answer.state) == ((), StoreState.SEARCHED)


def test_values_of_exactly_these(ground: Ground) -> None:
    with opened(ground, ADMINISTRATOR) as source:
        answer = source.find([parse_term(text) for text in ("PC01", "PC02", "GONE")])
        read = [
            (value.candidate.key_id, value.value.reveal() if value.value else type(value.problem))
            for term in ("PC01", "PC02", "GONE")
            for value in source.values(answer.found[term])
        ]
    assert {(KEYS["good"], PASSWORD), (KEYS["twice"], PASSWORD), (KEYS["twice"], OTHER), (KEYS["deleted"], PASSWORD)} <= set(read)
    assert (KEYS["text"], BadDataError) in read
    with opened(ground, REPORT) as source:
        (value,) = source.values([found for found in source.find([parse_term("PC01")]).found["PC01"] if found.key_id == KEYS["good"]])
    assert isinstance(value.problem, AuthorizationError)


def test_without_rights_nothing_is_said_to_be_absent(ground: Ground) -> None:
    answer = ask(ground, "PC01", "nobody", account=NO_RIGHTS)
    assert answer.state is StoreState.NO_RIGHTS
    assert all(not found.readable for found in answer.found["PC01"])
    assert ask(ground, KEYS["good"], account=NO_RIGHTS).state is StoreState.NO_RIGHTS


def test_a_directory_that_cannot_be_reached_is_down(ground: Ground) -> None:
    answer = ask(ground, "PC01", server=["127.0.0.1"], port=9, connection_timeout=1)
    assert answer.state is StoreState.DOWN
    assert answer.reason


def test_a_loop_reads_everything_once_and_metadata_alone(ground: Ground, tmp_path: Path) -> None:
    here = ground.block.infrastructure(30)
    certificate = ground.authority.issue(dns_names=(), addresses=(here,))
    log = tmp_path / "ldap.jsonl"
    upstream = (ground.directory.address, 636)
    with RecordingProxy(log, certificate, upstream, ground.authority.ca_pem, address=here, port=636) as proxy:
        with opened(ground, server=[here]) as source:
            for number in range(50):
                source.find([parse_term(f"{number:08x}")])
            assert told(source.find([parse_term(KEYS["good"])]).found[KEYS["good"]]) == GOOD
        searches = [record for record in proxy.records() if record["operation"] == "search"]
    assert len(searches) < 25
    assert not {"msFVE-RecoveryPassword", "msFVE-KeyPackage", "*"} & {name for search in searches for name in search["attributes"]}
