# SPDX-License-Identifier: GPL-3.0-or-later
"""A key on the terminal: the playbook recover_key and recovery_key_show in a real terminal, and everything else that would keep the key."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.keyward.bitlocker.tests.integration.estates import NO_PASSWORD, recovery
from ansible_collections.keyward.bitlocker.tests.integration.playing import Player, play, task
from ansible_collections.keyward.bitlocker.tests.integration.terminal import (
    ENTER_SCREEN,
    LEAVE_SCREEN,
    Seen,
    Typist,
    shown,
    spellings,
    without_terminal,
)
from ansible_collections.keyward.bitlocker.tests.lab.directory.layout import ADMINISTRATOR, REVEAL, accounts
from ansible_collections.keyward.bitlocker.tests.lab.entra.accounts import REVEAL as REVEAL_APPLICATION
from ansible_collections.keyward.bitlocker.tests.lab.lab import Lab
from ansible_collections.keyward.bitlocker.tests.lab.model import LabHost

MODULE = "recovery_key_show"
PLAYBOOK = "keyward.bitlocker.recover_key"
#: a published test key (cryptsetup's BitLocker test images) and one that is made up
PUBLISHED = "042647-302313-590458-071500-554323-116567-412181-516978"
OTHER = "-".join(["123453"] * 8)
KEY_ID, OTHER_ID = "0123abcd-1111-2222-3333-444444444444", "0123abcd-5555-4666-8777-888888888888"
REASON = "INC-4711, caller identified"


def saved(folder: Path, key_id: str = KEY_ID, password: str = PUBLISHED) -> Path:
    """A file as Windows saves it."""
    lines = ["BitLocker Drive Encryption recovery key", "Identifier:", f"\t{key_id.upper()}", "Recovery Key:", f"\t{password}", ""]
    path = folder / "keys" / f"BitLocker Recovery Key {key_id.upper()}.TXT"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes("\r\n\r\n".join(lines).encode("utf-16"))
    return path


def directory(lab: Lab, account: str = REVEAL, **more: Any) -> dict[str, Any]:
    """The option ``ad``."""
    assert lab.directory is not None
    known = accounts()[account]
    return {
        "server": lab.directory.address,
        "username": known.principal,
        "password": known.password,
        "ca_cert": str(lab.ca_file),
        "connection_timeout": 3,
    } | more


def tenant(lab: Lab) -> dict[str, Any]:
    """The option ``entra``."""
    assert lab.entra is not None
    return lab.entra.options(REVEAL_APPLICATION) | {"connection_timeout": 3}


def host(lab: Lab, name: str) -> LabHost:
    return next(host for host in lab.estate.hosts if host.inventory_name == name)


def password_of(lab: Lab, name: str) -> str:
    return recovery(host(lab, name)).password or ""


def records(path: Path) -> list[dict[str, Any]]:
    return [record for line in path.read_text(encoding="ascii").splitlines() if (record := json.loads(line))["kind"] == "disclosure"]


@pytest.fixture
def files(tmp_path: Path) -> Player:
    """Plays with a saved key, an audit file and a log."""
    saved(tmp_path)
    more = {"KEYWARD_AUDIT_FILE": str(tmp_path / "audit.jsonl"), "ANSIBLE_LOG_PATH": str(tmp_path / "ansible.log")}
    return Player(tmp_path, None, more)


def show(player: Player, *arguments: str, answers: Mapping[str, str] | None = None, **options: Any) -> Seen:
    """One task that shows the saved key; the terminal's ``size``, ``environment`` and ``redirected`` are not the task's."""
    more = {name: options.pop(name) for name in ("size", "redirected", "environment") if name in options}
    return shown(player, str(site(player, **options)), *arguments, answers=answers, **more)


def options(player: Player, **more: Any) -> dict[str, Any]:
    """Options that show the saved key."""
    return {"terms": KEY_ID[:8].upper(), "file": {"paths": [str(player.folder / "keys")]}, "reason": REASON} | more


def site(player: Player, **more: Any) -> Path:
    return player.write("site.yml", [play("localhost", task("show", MODULE, options(player, **more), register="kept"), connection="local")])


def nowhere_but_on_the_screen(player: Player, seen: Seen, *passwords: str) -> None:
    """No spelling of these in any output, record, log or file of the run."""
    log = player.folder / "ansible.log"
    texts = {"beside the screen": seen.beside, "log": log.read_text(encoding="utf-8") if log.exists() else ""}
    audit = player.folder / "audit.jsonl"
    texts["audit"] = audit.read_text(encoding="ascii") if audit.exists() else ""
    for password in passwords:
        assert [place for place, text in texts.items() if any(form in text for form in spellings(password))] == []


# --- the playbook on a lab ------------------------------------------------------------------------------------------------------------


def recover(player: Player, lab: Lab, find: str, *arguments: str, **more: Any) -> Seen:
    variables = {"keyward_ad": directory(lab), "keyward_entra": tenant(lab)} if lab.entra is not None else {"keyward_ad": directory(lab)}
    variables |= {key: value for key, value in more.items() if key.startswith("keyward_")}
    path = player.write("variables.yml", {name: value for name, value in variables.items() if value is not None})
    rest = {key: value for key, value in more.items() if not key.startswith("keyward_")}
    given = ["-e", f"@{path}", *(["-e", f"keyward_find={find}"] if find else []), "-e", json.dumps({"keyward_reason": REASON})]
    return shown(player, PLAYBOOK, *given, *arguments, **rest)


def lab_player(folder: Path, lab: Lab) -> Player:
    more = {"KEYWARD_AUDIT_FILE": str(folder / "audit.jsonl"), "ANSIBLE_LOG_PATH": str(folder / "ansible.log")}
    return Player(folder, lab, more)


def test_eight_characters_bring_the_key_to_the_terminal_and_nowhere_else(hybrid: Lab, tmp_path: Path) -> None:
    player = lab_player(tmp_path, hybrid)
    key_id, password = recovery(host(hybrid, "both")).key_id, password_of(hybrid, "both")
    report = {"computers": [{"volumes": [{"volume": "C:", "protectors": [{"key_id": key_id, "stores": {"ad": {"proof": {
        "outcome": "proven", "basis": "live", "made_at": "2026-11-20T08:00:00Z"}}}}]}]}]}  # fmt: skip
    known = player.write("report.json", json.dumps(report))
    seen = recover(player, hybrid, key_id[:8].upper(), "-vvvv", "--diff", keyward_report_file=str(known), redirected=True)
    assert seen.code == 0, seen.elsewhere
    assert seen.keys == [password]
    assert f"Key ID {key_id.upper()}. Compare" in seen.screens[0]
    assert "both.lab.example, C:" in seen.screens[0]
    nowhere_but_on_the_screen(player, seen, password)
    places, proof = ("Active Directory (CN=", "Entra ID ("), "it opens the volume, by the key package of the computer itself"
    for said in ("both.lab.example", f"Key ID    {key_id.upper()}", *places, proof):
        assert said in seen.elsewhere, said
    (record,) = records(tmp_path / "audit.jsonl")
    assert (record["action"], record["key_id"], record["reason"], record["source"]) == ("show", key_id, REASON, "ad+entra")


def test_every_way_to_name_a_key_ends_on_the_terminal(hybrid: Lab, tmp_path: Path) -> None:
    in_ad, in_entra = host(hybrid, "in-ad"), host(hybrid, "in-entra")
    ways = {
        "in-ad.lab.example": "in-ad",
        f"{{{recovery(in_ad).key_id.upper()}}}": "in-ad",
        str(in_entra.entra_device_id): "in-entra",
        recovery(in_entra).key_id: "in-entra",
    }
    player = lab_player(tmp_path, hybrid)
    seen = recover(player, hybrid, "", keyward_find=list(ways))
    assert seen.code == 0, seen.terminal
    assert seen.keys == [password_of(hybrid, name) for name in ways.values()]
    nowhere_but_on_the_screen(player, seen, *seen.keys)


def test_the_computer_itself_may_be_asked(hybrid: Lab, tmp_path: Path) -> None:
    player = lab_player(tmp_path, hybrid)
    seen = recover(player, hybrid, "neither", keyward_sources=["host"], keyward_ad=None, keyward_entra=None)
    assert seen.code == 0, seen.terminal
    assert seen.keys == [password_of(hybrid, "neither")]
    assert "In use         yes, the computer listed it" in seen.beside
    nowhere_but_on_the_screen(player, seen, *seen.keys)


def test_a_deleted_computer_is_marked_and_asked_for_by_prompts(fleet: Lab, tmp_path: Path) -> None:
    (entry,) = [entry for entry in fleet.estate.entries if entry.computer == "GONE"]
    player = lab_player(tmp_path, fleet)
    path = player.write("variables.yml", {"keyward_ad": directory(fleet, ADMINISTRATOR)})
    answers = {"or a serial number)": f"{entry.key_id[:8]}\r", "how that was verified)": "INC-4712\r"}
    seen = shown(player, PLAYBOOK, "-e", f"@{path}", answers=answers)
    assert seen.code == 0, seen.terminal
    assert seen.keys == [entry.password]
    assert "Active Directory, deleted (" in seen.beside
    assert [record["reason"] for record in records(tmp_path / "audit.jsonl")] == ["INC-4712"]
    nowhere_but_on_the_screen(player, seen, entry.password)


def test_what_has_no_single_sound_key_shows_none(fleet: Lab, tmp_path: Path) -> None:
    player = lab_player(tmp_path, fleet)
    said = {"dmg-text": "no recovery password", "dmg-twice": "do not agree", "nobody": "there is none in ad"}
    tasks = [task(find, MODULE, {"terms": find, "reason": REASON, "ad": "{{ ad }}"}, ignore_errors=True) for find in said]
    site = player.write("site.yml", [play("localhost", *tasks, connection="local", vars={"ad": directory(fleet)})])
    seen = shown(player, str(site))
    assert (seen.code, seen.screens) == (0, []), seen.terminal
    for find, sentence in said.items():
        assert sentence in seen.result(find)["msg"], find
    assert NO_PASSWORD not in seen.beside
    assert not (tmp_path / "audit.jsonl").exists()


# --- the terminal ---------------------------------------------------------------------------------------------------------------------


def test_the_key_passes_a_redirected_output_by(files: Player) -> None:
    seen = show(files, "-vvvv", redirected=True)
    assert seen.code == 0, seen.elsewhere
    assert seen.keys == [PUBLISHED]
    assert seen.terminal.endswith(LEAVE_SCREEN)
    assert "PLAY RECAP" in seen.elsewhere
    assert seen.result("show")["keys"][0]["recovery_password"] == "-".join(["******"] * 8)
    nowhere_but_on_the_screen(files, seen, PUBLISHED)


def test_control_c_clears_the_screen_and_the_play_goes_on(files: Player) -> None:
    seen = show(files, answers={"clears the screen": "\x03"})
    assert seen.code == 0, seen.terminal
    assert seen.keys == [PUBLISHED]
    assert "failed=0" in seen.beside
    assert seen.terminal.index(LEAVE_SCREEN) < seen.terminal.index("PLAY RECAP")


def test_the_screen_is_cleared_without_anybody(files: Player) -> None:
    seen = show(files, answers={"clears the screen": ""}, seconds=1)
    assert seen.code == 0, seen.terminal
    assert seen.keys == [PUBLISHED]
    assert LEAVE_SCREEN in seen.terminal


def test_a_playbook_that_is_ended_leaves_no_key_on_the_screen(files: Player) -> None:
    command = ["ansible-playbook", "-i", str(files.write("here.yml", {"all": {"hosts": {}}})), str(site(files, seconds=20))]
    typist = Typist(files, command, {})
    typist.read_until("clears the screen")
    os.kill(typist.pid, signal.SIGTERM)
    seen = typist.finish(60)
    assert ENTER_SCREEN in seen.terminal
    assert LEAVE_SCREEN in seen.terminal


def test_several_keys_one_after_the_other(files: Player) -> None:
    saved(files.folder, OTHER_ID, OTHER)
    seen = show(files, match="all", large=False, language="de")
    assert seen.code == 0, seen.terminal
    assert sorted(seen.keys) == sorted([PUBLISHED, OTHER])
    assert "Key 2 of 2." in seen.screens[1]
    assert "null vier zwo, sechs vier sieben" in "".join(seen.screens)
    assert not any(block in "".join(seen.screens) for block in "█▀▄")
    assert len(records(files.folder / "audit.jsonl")) == 2


def test_several_keys_that_fit_are_listed_and_none_is_shown(files: Player) -> None:
    saved(files.folder, OTHER_ID, OTHER)
    seen = show(files)
    assert seen.code == 2
    assert seen.screens == []
    assert KEY_ID in seen.terminal.replace("\r\n", "")
    nowhere_but_on_the_screen(files, seen, PUBLISHED, OTHER)


@pytest.mark.parametrize(("size", "large"), [((80, 24), True), ((79, 24), False)])
def test_large_digits_only_where_they_fit(files: Player, size: tuple[int, int], large: bool) -> None:
    seen = show(files, size=size)
    assert seen.keys == [PUBLISHED]
    assert ("█" in seen.screens[0]) is large
    if large:
        lines = seen.screens[0].partition("\x1b[H")[2].partition("\x1b")[0].replace("\r", "").split("\n")
        assert len(lines) <= 24
        assert max(len(line) for line in lines) <= 80


def test_a_terminal_that_cannot_be_cleared_is_said_to_keep_the_key(files: Player) -> None:
    seen = show(files, environment={"TERM": "dumb"})
    assert seen.code == 0, seen.terminal
    assert "0 4 2 6 4 7" in seen.terminal
    assert "\x1b" not in seen.terminal
    assert "cannot be cleared" in " ".join(seen.terminal.split())


# --- no terminal, or one that is recorded -----------------------------------------------------------------------------------------------


def test_without_a_terminal_only_what_was_asked_for_by_its_word_is_shown(files: Player) -> None:
    outputs: dict[str, dict[str, Any]] = {"terminal": {}, "candidates": {"reason": "{{ omit }}"}, "job_log": {}}
    tasks = [task(name, MODULE, options(files, output=name, **more), ignore_errors=True) for name, more in outputs.items()]
    done = without_terminal(files, str(files.write("site.yml", [play("localhost", *tasks, connection="local")])))
    assert done.returncode == 0, done.stdout
    before, _job_log, after = done.stdout.partition("TASK [job_log]")
    assert "ansible-playbook has no terminal, so nothing was read" in before + done.stderr
    assert "keyward_output=sealed" in before + done.stderr
    assert f"Key ID    {KEY_ID.upper()}" in before
    assert not any(form in before + done.stderr for form in spellings(PUBLISHED))
    assert "1  0 4 2 6 4 7   zero four two, six four seven." in after
    assert [record["action"] for record in records(files.folder / "audit.jsonl")] == ["job_log"]


def test_a_terminal_that_is_recorded_gets_no_key(files: Player) -> None:
    seen = show(files, environment={"AWX_ISOLATED_DATA_DIR": "/runner"})
    assert seen.code == 2
    assert "AWX_ISOLATED_DATA_DIR is set" in " ".join(seen.terminal.split())
    assert seen.screens == []
    nowhere_but_on_the_screen(files, seen, PUBLISHED)


def test_in_the_background_nothing_is_shown(files: Player) -> None:
    hosts = files.write("here.yml", {"all": {"hosts": {}}})
    script = f"set -m; ansible-playbook -i {hosts} {site(files)} & wait $!"
    seen = Typist(files, ["sh", "-c", script], {}).finish()
    assert "runs in the background" in " ".join(seen.terminal.split())
    assert seen.screens == []


def test_check_mode_shows_nothing(files: Player) -> None:
    seen = show(files, "--check")
    assert seen.code == 0, seen.terminal
    assert seen.screens == []
    assert not (files.folder / "audit.jsonl").exists()


def test_without_a_record_no_key_is_shown(files: Player) -> None:
    tries: dict[str, dict[str, Any]] = {
        "no reason": {"reason": "{{ omit }}"},
        "full": {"audit_file": "/dev/full"},
        "budget": {"max_reveals": 0},
        "long": {"seconds": 0},
    }
    tasks = [task(name, MODULE, options(files, **more), ignore_errors=True) for name, more in tries.items()]
    seen = shown(files, str(files.write("site.yml", [play("localhost", *tasks, connection="local")])))
    assert (seen.code, seen.screens) == (0, []), seen.terminal
    said = {"no reason": "no reason is given", "full": "no key was handed out", "budget": "max_reveals", "long": "0 is not from 1 to 3600"}
    assert [name for name, sentence in said.items() if sentence not in seen.result(name)["msg"]] == []


def test_the_playbook_without_anybody_to_ask_says_what_it_needs(files: Player) -> None:
    done = without_terminal(files, PLAYBOOK)
    assert done.returncode == 2
    assert "Say with -e which key is needed" in " ".join((done.stdout + done.stderr).split())


def test_the_playbook_seals_the_key_into_a_file(files: Player) -> None:
    files.write("passphrase", "a passphrase of the tests")
    given = {"keyward_find": "0123ABCD", "keyward_reason": REASON, "keyward_output": "sealed", "keyward_dest": str(files.folder / "sealed")}
    given["keyward_file"] = {"paths": [str(files.folder / "keys")]}
    arguments = ["-e", json.dumps(given), "--vault-password-file", str(files.folder / "passphrase")]
    done = without_terminal(files, PLAYBOOK, *arguments)
    assert done.returncode == 0, done.stdout
    sealed = files.folder / "sealed" / "recovery-key-0123ABCD.html.vault"
    assert str(sealed) in done.stdout
    assert sealed.read_text(encoding="ascii").startswith("$ANSIBLE_VAULT;")
    assert [record["action"] for record in records(files.folder / "audit.jsonl")] == ["sheet"]
    assert not any(form in done.stdout + done.stderr for form in spellings(PUBLISHED)[:3])
