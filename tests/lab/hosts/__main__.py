# SPDX-License-Identifier: GPL-3.0-or-later
"""Play the hosts of an estate until SIGTERM or SIGINT: python -m ansible_collections.keyward.bitlocker.tests.lab.hosts --estate FILE ..."""

from __future__ import annotations

import argparse
import resource
import signal
import sys
from pathlib import Path

from ..pki import LabCA
from ..serialize import from_json
from .server import start


def main() -> int:
    """Start, say so, wait for the signal, stop."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--estate", type=Path, required=True, help="estate as written by tests/lab/serialize.py")
    parser.add_argument("--ca", type=Path, required=True, help="folder of the lab's authorities")
    parser.add_argument("--state", type=Path, required=True, help="folder for account files")
    parser.add_argument("--logs", type=Path, required=True, help="folder for one log a host")
    parser.add_argument("--keytab", type=Path, help="keys of the hosts' HTTP services, for Kerberos")
    parser.add_argument("--ready", type=Path, help="file to make when every host listens; the line READY goes to standard output too")
    options = parser.parse_args()
    # a thousand listeners and their connections pass the usual soft limit of 1024
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard if hard != resource.RLIM_INFINITY else max(soft, 65536), hard))
    signals = {signal.SIGTERM, signal.SIGINT}
    signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    estate = from_json(options.estate.read_text(encoding="utf-8"))
    endpoint = start(estate.hosts, LabCA(options.ca), options.state, options.logs, keytab=options.keytab)
    if options.ready:
        options.ready.write_text("ready\n", encoding="utf-8")
    print("READY", flush=True)
    signal.sigwait(signals)
    endpoint.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
