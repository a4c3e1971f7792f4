# SPDX-License-Identifier: GPL-3.0-or-later
"""What our task costs the controller beside a PowerShell module's.

Both run over HTTPS with Basic against the same hosts in the same run, as ansible-playbook runs them: 10 forks, no facts, one task. What
counts is the processor time of ansible-playbook and all its workers, less that of an equal play whose task does nothing and does it on the
controller (``debug``). So start-up, the inventory, forking a worker for every host and templating its task are nobody's, and what is left
is the task's own: loading the plugins, building and sending a module or asking a class, TLS, reading answers. ``win_ping`` is the smallest
PowerShell module there is; any module that does something costs more. Rounds are interleaved, the order turns from round to round, the
first round warms caches up and is not counted, and the median of the rounds' own ratios is the figure. For information the same stands
beside it with Ansible's own work on both sides: less a play without a task.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path

from .figures import Figure, median_of, ratio_of_rounds
from .workstations import Workstations, listening, workstation

OURS, OURS_PYWINRM, POWERSHELL, LARGER, CONTROLLER, NOTHING = "ours", "ours_pywinrm", "win_ping", "win_service_info", "debug", "noop"
TASKS = {
    NOTHING: "meta: noop",
    CONTROLLER: "ansible.builtin.debug: {msg: done}",
    OURS: "{keyward.bitlocker.volume_info: , vars: {keyward_adapter: lean}}",
    POWERSHELL: "ansible.windows.win_ping:",
    OURS_PYWINRM: "{keyward.bitlocker.volume_info: , vars: {keyward_adapter: pywinrm}}",
    LARGER: "ansible.windows.win_service_info: {name: WinRM}",
}
BOUND = 0.6


def measure_tasks(folder: Path, collections: Path, *, hosts: int, rounds: int) -> list[Figure]:
    """Play every task on all hosts, round after round."""
    rng = random.Random("keyward bench tasks")
    with listening(folder, [workstation(rng, f"pc{number:03}") for number in range(hosts)]) as lab:
        return task_figures([_round(lab, collections, number) for number in range(rounds + 1)][1:], hosts)


def _round(lab: Workstations, collections: Path, number: int) -> dict[str, float]:
    turned = [*TASKS][number % len(TASKS) :] + [*TASKS][: number % len(TASKS)]
    costs = {name: lab.play(name, TASKS[name], collections=[collections]).cpu for name in turned}
    print(f"  round {number}: " + ", ".join(f"{name} {costs[name]:.2f}" for name in TASKS) + " s CPU", flush=True)
    return costs


def task_figures(rounds: Sequence[dict[str, float]], hosts: int) -> list[Figure]:
    """The figures of measured rounds, each the seconds of processor by task."""
    how = f"CPU of ansible-playbook and its workers on {hosts} hosts, less an equal play of debug; median of {len(rounds)} rounds"
    ratios = (
        ("task_cpu_ratio_to_powershell", OURS, POWERSHELL, CONTROLLER, BOUND, f"volume_info (lean) against win_ping; {how}"),
        ("task_cpu_ratio_pywinrm", OURS_PYWINRM, POWERSHELL, CONTROLLER, None, f"volume_info (pywinrm) against win_ping; {how}"),
        ("task_cpu_ratio_to_win_service_info", OURS, LARGER, CONTROLLER, None, "for information: against a module that asks something"),
        ("task_cpu_ratio_with_ansibles_own", OURS, POWERSHELL, NOTHING, None, "for information: forking and dispatch on both sides"),
    )
    figures = [
        Figure(name=name, value=ratio_of_rounds(rounds, ours, theirs, ground), unit="ratio", bound=bound, note=note)
        for name, ours, theirs, ground, bound, note in ratios
    ]
    for name in (CONTROLLER, OURS, OURS_PYWINRM, POWERSHELL, LARGER):
        cost = median_of(rounds, name, NOTHING) / hosts * 1000
        figures.append(Figure(name=f"task_cpu_{name}", value=cost, unit="ms/host", note="for information"))
    return figures
