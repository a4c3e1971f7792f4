# SPDX-License-Identifier: GPL-3.0-or-later
"""Run a playbook with the ansible-core of this interpreter, beside the project of probes, and keep all it left behind."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

PROJECT = Path(__file__).parent / "project"


@dataclass(frozen=True)
class Run:
    """What a run left: exit code, everything printed, everything callbacks saw."""

    code: int
    output: str
    record: list[dict[str, Any]]

    def of(self, task: str, host: str | None = None) -> list[dict[str, Any]]:
        """The recorded entries of one task."""
        return [entry for entry in self.record if entry["task"] == task and host in (None, entry["host"])]

    def failure(self, task: str, host: str = "pc01") -> dict[str, Any]:
        """The last recorded result of one task on one host, which must be a failure."""
        assert self.of(task, host)[-1]["event"] == "failed"
        return self.result(task, host)

    def result(self, task: str, host: str = "pc01") -> dict[str, Any]:
        """The last recorded result of one task on one host."""
        return dict(self.of(task, host)[-1]["result"])


def run_playbook(
    folder: Path, plays: list[dict[str, Any]], hosts: dict[str, Any], *arguments: str, files: dict[str, str] | None = None
) -> Run:
    """Run plays on hosts; ``files`` are written into the folder before."""
    shutil.copytree(PROJECT, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "site.yml").write_text(yaml.safe_dump(plays, sort_keys=False), encoding="utf-8")
    (folder / "hosts.yml").write_text(yaml.safe_dump({"all": {"hosts": hosts}}), encoding="utf-8")
    (folder / "ansible.cfg").write_text("", encoding="utf-8")
    for name, content in (files or {}).items():
        (folder / name).write_text(content, encoding="utf-8")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("ANSIBLE_", "KEYWARD_")) and name != "PYTHONPATH"}
    environment = kept | {
        "ANSIBLE_COLLECTIONS_PATH": os.environ["ANSIBLE_COLLECTIONS_PATH"],
        "ANSIBLE_CONFIG": str(folder / "ansible.cfg"),
        "ANSIBLE_CALLBACKS_ENABLED": "keyward_record",
        "ANSIBLE_LOCALHOST_WARNING": "false",
        "HOME": str(folder / "home"),
        "KEYWARD_RECORD": str(folder / "record.jsonl"),
    }
    command = [sys.executable, "-m", "ansible", "playbook", "-i", "hosts.yml", "site.yml", *arguments]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=120, check=False)
    record = folder / "record.jsonl"
    lines = record.read_text(encoding="utf-8").splitlines() if record.exists() else []
    return Run(done.returncode, done.stdout + done.stderr, [json.loads(line) for line in lines])
