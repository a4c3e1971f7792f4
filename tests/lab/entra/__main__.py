# SPDX-License-Identifier: GPL-3.0-or-later
"""Play the Entra tenant of an estate until SIGTERM or SIGINT."""

from __future__ import annotations

import argparse
import json
import signal
import sys
from pathlib import Path

from ..pki import LabCA
from ..serialize import from_json
from .behaviour import throttled
from .server import start

FAULTS = ("entra_down", "entra_throttled")


def main() -> int:
    """Start, say so, wait for the signal, stop."""
    parser = argparse.ArgumentParser(description="Play the Entra tenant of an estate.")
    parser.add_argument("--estate", type=Path, required=True, help="estate as written by tests/lab/serialize.py")
    parser.add_argument("--ca", type=Path, required=True, help="folder of the lab's authorities")
    parser.add_argument("--listen", required=True, help="loopback address")
    parser.add_argument("--port", type=int, default=443, help="of sign-in and Graph (%(default)s)")
    parser.add_argument("--identity-port", type=int, default=80, help="of managed identities, http (%(default)s)")
    parser.add_argument("--logs", type=Path, required=True, help="folder of the log")
    parser.add_argument("--public-port", type=int, help="the port that clients know, where something stands before this one")
    parser.add_argument("--kept", type=Path, help="file of the keys that devices escrow")
    parser.add_argument("--issued", type=Path, help="file that gets every token issued")
    parser.add_argument("--ready", type=Path, help="file to make when it listens: addresses, as JSON")
    parser.add_argument("--fault", choices=FAULTS, help="entra_down: nothing listens; entra_throttled: Graph refuses everything with 429")
    options = parser.parse_args()
    signals = {signal.SIGTERM, signal.SIGINT}
    signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    estate = from_json(options.estate.read_text(encoding="utf-8"))
    ports = {"port": options.port, "identity_port": options.identity_port}
    endpoint = start(
        estate,
        LabCA(options.ca),
        options.logs,
        address=options.listen,
        issued=options.issued,
        public_port=options.public_port,
        kept=options.kept,
        **ports,
    )
    if options.fault == "entra_throttled":
        endpoint.tenant.behaviour.faults += throttled()
    if options.fault == "entra_down":
        endpoint.stop()
    if options.ready:
        where = {"url": endpoint.url, "authority": endpoint.authority, "identity_url": endpoint.identity_url}
        # complete once it is there
        temporary = options.ready.with_suffix(".new")
        temporary.touch(mode=0o600)
        temporary.write_text(json.dumps({**where, "identity_secret": endpoint.identity_secret}) + "\n", encoding="utf-8")
        temporary.replace(options.ready)
    print("READY", flush=True)
    signal.sigwait(signals)
    endpoint.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
