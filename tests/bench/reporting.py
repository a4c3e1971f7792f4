# SPDX-License-Identifier: GPL-3.0-or-later
"""What the whole report of a large fleet costs, and how quick its page is.

The fleet is the one of judging.py, joined to Entra ID as well: 20,000 computers, 40,000 volumes, 60,000 protectors, of which 40,000 are
looked up in both stores. Each report is made in a fresh process (report_writer.py), first into an empty folder, then over the earlier
report, which is compared. The page of that very report is then opened in a headless Chromium: the worst change of a control counts, of
each change the best of several, as other work on the machine is not the page's.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from ansible_collections.keyward.bitlocker.tests.integration.chromium import Chromium, executable
from ansible_collections.keyward.bitlocker.tests.lab.lab import clear, python_path

from . import measure, page
from .figures import Figure
from .judging import PROTECTORS
from .measure import BenchError

SECONDS, MIB, FILTER_MS, FIRST_PAINT_MS = 12, 1024, 150, 1500
MODULE = "ansible_collections.keyward.bitlocker.tests.bench.report_writer"
PAGE = "escrow-report.html"


def measure_reporting(folder: Path, *, computers: int, times: int) -> list[Figure]:
    """Report the fleet into an empty folder and again over what lies there, several times; then open the page.

    Raises:
        BenchError: there is no browser, or the fleet is not what it should be.
    """
    if executable() is None:
        raise BenchError("Chromium is missing. Install with: apt-get install -y --no-install-recommends chromium")
    firsts, agains = [], []
    for _unused in range(times):
        clear(folder)
        firsts.append(_report(folder, computers))
        agains.append(_report(folder, computers))
    with Chromium() as browser:
        figures = report_figures(firsts, agains, computers) + page_figures(*_look(browser, folder / PAGE, times), computers)
    clear(folder)
    return figures


def _report(folder: Path, computers: int) -> dict[str, Any]:
    environment = {"PATH": os.defpath, "PYTHONPATH": python_path()}
    said = measure.answer([sys.executable, "-m", MODULE, str(folder), str(computers)], environment)
    if said["protectors"] != computers * PROTECTORS:
        raise BenchError(f"the fleet has {said['protectors']} protectors")
    print(f"  report {said['wall']:.2f} s ({said['cpu']:.2f} s CPU), {said['mib']:.0f} MiB", flush=True)
    return said


def _look(browser: Chromium, path: Path, times: int) -> tuple[list[float], dict[str, list[float]]]:
    """Milliseconds until the first paint, and until a change of a control is shown, by change."""
    browser.size(1600, 1000)
    paints: list[float] = []
    changes: dict[str, list[float]] = {f"{name}={value}": [] for name, value in page.CHANGES}
    for _unused in range(times):
        browser.open(path.as_uri())
        paints.append(page.first_paint_ms(browser))
        for name, value in page.CHANGES:
            changes[f"{name}={value}"].append(page.filter_ms(browser, name, value))
    print(f"  first paint {min(paints):.0f} ms; " + ", ".join(f"{name} {min(found):.0f}" for name, found in changes.items()), flush=True)
    return paints, changes


def report_figures(firsts: Sequence[Mapping[str, Any]], agains: Sequence[Mapping[str, Any]], computers: int) -> list[Figure]:
    """The figures of several reports, each into an empty folder, and over an earlier report."""
    size = f"{computers} computers, {computers * PROTECTORS} protectors, AD and Entra"
    how = f"{size}: join, verdicts, JSON, CSV and HTML written, in a fresh process"
    return [
        Figure(
            name="report_20k_seconds",
            value=median(said["wall"] for said in firsts),
            unit="s",
            bound=SECONDS,
            note=f"{how}; median of {len(firsts)}",
        ),
        Figure(
            name="report_20k_mib",
            value=max(said["mib"] for said in [*firsts, *agains]),
            unit="MiB",
            bound=MIB,
            note=f"{how}; the most that any process held, the fleet in memory included",
        ),
        Figure(name="report_20k_cpu_seconds", value=median(said["cpu"] for said in firsts), unit="s", note="for information"),
        Figure(
            name="report_20k_again_seconds",
            value=median(said["wall"] for said in agains),
            unit="s",
            note="for information: over an earlier report, with what changed",
        ),
    ]


def page_figures(paints: Sequence[float], changes: Mapping[str, Sequence[float]], computers: int) -> list[Figure]:
    """The figures of a page that was opened several times."""
    worst = max(changes, key=lambda name: min(changes[name]))
    where = f"the page of {computers} computers with two volumes each in headless Chromium; best of {len(paints)}"
    return [
        Figure(
            name="html_20k_filter_ms",
            value=min(changes[worst]),
            unit="ms",
            bound=FILTER_MS,
            note=f"from the change of a control to the next painted frame, the slowest of {len(changes)} changes ({worst}); {where}",
        ),
        Figure(
            name="html_20k_first_paint_ms",
            value=min(paints),
            unit="ms",
            bound=FIRST_PAINT_MS,
            note=f"from the start of loading until the table's rows are painted; {where}",
        ),
    ]
