# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""JMESPath expressions that the user writes: compiled before any work is done, so that a typing error costs nothing."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from .._errors import OptionError

try:
    import jmespath
    from jmespath.exceptions import JMESPathError
except ImportError:  # reported by the action's require()
    pass


def compile_query(expression: str) -> Callable[[Mapping[str, Any]], Any]:
    """A function from a report to the expression's result; OptionError, at once or from the function, where the expression is wrong."""
    try:
        compiled = jmespath.compile(expression)
    except (JMESPathError, RecursionError) as error:
        raise _refused(str(error)) from error

    def search(report: Mapping[str, Any]) -> Any:
        try:
            found = compiled.search(report)
        except (JMESPathError, RecursionError) as error:
            raise _refused(str(error)) from error
        try:
            json.dumps(found, allow_nan=False)
        except (TypeError, ValueError) as error:
            raise _refused("its result holds an expression or a number without end, which is no data") from error
        return found

    return search


def _refused(meaning: str) -> OptionError:
    return OptionError(
        "query the report", target="option query", meaning=meaning.partition("\n")[0], remedy="See https://jmespath.org for the grammar."
    )
