# SPDX-License-Identifier: GPL-3.0-or-later
"""The demo: a lab, the playbook as a user runs it, the report, and whether it says what is true.

``run`` clears its folder and leaves the report in every form and ``truth.json`` there, what ansible-playbook said in ``playbook.log``, and
the logs of the lab below ``lab/``. With ``again`` there is a ledger, and a second run below ``again/``: see later.py.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ansible_collections.keyward.bitlocker.tests.lab import later, recap
from ansible_collections.keyward.bitlocker.tests.lab.estate.compare import compare
from ansible_collections.keyward.bitlocker.tests.lab.lab import Lab, LabError, LabOptions, clear

PLAYBOOK = "keyward.bitlocker.escrow_report"
REPORT = "escrow-report.json"
LOG = "playbook.log"
STORES = {"ad": "Active Directory", "entra": "Entra ID"}
#: what a person does with each file
FILES = {
    "escrow-report.html": "open it in a browser",
    "escrow-report.csv": "a row per protector and store",
    REPORT: "for programs",
    "escrow-report.md": "for a job summary",
    "truth.json": "what a correct report says",
    LOG: "what ansible-playbook said",
}


def run(folder: Path, options: LabOptions, *, again: bool = False, arguments: tuple[str, ...] = ()) -> int:
    """Play the demo; returns 0 when the playbook succeeded and the report equals the truth.

    Args:
        folder: cleared first; must be empty, new, or a demo's own.
        options: what kind of lab; with a fault the run is told to accept an incomplete report.
        again: keep a ledger, change and remove keys that were proven, and run a second time; both reports must equal their truths.
        arguments: more arguments for ansible-playbook.

    Raises:
        LabError: a second run was asked for that could show nothing.
    """
    if again and (options.proof != "live" or options.fault is not None):
        raise LabError("a second run shows what became of keys that the first one proved: it needs --proof live and no fault")
    folder = folder.resolve()
    clear(folder)
    started = time.monotonic()
    with Lab(folder / "lab", options) as lab:
        print(f"lab up after {time.monotonic() - started:.1f} s: {_size(lab)}", flush=True)
        kept = ("-e", json.dumps({"keyward_ledger": _ledger(folder)})) if again else ()
        code, first = _run(lab, folder, (*kept, *arguments)), 0
        if again and code == 0:
            first = _conclude(folder, code)
            for item in later.go_on(lab):
                print(f"meanwhile: {item.computer} {item.volume}: the key in {STORES[item.store]} {item.kind}", flush=True)
            folder = folder / "again"
            folder.mkdir()
            code = _run(lab, folder, (*kept, *arguments))
    print(f"lab stopped; {time.monotonic() - started:.1f} s in all")
    return _conclude(folder, code) or first


def _ledger(folder: Path) -> dict[str, str]:
    """The option ``ledger``: the database and the key that its rows are sealed with, not beside each other."""
    return {"path": str(folder / "ledger" / "ledger.db"), "hmac_key_file": str(folder / "ledger.key")}


def _run(lab: Lab, folder: Path, arguments: tuple[str, ...]) -> int:
    """One run, whose report and truth are left in the folder; the playbook's return code."""
    command = ["ansible-playbook", "-i", str(lab.inventory_file), "-e", f"@{lab.vars_file}", "-e", f"keyward_dest={folder}"]
    if lab.options.fault is not None:
        command += ["-e", "keyward_allow_incomplete=true"]
    environment = {"ANSIBLE_FORKS": "10", **_colours(), **lab.environment()}
    print("$ " + " ".join(["ansible-playbook", "-i", "inventory.yml", "-e", "@estate.yml", PLAYBOOK]), flush=True)
    code = _play([*command, *arguments, PLAYBOOK], environment, folder)
    shutil.copy(lab.truth_file, folder / "truth.json")
    return code


def _size(lab: Lab) -> str:
    parts = [f"{len(lab.estate.hosts)} hosts", f"{len(lab.estate.entries)} recovery entries in the directory"]
    if lab.entra is not None:
        parts.append(f"{len(lab.estate.entra_keys)} recovery keys in Entra ID")
    return ", ".join(parts)


def _colours() -> dict[str, str]:
    """ansible-playbook writes into a pipe here: it is told to colour what ends on a terminal."""
    wanted = sys.stdout.isatty() and not {"NO_COLOR", "ANSIBLE_NOCOLOR"}.intersection(os.environ)
    return {"ANSIBLE_FORCE_COLOR": "true"} if wanted else {}


def _play(command: Sequence[str], environment: Mapping[str, str], folder: Path) -> int:
    """Run the playbook and show what it says while it says it; its return code."""
    with subprocess.Popen(command, env=environment, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        try:
            with (folder / LOG).open("wb") as log:
                for text in recap.condensed(process.stdout or (), log, where=folder / LOG):
                    sys.stdout.write(text)
                    sys.stdout.flush()
        except BaseException:
            # gone before its lab
            process.terminate()
            process.wait()
            raise
    return process.returncode


def _conclude(folder: Path, return_code: int) -> int:
    if return_code != 0 or not (folder / REPORT).exists():
        print(f"the playbook ended with return code {return_code}; what it said is in {folder / LOG}", file=sys.stderr)
        return return_code or 1
    report = json.loads((folder / REPORT).read_text(encoding="utf-8"))
    differences = compare(report, json.loads((folder / "truth.json").read_text(encoding="utf-8")))
    sys.stdout.flush()
    for line in differences[:50]:
        print(f"not the truth: {line}", file=sys.stderr)
    print(_ending(folder, report), flush=True)
    if differences:
        print(f"the report differs from the truth in {len(differences)} places", file=sys.stderr)
        return 1
    print("the report equals the truth in every verdict, flag, finding and store state")
    return 0


def _ending(folder: Path, report: Mapping[str, Any]) -> str:
    """The outcome in a line, and the files."""
    summary = report["summary"]
    outcome = "passed" if report["passed"] else "not passed" if report["complete"] else "incomplete, so not passed"
    judged = sum(summary["verdicts"].values())
    counts = f"{summary['computers']} computers, {summary['volumes']} volumes"
    looked = f"{summary['passing']} of {judged} verdicts pass, {summary['could_not_look']} could not be looked at"
    lines = ["", f"{counts}: {looked}: {outcome}"]
    found = {folder / name: use for name, use in FILES.items() if (folder / name).exists()}
    width = max(len(str(path)) for path in found)
    lines += [f"  {path!s:<{width}}   {use}" for path, use in found.items()]
    return "\n".join(lines)
