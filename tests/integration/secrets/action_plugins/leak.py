# SPDX-License-Identifier: GPL-3.0-or-later
"""Leaks a secret in every way that a careless plugin could: the positive control of the secrets test. Never used for anything else.

The variable ``canaries`` holds, by kind of secret and name of the way, what to leak; ``kind`` says which kind.
"""

from __future__ import annotations

import base64
import gzip
import os
import socket
import sqlite3
import subprocess
import tempfile
from contextlib import closing
from pathlib import Path
from typing import Any

from ansible import constants
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display


class ActionModule(ActionBase):
    """Each method is a way."""

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Go all ways, or the one that is named."""
        self._address = str((task_vars or {})["address"])
        self._kind = str(self._task.args["kind"])
        values = {name: str(value) for name, value in (task_vars or {})["canaries"][self._kind].items()}
        ways = [name.removeprefix("way_") for name in dir(self) if name.startswith("way_")]
        result: dict[str, Any] = {"changed": False}
        for way in ways:
            result |= getattr(self, f"way_{way}")(values.get(way, "")) or {}
        return result

    def way_result(self, value: str) -> dict[str, Any]:
        return {"shown": value}

    def way_fact(self, value: str) -> dict[str, Any]:
        name = f"leaked_{self._kind}".replace(" ", "_")
        return {"ansible_facts": {name: base64.b64encode(f"x{value}".encode()).decode()}, "_ansible_facts_cacheable": True}

    def way_warning(self, value: str) -> None:
        Display().warning(f"it is {value.replace('-', ' ')} today")

    def way_debug_output(self, value: str) -> None:
        Display().vvvv(f"connected with {value}")

    def way_removed_file(self, value: str) -> None:
        """Written and removed again: a temporary file, compressed."""
        with tempfile.NamedTemporaryFile("wb") as file:
            file.write(gzip.compress(value.encode()))
            file.flush()

    def way_overwritten_file(self, value: str) -> None:
        path = Path(tempfile.gettempdir()) / "overwritten"
        path.write_text(value.encode("utf-16-le").hex())
        path.write_text("nothing")

    def way_local_temp(self, value: str) -> None:
        """Ansible itself removes this folder at its end."""
        Path(constants.DEFAULT_LOCAL_TMP, f"argument {self._kind}").write_text(value.replace("-", ""))

    def way_home(self, value: str) -> None:
        Path(f"~/.ansible/keyward {self._kind}.json").expanduser().write_bytes(value.encode("utf-16-be"))

    def way_report(self, value: str) -> None:
        groups = "".join(f"<td>{group}</td>" for group in value.split("-"))
        Path(os.environ["KEYWARD_EVERYTHING"]).with_name("report").joinpath(f"report {self._kind}.html").write_text(f"<tr>{groups}</tr>")

    def way_ledger(self, value: str) -> None:
        """A row that is deleted again: SQLite leaves it in a free page."""
        path = Path(os.environ["KEYWARD_EVERYTHING"]).with_name("ledger") / f"ledger {self._kind}.db"
        with closing(sqlite3.connect(path, isolation_level=None)) as database:
            database.execute("PRAGMA secure_delete = OFF")
            database.execute("CREATE TABLE proofs (reason TEXT)")
            database.execute("INSERT INTO proofs VALUES (?)", (value,))
            database.execute("DELETE FROM proofs")

    def way_audit(self, value: str) -> None:
        with Path(os.environ["KEYWARD_AUDIT_FILE"]).open("a") as file:
            file.write(f'{{"key": "{value[:27]}"}}\n')

    def way_argument(self, value: str) -> None:
        """The command line of a child that lives for a moment."""
        subprocess.run(["/bin/true", value], check=True)

    def way_child_environment(self, value: str) -> None:
        subprocess.run(["/bin/true"], env={"PASSWORD": value}, check=True)

    def way_own_environment(self, value: str) -> None:
        """Set for a library, and so inherited by a child."""
        os.environ["PASSWORD"] = value
        subprocess.run(["/bin/true"], check=True)
        del os.environ["PASSWORD"]

    def way_grandchild(self, value: str) -> None:
        """Started by something that is no Python, from what it read: nobody but /proc tells."""
        script = 'read value; /bin/sleep 0.5 & exec env "X=$value" /bin/sleep 0.5'
        subprocess.run(["/bin/sh", "-c", script], input=f"{value}\n", text=True, check=True)

    def way_elsewhere(self, value: str) -> None:
        handle, path = tempfile.mkstemp(dir="/tmp")
        os.close(handle)
        os.unlink(path)

    def way_without_a_name(self, value: str) -> None:
        with tempfile.TemporaryFile() as file:
            file.write(value.encode())

    def way_core_dump(self, value: str) -> None:
        """Speaks to the network and could be dumped."""
        with socket.socket() as connection:
            connection.settimeout(1)
            connection.connect_ex((self._address, 1))
