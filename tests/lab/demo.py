# SPDX-License-Identifier: GPL-3.0-or-later
"""The demo: a lab, the playbook as a user runs it, the report, and whether it says what is true.

``run`` clears its folder and leaves ``escrow-report.json`` and ``truth.json`` there, the logs of the lab below ``lab/``.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from pathlib import Path

from ansible_collections.keyward.bitlocker.tests.lab.estate.compare import compare
from ansible_collections.keyward.bitlocker.tests.lab.lab import Lab, LabOptions, clear

PLAYBOOK = "keyward.bitlocker.escrow_report"
REPORT = "escrow-report.json"


def run(folder: Path, options: LabOptions, *, arguments: tuple[str, ...] = ()) -> int:
    """Play the demo; returns 0 when the playbook succeeded and the report equals the truth.

    Args:
        folder: cleared first; must be empty, new, or a demo's own.
        options: what kind of lab; with a fault the run is told to accept an incomplete report.
        arguments: more arguments for ansible-playbook.
    """
    folder = folder.resolve()
    clear(folder)
    started = time.monotonic()
    with Lab(folder / "lab", options) as lab:
        size = f"{len(lab.estate.hosts)} hosts, {len(lab.estate.entries)} recovery entries"
        print(f"lab up after {time.monotonic() - started:.1f} s: {size}", flush=True)
        command = ["ansible-playbook", "-i", str(lab.inventory_file), "-e", f"@{lab.vars_file}", "-e", f"keyward_dest={folder}"]
        if options.fault is not None:
            command += ["-e", "keyward_allow_incomplete=true"]
        environment = {"ANSIBLE_FORKS": "10", **lab.environment()}
        print("$ " + " ".join(["ansible-playbook", "-i", "inventory.yml", "-e", "@estate.yml", PLAYBOOK]), flush=True)
        played = subprocess.run([*command, *arguments, PLAYBOOK], env=environment, cwd=folder, check=False)
        shutil.copy(lab.truth_file, folder / "truth.json")
    print(f"lab stopped; {time.monotonic() - started:.1f} s in all")
    return _verdict(folder, played.returncode)


def _verdict(folder: Path, return_code: int) -> int:
    if return_code != 0 or not (folder / REPORT).exists():
        print(f"the playbook ended with return code {return_code}", file=sys.stderr)
        return return_code or 1
    report = json.loads((folder / REPORT).read_text(encoding="utf-8"))
    differences = compare(report, json.loads((folder / "truth.json").read_text(encoding="utf-8")))
    for line in differences[:50]:
        print(f"not the truth: {line}", file=sys.stderr)
    print(f"report: {folder / REPORT}\ntruth:  {folder / 'truth.json'}")
    if differences:
        print(f"the report differs from the truth in {len(differences)} places", file=sys.stderr)
        return 1
    print("the report equals the truth in every verdict, flag, finding and store state")
    return 0
