# SPDX-License-Identifier: GPL-3.0-or-later
"""pytest plugin of ``make soak``: the property tests alone, each with SOAK_EXAMPLES examples and no deadline.

    SOAK_EXAMPLES=5000 PYTHONPATH=tests/fuzz python -m pytest -p deep_examples tests/unit

A number that a test names in ``@settings`` wins over every profile of hypothesis, so the settings that a test carries are replaced. Where
hypothesis keeps them is not documented; if it moves them, this stops and says so.
"""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, is_hypothesis_test, settings

_PLACE = "_hypothesis_internal_use_settings"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keep the property tests, and deepen them."""
    examples = int(os.environ.get("SOAK_EXAMPLES", "5000"))
    chosen, others = [], []
    for item in items:
        function = getattr(getattr(item, "obj", None), "__func__", getattr(item, "obj", None))
        if function is None or not is_hypothesis_test(function):
            others.append(item)
            continue
        if not isinstance(getattr(function, _PLACE, None), settings):
            raise pytest.UsageError(f"hypothesis keeps the settings of {item.nodeid} somewhere else now: see {__file__}")
        given = getattr(function, _PLACE)
        setattr(
            function,
            _PLACE,
            settings(given, max_examples=max(examples, given.max_examples), deadline=None, suppress_health_check=list(HealthCheck)),
        )
        chosen.append(item)
    if not chosen:
        raise pytest.UsageError("no property test was found")
    items[:] = chosen
    config.hook.pytest_deselected(items=others)
