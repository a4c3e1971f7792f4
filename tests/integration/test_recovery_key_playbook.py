# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbook recover_key where no lab is needed: every kind of file, both sealings of the second copy, files that disagree."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.keyward.bitlocker.tests.integration.chromium import Chromium
from ansible_collections.keyward.bitlocker.tests.integration.playing import Player, play, task
from ansible_collections.keyward.bitlocker.tests.integration.terminal import Seen, shown, spellings
from ansible_collections.keyward.bitlocker.tests.integration.test_recovery_key_files import (
    ACCOUNT,
    ACCOUNT_PDF,
    DAMAGED,
    ENGLISH,
    EXPORTED,
    GERMAN,
    JAPANESE,
    PRINTED,
    SCRIPT,
    TWICE,
    write_share,
)

PLAYBOOK = "keyward.bitlocker.recover_key"
REASON = "INC-4711, caller identified"
#: what somebody reads from a screen or a sticker -> whose key it is
WAYS = {
    ENGLISH.key_id[:8].upper(): ENGLISH,
    GERMAN.key_id: GERMAN,
    f"{{{JAPANESE.key_id.upper()}}}": JAPANESE,
    "file-pc03": SCRIPT,
    PRINTED.key_id[:8]: PRINTED,
    ACCOUNT.key_id: ACCOUNT,
    ACCOUNT_PDF.key_id[:8].upper(): ACCOUNT_PDF,
    f"host:{EXPORTED.computer}": EXPORTED,
}


@pytest.fixture(scope="module")
def player(tmp_path_factory: pytest.TempPathFactory) -> Player:
    """A share with a file of each kind, and a copy of one of them in each sealing."""
    pytest.importorskip("pypdf")
    pyrage = pytest.importorskip("pyrage", reason="needs pyrage, which requirements-dev.txt names")
    folder = tmp_path_factory.mktemp("recover")
    (folder / "share").mkdir()
    with Chromium() as browser:
        write_share(folder / "share", browser)
    identity = pyrage.x25519.Identity.generate()
    (folder / "identity").write_text(f"{identity}\n", encoding="ascii")
    (folder / "passphrase").write_text("a passphrase of the tests", encoding="ascii")
    made = Player(folder, None, {"KEYWARD_AUDIT_FILE": str(folder / "audit.jsonl"), "ANSIBLE_LOG_PATH": str(folder / "ansible.log")})
    common: dict[str, Any] = {"terms": [ENGLISH.key_id, SCRIPT.key_id], "file": {"paths": [str(folder / "share")]}, "reason": REASON}
    sealings: list[dict[str, Any]] = [
        {"path": str(folder / "vault"), "vault_password_file": str(folder / "passphrase")},
        {"path": str(folder / "age"), "recipients": [str(identity.to_public())]},
    ]
    tasks = [task(f"copy {number}", "vault_copy", common | {"vault": vault}) for number, vault in enumerate(sealings)]
    here = {"localhost": {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}}
    run = made.play([play("localhost", *tasks)], hosts=made.write("here.yml", {"all": {"hosts": here}}))
    assert run.code == 0, run.output
    return made


def recover(player: Player, find: str | list[str], **more: Any) -> Seen:
    given = {"keyward_find": find, "keyward_reason": REASON} | {f"keyward_{name}": value for name, value in more.items()}
    return shown(player, PLAYBOOK, "-e", f"@{player.write('variables.yml', given)}")


def told(seen: Seen) -> str:
    """What was on the terminal and beside it, without the breaks that the terminal made."""
    return " ".join((seen.terminal + seen.elsewhere).split())


def share(player: Player) -> dict[str, Any]:
    return {"paths": [str(player.folder / "share")]}


def test_every_kind_of_file_ends_on_the_terminal_and_nowhere_else(player: Player) -> None:
    audit: Path = player.folder / "audit.jsonl"
    before = len(audit.read_text(encoding="ascii").splitlines())
    seen = recover(player, list(WAYS), file=share(player))
    assert seen.code == 0, seen.terminal
    assert seen.keys == [key.password for key in WAYS.values()]
    records = [json.loads(line) for line in audit.read_text(encoding="ascii").splitlines()[before:]]
    assert [(record["action"], record["source"]) for record in records] == [("show", "file")] * len(WAYS)
    texts = {"beside": seen.beside, "log": (player.folder / "ansible.log").read_text(encoding="utf-8"), "audit": audit.read_text("ascii")}
    for key in WAYS.values():
        assert [place for place, text in texts.items() if any(form in text for form in spellings(key.password))] == []


@pytest.mark.parametrize(("name", "opener"), [("vault", "vault_password_file"), ("age", "identity_file")])
def test_the_second_copy_ends_on_the_terminal(player: Player, name: str, opener: str) -> None:
    vault = {"path": str(player.folder / name), opener: str(player.folder / ("passphrase" if name == "vault" else "identity"))}
    seen = recover(player, [ENGLISH.key_id[:8], "file-pc03"], vault=vault)
    assert seen.code == 0, seen.terminal
    assert seen.keys == [ENGLISH.password, SCRIPT.password]
    both = recover(player, ENGLISH.key_id, vault=vault, file=share(player))
    assert both.keys == [ENGLISH.password], both.terminal


@pytest.mark.parametrize(
    ("find", "sentence"),
    [
        (TWICE.key_id, "do not agree on it"),
        (DAMAGED.key_id, "the third group does not fit its check digit"),
        ("deadbeef", "there is none in file"),
    ],
)
def test_what_gives_no_key_has_its_sentence(player: Player, find: str, sentence: str) -> None:
    seen = recover(player, find, file=share(player))
    assert (seen.code, seen.screens) == (2, [])
    assert sentence in told(seen)
