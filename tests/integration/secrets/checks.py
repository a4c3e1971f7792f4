# SPDX-License-Identifier: GPL-3.0-or-later
"""What every watched run must satisfy."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from ansible_collections.keyward.bitlocker.tests.integration.secrets.box import INPUTS, PROCESSES, Box
from ansible_collections.keyward.bitlocker.tests.integration.secrets.ground import Ground
from ansible_collections.keyward.bitlocker.tests.integration.secrets.scanner import Leak


def leaks_of(box: Box, ground: Ground) -> list[Leak]:
    """Every secret that the run left anywhere, those included that were made while it lasted."""
    ground.learn()
    return sorted(ground.scanner.scan_files(box.folder, inputs=[INPUTS]))


def assert_clean(box: Box, ground: Ground, *, environment: Collection[str] = ()) -> None:
    """No secret anywhere, and nothing written where nobody looked.

    ``environment`` are secrets that the run got by its environment: the kernel shows them in Ansible's own processes, nothing else may.
    """
    found = leaks_of(box, ground)
    shown = {leak.secret for leak in found if leak.place == PROCESSES}
    problems = [f"the environment had no {name}, or nobody looked" for name in environment if name not in shown]
    problems += [f"written where nobody looks: {path}" for path in box.written_elsewhere()]
    problems += [f"trouble while watching: {note}" for note in box.notes("trouble")]
    problems += [f"not guarded against core dumps: {note}" for note in unguarded(box, ground)]
    problems += [str(leak) for leak in found if leak.place != PROCESSES or leak.secret not in environment]
    if problems:
        raise AssertionError("\n".join(problems[:40]))


def unguarded(box: Box, ground: Ground) -> list[dict[str, Any]]:
    """Who spoke to a host or a directory and would have left a core dump, or could be read by others of the same account."""
    network = f"127.{ground.lab.block.number}."
    spoke = [note for note in box.notes("connect") if isinstance(note["address"], list) and str(note["address"][0]).startswith(network)]
    return [note for note in spoke if note["core"] != [0, 0] or note["dumpable"] != 0]
