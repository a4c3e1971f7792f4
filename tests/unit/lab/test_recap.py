# SPDX-License-Identifier: GPL-3.0-or-later
"""The demo's view of ansible-playbook: everything as it came, the recap short, and no failure left out."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

from ansible_collections.keyward.bitlocker.tests.lab.recap import FEW, condensed

WHERE = Path("build/demo/playbook.log")
HEAD = b"PLAY RECAP *********************************************************************\n"


def row(host: str, **counts: int) -> bytes:
    """A line as the default callback writes it."""
    said = {"ok": 1, "changed": 0, "unreachable": 0, "failed": 0, "skipped": 0, "rescued": 0, "ignored": 0} | counts
    return f"{host:<26} : {'    '.join(f'{name}={number}' for name, number in said.items())}   \n".encode()


def shown(*lines: bytes) -> tuple[str, bytes]:
    """What a person sees, and what the log has."""
    log = BytesIO()
    return "".join(condensed(lines, log, where=WHERE)), log.getvalue()


def test_many_hosts_become_one_line_and_the_log_has_them_all() -> None:
    rows = [row(f"pc{number:02d}", ignored=number % 2) for number in range(40)]
    said, logged = shown(b"NOT PASSED\n", b"\n", HEAD, *rows, b"\n")
    assert said == f"NOT PASSED\n\nPLAY RECAP of 40 hosts: 20 with ignored; a line for each is in {WHERE}\n"
    assert logged == b"NOT PASSED\n\n" + HEAD + b"".join(rows) + b"\n"


def test_hosts_that_ended_the_play_keep_their_lines() -> None:
    rows = [row(f"pc{number:02d}") for number in range(FEW + 1)]
    rows[2], rows[4] = row("pc02", failed=1), row("pc04", unreachable=1)
    said, _logged = shown(HEAD, *rows)
    assert said.startswith(f"PLAY RECAP of {FEW + 1} hosts: 1 with unreachable, 1 with failed;")
    assert [line.split()[0] for line in said.splitlines()[1:]] == ["pc02", "pc04"]


def test_few_hosts_are_shown_as_they_are() -> None:
    said, _logged = shown(HEAD, row("localhost"), row("pc01", failed=1))
    assert said.splitlines()[1:] == [row("localhost").decode().rstrip("\n"), row("pc01", failed=1).decode().rstrip("\n")]


def test_colours_are_shown_and_not_logged() -> None:
    coloured = [b"\x1b[0;32m" + row(f"pc{number}").replace(b" :", b"\x1b[0m :") for number in range(FEW)]
    failed = b"\x1b[0;31mpc9\x1b[0m     : \x1b[0;32mok=1   \x1b[0m changed=0    unreachable=0    \x1b[0;31mfailed=1   \x1b[0m skipped=0\n"
    said, logged = shown(b"\x1b[0;32mok: [pc1]\x1b[0m\n", HEAD, *coloured, failed)
    assert said.startswith("\x1b[0;32mok: [pc1]\x1b[0m\nPLAY RECAP of")
    assert said.endswith(failed.decode())
    assert b"\x1b" not in logged


def test_what_comes_after_the_recap_is_shown() -> None:
    rows = [row(f"pc{number}") for number in range(FEW + 1)]
    said, _logged = shown(HEAD, *rows, b"[WARNING]: something\n")
    assert "[WARNING]: something\n" in said


def test_without_a_recap_nothing_is_lost() -> None:
    said, logged = shown(b"ERROR! the playbook could not be found\n", b"\xff\n")
    assert said == "ERROR! the playbook could not be found\n\ufffd\n"
    assert logged == said.encode()
