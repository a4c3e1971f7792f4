# SPDX-License-Identifier: GPL-3.0-or-later
"""A key reaches the terminal from a worker of each ansible-core: since 2.19 a worker has no terminal of its own."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

#: a published test key (cryptsetup's BitLocker test images)
PUBLISHED = "042647-302313-590458-071500-554323-116567-412181-516978"
KEY_ID = "0123ABCD-1111-2222-3333-444444444444"


def play(folder: Path) -> Path:
    """A task that shows a saved key."""
    (folder / "keys").mkdir()
    lines = ["BitLocker Drive Encryption recovery key", "Identifier:", f"\t{KEY_ID}", "Recovery Key:", f"\t{PUBLISHED}", ""]
    (folder / "keys" / f"BitLocker Recovery Key {KEY_ID}.TXT").write_bytes("\r\n\r\n".join(lines).encode("utf-16"))
    options = {"terms": KEY_ID[:8], "reason": "INC-1", "audit_file": str(folder / "audit.jsonl"), "file": {"paths": [str(folder / "keys")]}}
    task = {"name": "show", "keyward.bitlocker.recovery_key_show": options}
    path = folder / "site.yml"
    path.write_text(yaml.safe_dump([{"hosts": "localhost", "connection": "local", "gather_facts": False, "tasks": [task]}]))
    return path


def environment(folder: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("ANSIBLE_", "KEYWARD_", "AWX_", "RUNNER_"))}
    here = {"ANSIBLE_COLLECTIONS_PATH": os.environ["ANSIBLE_COLLECTIONS_PATH"], "HOME": str(folder), "TERM": "xterm", "CI": ""}
    return kept | here | {"ANSIBLE_LOG_PATH": str(folder / "log"), "ANSIBLE_LOCALHOST_WARNING": "false"}


@pytest.mark.parametrize("shell", [False, True], ids=["in a terminal", "with its output in a pipe"])
def test_the_key_is_on_the_terminal_alone(tmp_path: Path, shell: bool) -> None:
    command = [str(Path(sys.executable).parent / "ansible-playbook"), "-vvvv", "-i", "localhost,", str(play(tmp_path))]
    master, slave = pty.openpty()
    name = os.ttyname(slave)

    def become_leader() -> None:
        os.setsid()
        os.close(os.open(name, os.O_RDWR))

    output = subprocess.PIPE if shell else slave
    process = subprocess.Popen(
        command, stdin=slave, stdout=output, stderr=output, env=environment(tmp_path), cwd=tmp_path, preexec_fn=become_leader
    )
    os.close(slave)
    terminal = b""
    deadline = time.monotonic() + 60
    while process.poll() is None and time.monotonic() < deadline:
        if select.select([master], [], [], 0.1)[0]:
            try:
                terminal += os.read(master, 65536)
            except OSError:
                break
            if b"clears the screen" in terminal and not terminal.count(b"\x1b[?1049l"):
                os.write(master, b"\r")
    elsewhere = process.communicate(timeout=30)[0] or b""
    os.close(master)
    log = (tmp_path / "log").read_bytes()
    assert process.returncode == 0, terminal + elsewhere
    shown = terminal.partition(b"\x1b[?1049h")[2].partition(b"\x1b[?1049l")[0]
    assert all(" ".join(group).encode() in shown for group in PUBLISHED.split("-"))
    beside = terminal.replace(shown, b"") + elsewhere + log
    assert [group for group in PUBLISHED.split("-") if group.encode() in beside or " ".join(group).encode() in beside] == []
