# SPDX-License-Identifier: GPL-3.0-or-later
"""One reading of a tenant as the report does it, in a process of its own; question and answer as in bare_client.py."""

from __future__ import annotations

import json
import sys
import time
from datetime import UTC, datetime

from ansible_collections.keyward.bitlocker.plugins.plugin_utils._ansible.collector import collector_at_rest
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._stores.entra.settings import EntraSettings
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._stores.entra.store import EntraStore


def main() -> int:
    """Ask, read, answer."""
    options = json.load(sys.stdin)
    wall, cpu = time.monotonic(), time.process_time()
    # as the base of every action has it
    with collector_at_rest():
        store = EntraStore(EntraSettings.from_options(options), now=datetime.now(UTC))
        reading = store.read()
        store.close()
    said = {"wall": time.monotonic() - wall, "cpu": time.process_time() - cpu}
    json.dump(
        {
            **said,
            "devices": sum(not owner.deleted for owner in reading.owners),
            "keys": sum(not entry.deleted for entry in reading.entries),
            "state": reading.state.value,
            "reason": reading.reason,
        },
        sys.stdout,
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
