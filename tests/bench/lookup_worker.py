# SPDX-License-Identifier: GPL-3.0-or-later
"""Lookups as a worker of Ansible's makes them: ``python lookup_worker.py``, with options and terms as JSON on standard input.

Ansible's main process has the plugin's options at hand; the worker is a process forked from it, and makes the lookup anew for each item.
What is said, as JSON, is how long that took and what was handed out.
"""

from __future__ import annotations

import json
import multiprocessing
import sys
import time
from multiprocessing.connection import Connection
from typing import Any

from ansible.parsing.dataloader import DataLoader
from ansible.plugins.loader import init_plugin_loader, lookup_loader


def main() -> int:
    """Load the plugin as Ansible does, fork, answer."""
    asked = json.load(sys.stdin)
    init_plugin_loader()
    plugin = lookup_loader.get("keyward.bitlocker.recovery_key", loader=DataLoader())
    context = multiprocessing.get_context("fork")
    here, there = context.Pipe(duplex=False)
    worker = context.Process(target=_items, args=(plugin, asked["terms"], asked["options"], there))
    worker.start()
    there.close()
    sys.stdout.write(here.recv_bytes().decode("utf-8"))
    worker.join()
    return 0


def _items(plugin: Any, terms: list[str], options: dict[str, Any], answer: Connection) -> None:
    started = time.monotonic()
    found = [plugin.run([term], {}, **options) for term in terms]
    answer.send_bytes(json.dumps({"seconds": time.monotonic() - started, "found": found}).encode("utf-8"))
    answer.close()


if __name__ == "__main__":
    sys.exit(main())
