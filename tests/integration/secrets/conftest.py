# SPDX-License-Identifier: GPL-3.0-or-later
"""One lab for all tests of secrets."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(scope="session")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """The lab, its mirrors and the list of its secrets."""
    # imported here: this file is loaded before the root conftest has made the collection importable
    from ansible_collections.keyward.bitlocker.tests.integration.secrets import ground as lab

    with lab.running(tmp_path_factory.mktemp("secrets")) as running:
        yield running


@pytest.fixture
def box(ground: Any, tmp_path: Path) -> Callable[..., Any]:
    """Makes the folder of a run, with the lab's Kerberos."""
    from ansible_collections.keyward.bitlocker.tests.integration.secrets.box import Box

    def make(name: str = "box", **environment: str) -> Any:
        kerberos = ground.lab.environment()
        return Box(tmp_path / name, {"KRB5_CONFIG": kerberos["KRB5_CONFIG"], **environment})

    return make
