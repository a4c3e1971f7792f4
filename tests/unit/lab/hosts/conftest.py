# SPDX-License-Identifier: GPL-3.0-or-later
"""Endpoints for the tests of the lab's hosts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from ansible_collections.keyward.bitlocker.tests.lab.model import LabHost
    from ansible_collections.keyward.bitlocker.tests.unit.lab.hosts.raw import Lab


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Callable[..., Lab]]:
    """Starts endpoints of hosts, stops them at the end."""
    # a conftest named on the command line is read before the root's has installed the collection finder
    from ansible_collections.keyward.bitlocker.tests.unit.lab.hosts.raw import Lab

    started: list[Lab] = []

    def make(*hosts: LabHost) -> Lab:
        made = Lab(tmp_path, list(hosts))
        started.append(made)
        return made

    yield make
    for item in started:
        item.endpoint.stop()
