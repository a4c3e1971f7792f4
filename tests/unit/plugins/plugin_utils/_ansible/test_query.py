# SPDX-License-Identifier: GPL-3.0-or-later
"""JMESPath expressions of users: a result that is data, or a sentence."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._ansible.query import compile_query
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._errors import OptionError

REPORT: dict[str, Any] = {"computers": [{"name": "pc01", "volumes": []}, {"name": "pc02", "volumes": [{"volume": "C:"}]}]}


@pytest.mark.parametrize(
    ("expression", "result"),
    [
        ("computers[].name", ["pc01", "pc02"]),
        ("computers[?volumes].name | [0]", "pc02"),
        ("nothing.here", None),
        ("computers[::2].name", ["pc01"]),
    ],
)
def test_a_result_is_data(expression: str, result: Any) -> None:
    assert compile_query(expression)(REPORT) == result


@pytest.mark.parametrize("expression", ["computers[?", "((", "(" * 5000 + "a" + ")" * 5000, "a b", ""], ids=range(5))
def test_what_is_no_expression_is_refused_at_once(expression: str) -> None:
    with pytest.raises(OptionError, match="option query"):
        compile_query(expression)


@pytest.mark.parametrize("expression", ["&foo", "[&foo]", 'to_number(`"1e999"`)', "sum(computers[].name)", "unknown(@)", "length(`5`)"])
def test_what_has_no_result_is_refused(expression: str) -> None:
    with pytest.raises(OptionError, match="option query"):
        compile_query(expression)(REPORT)
