# SPDX-License-Identifier: GPL-3.0-or-later
"""Tenants for the tests of the lab's Entra ID."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from ansible_collections.keyward.bitlocker.tests.unit.lab.entra.tenants import Lab


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Callable[..., Lab]]:
    """Starts tenants (settings as keyword arguments), stops them at the end."""
    # a conftest named on the command line is read before the root's has installed the collection finder
    from ansible_collections.keyward.bitlocker.tests.unit.lab.entra.tenants import run, tenant

    started: list[Lab] = []

    def make(**settings: Any) -> Lab:
        made = run(tmp_path / str(len(started)), settings.pop("estate", None) or tenant(**settings))
        started.append(made)
        return made

    yield make
    for item in started:
        item.session.close()
        item.endpoint.stop()
