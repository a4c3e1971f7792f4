# SPDX-License-Identifier: GPL-3.0-or-later
"""Run the real ansible-playbook against a lab, in an environment of its own, and keep everything it left behind.

Every result is written down by the same callback that the tests of the resolver use: what it sees is what any log collector would see.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from ansible_collections.keyward.bitlocker.tests.lab.entra import read_log as read_tenant_log
from ansible_collections.keyward.bitlocker.tests.lab.estate.writers import inventory
from ansible_collections.keyward.bitlocker.tests.lab.hosts.record import read_log
from ansible_collections.keyward.bitlocker.tests.lab.lab import Lab

ROOT = Path(__file__).resolve().parents[2]
CALLBACKS = ROOT / "tests" / "unit" / "resolver_matrix" / "project" / "callback_plugins"
REPORT_PLAYBOOK = "keyward.bitlocker.escrow_report"
OBSERVE = "Observe the volumes"
REPORT = "Write the escrow report"

#: what could reach a run from the machine it is tested on
_FOREIGN = ("ANSIBLE_", "AZURE_", "MSAL_", "KEYWARD_", "MICROSOFT_AD_", "KRB5", "REQUESTS_", "CURL_", "SSL_", "PYTHON", "PYTEST_")
_FOREIGN_NAMES = frozenset({"HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY", "LDAPTLS_CACERT", "LDAPCONF"})

#: hosts that never answer should not hold a test up
QUICK: dict[str, Any] = {"ansible_winrm_operation_timeout_sec": 3, "ansible_winrm_read_timeout_sec": 4}


def clean_environment(folder: Path) -> dict[str, str]:
    """This process's environment without anything that configures Ansible, TLS, proxies, Kerberos or this collection."""
    kept = {
        name: value for name, value in os.environ.items() if not name.upper().startswith(_FOREIGN) and name.upper() not in _FOREIGN_NAMES
    }
    home = folder / "home"
    home.mkdir(exist_ok=True)
    (folder / "ansible.cfg").touch()
    return kept | {
        "ANSIBLE_CALLBACK_PLUGINS": str(CALLBACKS),
        "ANSIBLE_CALLBACKS_ENABLED": "keyward_record",
        "ANSIBLE_COLLECTIONS_PATH": os.environ["ANSIBLE_COLLECTIONS_PATH"],
        "ANSIBLE_CONFIG": str(folder / "ansible.cfg"),
        "ANSIBLE_FORKS": "10",
        "ANSIBLE_LOCALHOST_WARNING": "false",
        "HOME": str(home),
        "KEYWARD_RECORD": str(folder / "record.jsonl"),
        "LC_ALL": "C.UTF-8",
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }


@dataclass(frozen=True)
class Run:
    """What a run left: its code, everything printed, every result as callbacks saw it, the folder it ran in."""

    code: int
    output: str
    record: list[dict[str, Any]]
    folder: Path

    def events(self, task: str, host: str | None = None) -> list[dict[str, Any]]:
        """The records of one task, by its name."""
        return [entry for entry in self.record if entry["task"] == task and host in (None, entry["host"])]

    def result(self, task: str, host: str = "localhost") -> dict[str, Any]:
        """The last result of one task on one host."""
        found = self.events(task, host)
        assert found, f"{task} never ran on {host}:\n{self.output}"
        return dict(found[-1]["result"])

    def event(self, task: str, host: str = "localhost") -> str:
        """How the last run of one task on one host ended: ok, failed, unreachable, skipped."""
        found = self.events(task, host)
        assert found, f"{task} never ran on {host}:\n{self.output}"
        return str(found[-1]["event"])

    def observation(self, host: str, task: str = OBSERVE) -> dict[str, Any]:
        """The observation that a task returned."""
        return dict(self.result(task, host)["observation"])

    @property
    def report(self) -> dict[str, Any]:
        """The report that the run wrote."""
        path = self.folder / "report" / "escrow-report.json"
        assert path.exists(), self.output
        return dict(json.loads(path.read_text(encoding="utf-8")))

    def no_traceback(self) -> Run:
        """The run, once it is known that nothing in it is a defect's trace."""
        assert "Traceback" not in self.output, self.output
        assert "This is a defect of" not in self.output, self.output
        assert "Traceback (" not in json.dumps(self.record), self.output
        return self


@dataclass
class Player:
    """Plays playbooks in one folder; ``environment`` is added to the clean one."""

    folder: Path
    lab: Lab | None = None
    environment: dict[str, str] = field(default_factory=dict)

    def inventory(self, changes: Mapping[str, Mapping[str, Any]] | None = None, *, only: Sequence[str] | None = None) -> Path:
        """Write the lab's inventory; ``changes`` adds hosts and sets their variables (None removes one), ``only`` leaves others out."""
        assert self.lab is not None
        content = inventory(self.lab.estate, self.lab.ca_file)
        content["windows"]["vars"].update(QUICK)
        hosts = content["windows"]["hosts"]
        for name, values in (changes or {}).items():
            merged = hosts.get(name, {}) | values
            hosts[name] = {key: value for key, value in merged.items() if value is not None}
        if only is not None:
            content["windows"]["hosts"] = {name: hosts[name] for name in only}
        return self.write("inventory.yml", content)

    def variables(self, **changes: Any) -> Path:
        """Write the report's variables for the lab: ``keyward_ad`` and ``keyward_entra`` are merged, others replaced, None is removed."""
        assert self.lab is not None
        content = yaml.safe_load(self.lab.vars_file.read_text(encoding="utf-8"))
        content |= {"keyward_dest": str(self.folder / "report")}
        content["keyward_ad"] |= {"connection_timeout": 2} | (changes.pop("keyward_ad", None) or {})
        if "keyward_entra" in content and changes.get("keyward_entra", {}) is not None:
            content["keyward_entra"] |= {"connection_timeout": 2, "throttle_wait": 2} | changes.pop("keyward_entra", {})
        content |= changes
        return self.write("variables.yml", {key: value for key, value in content.items() if value is not None})

    def write(self, name: str, content: Any) -> Path:
        """Write a YAML file into the folder."""
        path = self.folder / name
        path.write_text(content if isinstance(content, str) else yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
        path.chmod(0o600)
        return path

    def report(self, *arguments: str, hosts: Path | None = None, **variables: Any) -> Run:
        """Run the collection's playbook as its README says."""
        given = self.variables(**variables)
        return self.run(REPORT_PLAYBOOK, "-e", f"@{given}", *arguments, hosts=hosts)

    def play(self, plays: Sequence[Mapping[str, Any]], *arguments: str, hosts: Path | None = None) -> Run:
        """Run plays of the test's own."""
        return self.run(str(self.write("site.yml", [dict(play) for play in plays])), *arguments, hosts=hosts)

    def run(self, playbook: str, *arguments: str, hosts: Path | None = None) -> Run:
        """Run a playbook by file or by name."""
        command = ["ansible-playbook", "-i", str(hosts or self.inventory()), *arguments, playbook]
        return self.command(command)

    def command(self, command: Sequence[str]) -> Run:
        """Run a command in the folder and collect what it left."""
        record = self.folder / "record.jsonl"
        record.unlink(missing_ok=True)
        environment = clean_environment(self.folder) | self.environment
        executable = shutil.which(command[0], path=environment["PATH"])
        assert executable, command[0]
        done = subprocess.run(
            [executable, *command[1:]],
            cwd=self.folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=180,
            check=False,
        )
        lines = record.read_text(encoding="utf-8").splitlines() if record.exists() else []
        return Run(done.returncode, done.stdout + done.stderr, [json.loads(line) for line in lines], self.folder)


#: no host is called that
_LDAP, _ENTRA = " ldap", " entra"


class Watch:
    """What a lab's hosts, its directory and its tenant saw from the moment this was made until :meth:`stop`, or until now."""

    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        self._begin = self._lengths()
        self._end: dict[str, int] | None = None

    def stop(self) -> Watch:
        """Look away: what happens from here on is somebody else's."""
        self._end = self._lengths()
        return self

    def _lengths(self) -> dict[str, int]:
        lengths = {name: len(self._log(name)) for name in self._names()}
        return lengths | {
            _LDAP: len(self._lab.proxy.records()) if self._lab.proxy else 0,
            _ENTRA: len(list(read_tenant_log(self._lab.logs))),
        }

    def _names(self) -> list[str]:
        return [host.inventory_name for host in self._lab.estate.hosts]

    def _log(self, host: str) -> list[dict[str, Any]]:
        return list(read_log(self._lab.logs / "hosts", host))

    def _within(self, name: str, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return rows[self._begin[name] : None if self._end is None else self._end[name]]

    def host(self, name: str) -> list[dict[str, Any]]:
        """One host's connections and exchanges."""
        return self._within(name, self._log(name))

    def hosts(self) -> dict[str, list[dict[str, Any]]]:
        """Every host's."""
        return {name: self.host(name) for name in self._names()}

    def ldap(self) -> list[dict[str, Any]]:
        """Every decoded LDAP request, and how each search ended."""
        assert self._lab.proxy is not None
        return self._within(_LDAP, self._lab.proxy.records())

    def entra(self) -> list[dict[str, Any]]:
        """Every request that the tenant's token service and Graph got."""
        return self._within(_ENTRA, list(read_tenant_log(self._lab.logs)))


def task(name: str, module: str, arguments: Mapping[str, Any] | None = None, **keywords: Any) -> dict[str, Any]:
    """One task of this collection."""
    return {"name": name, f"keyward.bitlocker.{module}": dict(arguments or {})} | keywords


def play(hosts: str, *tasks: Mapping[str, Any], **keywords: Any) -> dict[str, Any]:
    """One play without facts."""
    return {"hosts": hosts, "gather_facts": False, "tasks": [dict(one) for one in tasks]} | keywords
