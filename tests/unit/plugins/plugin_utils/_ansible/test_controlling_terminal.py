# SPDX-License-Identifier: GPL-3.0-or-later
"""Which terminal is found, and which is refused; what it is used for is shown by the integration tests."""

from __future__ import annotations

import os
import pty
import select
import termios

import pytest
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._ansible import controlling_terminal
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._ansible.controlling_terminal import (
    RECORDERS,
    ControllingTerminal,
    NoTerminalError,
    TerminalLostError,
    recorder,
)
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.redaction import Secret


@pytest.mark.parametrize("name", list(RECORDERS))
def test_what_records_a_terminal_is_named(name: str) -> None:
    assert f"({name} is set)" in (recorder({name: "1"}) or "")
    with pytest.raises(NoTerminalError, match=name):
        ControllingTerminal.open({name: "/runner"})


@pytest.mark.parametrize("environment", [{}, {"CI": ""}, {"CI": "false"}, {"CI": "0"}, {"CICERO": "1"}])
def test_what_records_nothing(environment: dict[str, str]) -> None:
    assert recorder(environment) is None


def all_of(master: int) -> bytes:
    """What a terminal got; the kernel hands it on a little later."""
    found = b""
    while select.select([master], [], [], 0.2)[0]:
        found += os.read(master, 4096)
    return found


def in_a_child(with_terminal: bool) -> str:
    """Where a process says that its terminal is, from a session of its own that has one or not; and what that is."""
    reader, writer = os.pipe()
    pid, master = pty.fork() if with_terminal else (os.fork(), -1)
    if pid == 0:
        try:
            if not with_terminal:
                os.setsid()
            told = controlling_terminal._terminal_of(os.getpid())
            told += "" if with_terminal and told == os.ttyname(0) else " (another one)"
        except NoTerminalError as error:
            told = error.meaning
        finally:
            os.write(writer, told.encode())
            os._exit(0)
    os.close(writer)
    said = os.read(reader, 4096).decode()
    os.waitpid(pid, 0)
    os.close(reader)
    if master >= 0:
        os.close(master)
    return said


def test_a_process_with_a_terminal_is_seen_to_have_it() -> None:
    assert in_a_child(True).startswith("/dev/pts/")
    assert "another" not in in_a_child(True)


def test_a_process_without_one_is_told_so() -> None:
    assert in_a_child(False) == "ansible-playbook has no terminal, so nothing was read"


def test_the_error_names_the_other_ways() -> None:
    text = str(NoTerminalError("ansible-playbook has no terminal"))
    for way in ("recovery_sheet", "keyward_output=sealed", "output: job_log"):
        assert way in text


def test_a_terminal_is_left_as_it_was() -> None:
    master, slave = pty.openpty()
    try:
        before = termios.tcgetattr(slave)
        terminal = ControllingTerminal(os.dup(slave), "xterm")
        assert terminal.show(Secret("one\ntwo"), "go on", seconds=0.05) is False
        terminal.close()
        assert termios.tcgetattr(slave) == before
        assert all_of(master) == b"\x1b[?1049h\x1b[2J\x1b[Hone\r\ntwo\r\ngo on \x1b[2J\x1b[H\x1b[?1049l"
    finally:
        os.close(master)
        os.close(slave)


def test_a_terminal_that_goes_away_is_told() -> None:
    master, slave = pty.openpty()
    terminal = ControllingTerminal(os.dup(slave), "xterm")
    os.close(slave)
    os.close(master)
    with pytest.raises(TerminalLostError, match="the terminal went away"):
        terminal.show(Secret("one"), "go on", seconds=1)
    terminal.close()


@pytest.mark.parametrize(("kind", "end"), [("linux", b"\x1b[2J\x1b[3J\x1b[H"), ("dumb", b"go on \r\n"), ("", b"go on \r\n")])
def test_other_terminals_are_cleared_as_they_can_be(kind: str, end: bytes) -> None:
    master, slave = pty.openpty()
    try:
        terminal = ControllingTerminal(os.dup(slave), kind)
        os.write(master, b"\r")
        terminal.show(Secret("one"), "go on", seconds=0.05)
        assert terminal.clears is (kind == "linux")
        terminal.close()
        assert all_of(master).endswith(end)
    finally:
        os.close(master)
        os.close(slave)
