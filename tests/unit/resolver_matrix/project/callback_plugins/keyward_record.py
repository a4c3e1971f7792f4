# SPDX-License-Identifier: GPL-3.0-or-later
"""A callback that only the tests use: writes down every result as callbacks get to see it, one JSON line each."""

from __future__ import annotations

import json
import os
from typing import Any

from ansible.plugins.callback import CallbackBase

DOCUMENTATION = r"""
name: keyward_record
type: notification
short_description: Record of the tests
description: [Record of the tests.]
"""


class CallbackModule(CallbackBase):
    """Records what any log aggregator could."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "notification"
    CALLBACK_NAME = "keyward_record"

    def _record(self, event: str, result: Any) -> None:
        entry = {"event": event, "host": result._host.get_name(), "task": result._task.get_name(), "result": result._result}
        with open(os.environ["KEYWARD_RECORD"], "a", encoding="utf-8") as file:
            file.write(json.dumps(entry, default=repr) + "\n")

    def v2_runner_on_ok(self, result: Any) -> None:
        self._record("ok", result)

    def v2_runner_on_failed(self, result: Any, ignore_errors: bool = False) -> None:
        self._record("failed", result)

    def v2_runner_on_unreachable(self, result: Any) -> None:
        self._record("unreachable", result)

    def v2_runner_on_skipped(self, result: Any) -> None:
        self._record("skipped", result)

    def v2_runner_retry(self, result: Any) -> None:
        self._record("retry", result)

    def v2_runner_item_on_ok(self, result: Any) -> None:
        self._record("item_ok", result)

    def v2_runner_item_on_failed(self, result: Any) -> None:
        self._record("item_failed", result)
