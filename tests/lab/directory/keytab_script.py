# SPDX-License-Identifier: GPL-3.0-or-later
"""Export service keys from a directory's database into a keytab; run by the distribution's own Python.

Usage: keytab_script.py TREE < {"keytab": path, "principals": [name@REALM, …]}.
"""

from __future__ import annotations

import importlib
import json
import sys


def main() -> int:
    """Export what standard input names."""
    tree, wanted = sys.argv[1], json.load(sys.stdin)
    lp = importlib.import_module("samba.param").LoadParm()
    lp.load(f"{tree}/etc/smb.conf")
    network = importlib.import_module("samba.net").Net(None, lp)
    # importing it adds export_keytab to Net
    importlib.import_module("samba.dckeytab")
    for principal in wanted["principals"]:
        network.export_keytab(keytab=wanted["keytab"], principal=principal)
    return 0


if __name__ == "__main__":
    sys.exit(main())
