# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes down all that a callback is given: results, task fields, statistics. For the secrets test alone.

The arguments of tasks go into a file of their own, and only where KEYWARD_ARGUMENTS names one: Ansible hands them to every callback,
templated, whatever the collection does.
"""

from __future__ import annotations

import json
import os
from typing import Any

from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
name: everything
type: aggregate
short_description: writes down everything that callbacks get
description: For the secrets test.
"""


class CallbackModule(CallbackBase):
    """Every event as one JSON line, and as what ``repr`` makes of it."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "everything"
    CALLBACK_NEEDS_ENABLED = True

    def v2_on_any(self, *arguments: Any, **named: Any) -> None:
        """Called for every event."""
        with open(os.environ["KEYWARD_EVERYTHING"], "a", encoding="utf-8", errors="surrogateescape") as stream:
            for value in (*arguments, *named.values()):
                stream.write(json.dumps(self._described(value), default=repr) + "\n")

    def _described(self, value: Any) -> Any:
        if hasattr(value, "_result"):
            self._note_arguments(value)
            fields = {name: field for name, field in value._task_fields.items() if name != "args"}
            return {"task": value._task.get_name(), "result": value._result, "repr": repr(value._result), "fields": fields}
        if hasattr(value, "get_name"):
            # of a host the name alone: its variables are the inventory
            return {"name": value.get_name(), "arguments": repr(getattr(value, "args", None))}
        return repr(value)

    def _note_arguments(self, value: Any) -> None:
        path = os.environ.get("KEYWARD_ARGUMENTS")
        if path:
            with open(path, "a", encoding="utf-8", errors="surrogateescape") as stream:
                stream.write(json.dumps({"task": value._task.get_name(), "args": value._task_fields.get("args")}, default=repr) + "\n")
