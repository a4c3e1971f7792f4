# SPDX-License-Identifier: GPL-3.0-or-later
"""A real directory for the tests of the lab itself."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest


@pytest.fixture(scope="session")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """The small estate in a real Samba, with Kerberos."""
    # imported here: this file is loaded before the root conftest has made the collection importable
    from ansible_collections.keyward.bitlocker.tests.lab.directory import sample

    with sample.running(tmp_path_factory.mktemp("lab"), kerberos=True) as ground:
        yield ground
