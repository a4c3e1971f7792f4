# SPDX-License-Identifier: GPL-3.0-or-later
"""Run commands and measure them."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

TREE = Path(__file__).with_name("process_tree.py")


class BenchError(RuntimeError):
    """A measurement cannot be made; the text says why, and what to do."""


@dataclass(frozen=True, slots=True)
class Cost:
    """Seconds that a command took, and seconds of processor that it and its descendants used."""

    wall: float
    cpu: float


def answer(command: Sequence[str], environment: Mapping[str, str], *, question: str = "") -> dict[str, Any]:
    """Run a command that answers a JSON object on standard output; ``whole`` in it is how many seconds it all took.

    Raises:
        BenchError: it failed; the text holds the end of what it complained about.
    """
    started = time.monotonic()
    done = subprocess.run(list(command), env=dict(environment), input=question, capture_output=True, text=True, check=False)
    whole = time.monotonic() - started
    if done.returncode != 0:
        raise BenchError(f"{' '.join(command)} ended with status {done.returncode}:\n{done.stderr[-2000:]}")
    return {**json.loads(done.stdout), "whole": whole}


def run(command: Sequence[str], environment: Mapping[str, str], folder: Path, name: str) -> Cost:
    """Run a command with nothing but ``environment``; its output goes to ``<name>.out`` in ``folder``.

    Raises:
        BenchError: it failed; the text holds the end of its output.
    """
    result, output = folder / f"{name}.cost.json", folder / f"{name}.out"
    result.unlink(missing_ok=True)
    with output.open("wb") as out:
        words = [sys.executable, "-I", str(TREE), str(result), *command]
        subprocess.run(words, env=dict(environment), cwd=folder, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT, check=True)
    said = json.loads(result.read_text(encoding="utf-8"))
    if said["status"] != 0:
        raise BenchError(f"{' '.join(command)} ended with status {said['status']}:\n{output.read_text(errors='replace')[-2000:]}")
    return Cost(wall=said["wall"], cpu=said["cpu"])
