# SPDX-License-Identifier: GPL-3.0-or-later
"""Labs that the tests of this folder share, and a way to run ansible-playbook against them.

What is imported of the collection is imported inside the fixtures: this file is loaded before the collection can be found.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(scope="session")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """The small fleet (estates.fleet) with a directory whose every request is written down."""
    from ansible_collections.keyward.bitlocker.tests.integration import estates
    from ansible_collections.keyward.bitlocker.tests.lab.lab import Lab, LabOptions

    with Lab(tmp_path_factory.mktemp("fleet"), LabOptions(record_ldap=True), estate=estates.fleet()) as lab:
        yield lab


@pytest.fixture(scope="session")
def hybrid(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """The small fleet with a tenant beside its directory (tenants.hybrid_fleet); every LDAP request is written down."""
    from ansible_collections.keyward.bitlocker.tests.integration import tenants
    from ansible_collections.keyward.bitlocker.tests.lab.lab import Lab, LabOptions

    with Lab(tmp_path_factory.mktemp("hybrid"), LabOptions(record_ldap=True), estate=tenants.hybrid_fleet()) as lab:
        yield lab


@pytest.fixture(scope="session")
def ways(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """One host for each way to authenticate (estates.transports), in a domain with a KDC."""
    from ansible_collections.keyward.bitlocker.tests.integration import estates
    from ansible_collections.keyward.bitlocker.tests.lab.lab import Lab, LabOptions

    with Lab(tmp_path_factory.mktemp("ways"), LabOptions(kerberos=True), estate=estates.transports()) as lab:
        yield lab


@pytest.fixture
def player(fleet: Any, tmp_path: Path) -> Any:
    """Plays against the small fleet."""
    from ansible_collections.keyward.bitlocker.tests.integration.playing import Player

    return Player(tmp_path, fleet)


@pytest.fixture(scope="module")
def reported(fleet: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """One run of the report over the whole fleet, with what the fleet and the directory saw of it: (run, watch)."""
    from ansible_collections.keyward.bitlocker.tests.integration.playing import Player, Watch

    watch = Watch(fleet)
    run = Player(tmp_path_factory.mktemp("reported"), fleet).report()
    return run, watch.stop()
