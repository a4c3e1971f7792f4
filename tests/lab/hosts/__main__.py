# SPDX-License-Identifier: GPL-3.0-or-later
"""Play the hosts of an estate until SIGTERM or SIGINT: python -m ansible_collections.keyward.bitlocker.tests.lab.hosts --estate FILE ..."""

from __future__ import annotations

import argparse
import resource
import signal
import sys
from pathlib import Path

from ..model import Estate
from ..pki import LabCA
from ..serialize import from_json
from .around import Surroundings
from .directory_escrow import DirectoryEscrow, own_computers
from .escrow import Stores
from .kept import with_kept_hosts
from .server import start
from .tenant_escrow import TenantEscrow


def main() -> int:
    """Start, say so, wait for the signal, stop."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--estate", type=Path, required=True, help="estate as written by tests/lab/serialize.py")
    parser.add_argument("--ca", type=Path, required=True, help="folder of the lab's authorities")
    parser.add_argument("--state", type=Path, required=True, help="folder for account files")
    parser.add_argument("--logs", type=Path, required=True, help="folder for one log a host")
    parser.add_argument("--keytab", type=Path, help="keys of the hosts' HTTP services, for Kerberos")
    parser.add_argument("--directory", help="address of the directory that they back up to")
    parser.add_argument("--tenant", help="https root of the Entra tenant that they back up to")
    parser.add_argument("--changed", type=Path, help="folder for what becomes of them")
    parser.add_argument("--progress", type=int, default=0, help="points that a conversion gains whenever somebody asks (%(default)s)")
    parser.add_argument("--shift-ports", type=int, default=0, help="listen so many ports above their own (%(default)s)")
    parser.add_argument("--ready", type=Path, help="file to make when every host listens; the line READY goes to standard output too")
    options = parser.parse_args()
    # a thousand listeners and their connections pass the usual soft limit of 1024
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard if hard != resource.RLIM_INFINITY else max(soft, 65536), hard))
    signals = {signal.SIGTERM, signal.SIGINT}
    signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    estate = from_json(options.estate.read_text(encoding="utf-8"))
    authority = LabCA(options.ca)
    if options.changed is not None:
        with_kept_hosts(estate, options.changed)
    around = Surroundings(
        escrow=_stores(estate, authority.ca_pem, options.directory, options.tenant),
        changed=options.changed,
        progress=options.progress,
        shift=options.shift_ports,
    )
    endpoint = start(estate.hosts, authority, options.state, options.logs, keytab=options.keytab, around=around)
    if options.ready:
        options.ready.write_text("ready\n", encoding="utf-8")
    print("READY", flush=True)
    signal.sigwait(signals)
    endpoint.stop()
    return 0


def _stores(estate: Estate, ca_file: Path, directory: str | None, tenant: str | None) -> Stores:
    made = Stores()
    if directory is not None:
        made.directory = DirectoryEscrow(server=directory, realm=estate.realm, ca_file=ca_file, computers=own_computers(estate.computers))
    if tenant is not None and estate.entra_tenant_id is not None:
        made.tenant = TenantEscrow(url=tenant, tenant_id=estate.entra_tenant_id, seed=estate.seed, ca_file=ca_file)
    return made


if __name__ == "__main__":
    sys.exit(main())
