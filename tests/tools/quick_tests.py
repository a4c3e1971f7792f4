# SPDX-License-Identifier: GPL-3.0-or-later
"""pytest plugin of ``make check``: the unit tests that answer while a developer waits; ``make test`` runs them all, and in full.

Left out are tests that run ansible-playbook (the target ``cores`` has them, on three versions of it), those of lab and bench, those that
stretch keys for seconds, and those that wait for peers that hang; property tests make a few examples each.
"""

from __future__ import annotations

import pytest
from hypothesis import is_hypothesis_test, settings

EXAMPLES = 10
#: folders below tests/unit that take long, or whose tests are of the tests' own ground
SLOW = ("resolver_matrix", "lab/", "bench/")
SLOW_NAMES = (
    *("key_proof", "test_proving", "test_proof_pool", "test_key_package"),
    *("test_ad_peer", "entra/test_store", "entra/test_auth", "entra/test_hostile", "test_transport_conformance", "test_host.py"),
)

_PLACE = "_hypothesis_internal_use_settings"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave the slow ones out, and let the property tests be brief."""
    chosen, left = [], []
    for item in items:
        path = item.path.as_posix().partition("/tests/unit/")[2]
        if path.startswith(SLOW) or any(name in path for name in SLOW_NAMES):
            left.append(item)
            continue
        chosen.append(item)
        function = getattr(getattr(item, "obj", None), "__func__", getattr(item, "obj", None))
        given = getattr(function, _PLACE, None)
        if function is not None and is_hypothesis_test(function) and isinstance(given, settings):
            setattr(function, _PLACE, settings(given, max_examples=min(EXAMPLES, given.max_examples)))
    config.hook.pytest_deselected(items=left)
    items[:] = chosen
