# SPDX-License-Identifier: GPL-3.0-or-later
"""The tenant of a lab as a child process, with its applications' credentials, and the options a run reads it with."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..directory.processes import Child
from ..model import Estate
from . import accounts

MODULE = "ansible_collections.keyward.bitlocker.tests.lab.entra"
#: faults of the whole store, by what they do
FAULTS = {
    "entra_down": "neither the token service nor Graph accepts connections",
    "entra_throttled": "Graph answers every request with 429",
}
#: seconds in all that a run waits for a Graph that will never have time
THROTTLE_WAIT = 5


class EntraChild:
    """A lab's tenant.

    Args:
        estate: must have a tenant; applications are added where it has none, and credentials to the report's.
        folder: of the lab; credentials go into ``entra/``.
        address: loopback, 443 for token service and Graph, 80 for managed identities.
        ca: folder of the lab's authorities.
        fault: one of FAULTS, or another store's.
        behind: port to listen on where something else stands at 443.
    """

    def __init__(
        self, estate: Estate, folder: Path, *, address: str, ca: Path, ca_pem: Path, fault: str | None, behind: int | None = None
    ) -> None:
        self._estate = estate
        self._folder = folder
        self._ca = ca
        self._ca_pem = ca_pem
        self._fault = fault
        self._behind = behind
        self._child: Child | None = None
        self.address = address
        if not estate.entra_clients:
            estate.entra_clients = accounts.clients(estate.seed)
        #: of the report's application, where the tenant has one
        self.credentials: accounts.CredentialFiles | None = None
        if any(client.display_name == accounts.REPORT for client in estate.entra_clients):
            self.credentials = accounts.write_credentials(estate, folder / "entra")

    @property
    def url(self) -> str:
        """https root of Graph and of the token service."""
        return f"https://{self.address}"

    @property
    def issued_tokens(self) -> Path:
        """A file with every token that was issued."""
        return self._folder / "entra" / "issued-tokens"

    @property
    def escrowed_keys(self) -> Path:
        """A file with every key that a device escrowed since the lab was started; see tenant.kept_keys."""
        return self._folder / "entra" / "escrowed-keys"

    @property
    def device_url(self) -> str:
        """https root where devices escrow, past whatever stands before the tenant."""
        return self.url if self._behind is None else f"{self.url}:{self._behind}"

    @property
    def pid(self) -> int | None:
        """Process ID; None with fault entra_down."""
        return None if self._child is None else self._child.pid

    def start(self, estate_file: Path, environment: Mapping[str, str]) -> None:
        """Start it and wait until it listens.

        Args:
            estate_file: the estate as JSON, written after this object was made.
            environment: adds to this process's.

        Raises:
            ChildError: it did not start.
        """
        if self._fault == "entra_down":
            return
        ready, logs = self._folder / "entra.ready", self._folder / "logs"
        command = [sys.executable, "-m", MODULE, "--estate", str(estate_file), "--ca", str(self._ca), "--listen", self.address]
        command += ["--logs", str(logs), "--ready", str(ready), "--issued", str(self.issued_tokens)]
        command += ["--kept", str(self.escrowed_keys)]
        if self._behind is not None:
            command += ["--port", str(self._behind), "--public-port", "443"]
        if self._fault in FAULTS:
            command += ["--fault", str(self._fault)]
        self._child = Child("entra", command, logs / "entra.log", environment={**os.environ, **environment})
        self._child.wait_for_file(ready, 30.0)

    def stop(self) -> None:
        """Stop it and wait."""
        if self._child is not None:
            self._child.stop()

    def options(self, application: str = accounts.REPORT) -> dict[str, Any]:
        """The option ``entra`` of the report and its modules, as an application of the tenant by its secret."""
        client = accounts.client_named(self._estate, application)
        options = {
            "auth_method": "client_secret",
            "tenant": self._estate.entra_tenant_id,
            "client_id": client.client_id,
            "secret": client.secret,
            "authority": self.url,
            "graph_url": self.url,
            "ca_cert": str(self._ca_pem),
            # whatever the environment says, there is no proxy between a run and its lab
            "proxy": "none",
        }
        return options | ({"throttle_wait": THROTTLE_WAIT} if self._fault == "entra_throttled" else {})
