# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab of the secrets test, and the list of every secret in it."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ansible_collections.keyward.bitlocker.tests.integration.secrets import entra_credentials
from ansible_collections.keyward.bitlocker.tests.integration.secrets.entra_mirror import OWN, EntraMirror
from ansible_collections.keyward.bitlocker.tests.integration.secrets.mirrors import Mirrors
from ansible_collections.keyward.bitlocker.tests.integration.secrets.scanner import Scanner
from ansible_collections.keyward.bitlocker.tests.lab.directory import layout
from ansible_collections.keyward.bitlocker.tests.lab.entra import accounts
from ansible_collections.keyward.bitlocker.tests.lab.estate import generator, values
from ansible_collections.keyward.bitlocker.tests.lab.fve import played, stretching
from ansible_collections.keyward.bitlocker.tests.lab.lab import Lab, LabOptions
from ansible_collections.keyward.bitlocker.tests.lab.model import Estate, LabHost

HOSTS = 60
SEED = 7
#: passwords that nobody accepts; secrets all the same, since they may be right elsewhere
WRONG_DIRECTORY_PASSWORD = "Wrong-Directory-8842"
WRONG_HOST_PASSWORD = "Wrong-Host-8843"
#: every character that an escape changes
ODD_PASSWORD = "Lab-\"odd'<&>\\ p%w$-8844"
#: what a host of ours answers is slow or never comes: no reason to wait long here
TIMES = {"ansible_winrm_connection_timeout": 3, "ansible_winrm_operation_timeout_sec": 4, "ansible_winrm_read_timeout_sec": 6}


@dataclass
class Ground:
    """A running lab with its mirrors."""

    lab: Lab
    mirrors: Mirrors
    entra_mirror: EntraMirror
    entra_files: entra_credentials.EntraFiles
    secrets: dict[str, str | bytes]
    scanner: Scanner

    @property
    def hosts(self) -> dict[str, LabHost]:
        """Inventory name -> host."""
        return {host.inventory_name: host for host in self.lab.estate.hosts}

    def with_fault(self, fault: str | None) -> list[str]:
        """Inventory names of hosts that show a fault, or of those that show none."""
        return [host.inventory_name for host in self.lab.estate.hosts if host.fault == fault and host.certificate == "lab"]

    def login(self, account: str = layout.REPORT, **more: Any) -> dict[str, Any]:
        """The options of the directory's store, as variables hold them."""
        known = layout.accounts(self.lab.estate.realm)[account]
        server = {"server": [self.lab.block.directory], "port": layout.LDAPS_PORT, "tls_mode": "ldaps", "ca_cert": str(self.lab.ca_file)}
        return {**server, "username": known.principal, "password": known.password, "timeout": 20, **more}

    def entra(self, application: str = accounts.REPORT, **more: Any) -> dict[str, Any]:
        """The options of the Entra store, as variables hold them; None takes one away."""
        assert self.lab.entra is not None
        options = {**self.lab.entra.options(application), "timeout": 20, **more}
        return {name: value for name, value in options.items() if value is not None}

    @property
    def identity_url(self) -> str:
        """http root of the lab's managed identities."""
        return str(self._ready["identity_url"])

    @property
    def _ready(self) -> dict[str, str]:
        found: dict[str, str] = json.loads((self.lab.folder / "entra.ready").read_text(encoding="utf-8"))
        return found

    def learn_packages(self, names: Iterable[str]) -> dict[str, bytes]:
        """Look for what is in the key packages of these hosts, and for the keys behind them; what there is to look for."""
        found: dict[str, str | bytes] = {}
        for name in names:
            for volume in self.hosts[name].volumes:
                for protector in volume.protectors:
                    if protector.type == played.RECOVERY_PASSWORD:
                        parts = played.secret_parts(self.hosts[name], volume, protector, stretching.shared())
                        found |= {f"{part} of {protector.key_id} of {name}": value for part, value in parts.items()}
        new = {name: value for name, value in found.items() if name not in self.secrets}
        self.secrets |= new
        self.scanner.learn(new)
        return {name: value for name, value in found.items() if isinstance(value, bytes)}

    def learn(self) -> None:
        """Look for what was given out since the last time: tokens, assertions, device codes."""
        assert self.lab.entra is not None
        issued = self.lab.entra.issued_tokens
        tokens = issued.read_text(encoding="ascii").split() if issued.exists() else []
        found: dict[str, str | bytes] = {f"token {number}": token for number, token in enumerate(tokens)}
        found |= self.entra_mirror.told
        new = {name: value for name, value in found.items() if name not in self.secrets and value not in self.secrets.values()}
        self.secrets |= new
        self.scanner.learn(new)


def make_estate() -> Estate:
    """An estate with one host of each fault, hosts for every authentication, key packages, and a password full of marks."""
    estate = generator.generate(SEED, HOSTS, now=datetime.now(UTC), entra=True)
    estate.entra_clients = accounts.clients(SEED)
    estate.hosts = list(_one_of_each(estate.hosts))
    rng = random.Random(SEED)
    for entry in estate.entries:
        entry.key_package = rng.randbytes(160)
    for number, host in enumerate(estate.hosts):
        host.package_frame = played.FRAMES[number % len(played.FRAMES)]
    joined = {
        computer.dns_name: computer for computer in estate.computers if computer.machine_password and computer.enabled and computer.dns_name
    }
    plain = [host for host in estate.hosts if host.fault is None and host.certificate == "lab" and host.dns_name in joined]
    odd, ntlm, kerberos, credssp = plain[:4]
    odd.password = ODD_PASSWORD
    ntlm.transport, ntlm.scheme, ntlm.port = "ntlm", "http", 5985
    credssp.transport = "credssp"
    account = layout.accounts(estate.realm)[layout.REVEAL]
    kerberos.transport, kerberos.username, kerberos.password = "kerberos", account.kerberos_principal, account.password
    return estate


def _one_of_each(hosts: Sequence[LabHost]) -> Iterator[LabHost]:
    seen = set()
    for host in hosts:
        kind = (host.fault, host.certificate)
        if kind == (None, "lab") or kind not in seen:
            seen.add(kind)
            yield host


def secrets_of(estate: Estate) -> dict[str, str | bytes]:
    """Every secret by whose it is: recovery passwords whether escrowed or not, key packages, passwords of hosts, machines and accounts."""
    found: dict[str, str | bytes] = {
        "wrong directory password": WRONG_DIRECTORY_PASSWORD,
        "wrong host password": WRONG_HOST_PASSWORD,
    }
    for account in layout.accounts(estate.realm).values():
        found[f"account {account.name}"] = account.password
    for host in estate.hosts:
        found[f"host {host.inventory_name}"] = host.password
        for volume in host.volumes:
            found |= {f"protector {item.key_id} of {host.inventory_name}": item.password for item in volume.protectors if item.password}
    for computer in estate.computers:
        if computer.machine_password:
            found[f"machine {computer.name}"] = computer.machine_password
    for number, entry in enumerate(estate.entries):
        # a text that is no password at all is public: the same texts are planted where everybody may see them
        if entry.password not in values.NOT_PASSWORDS:
            found[f"entry {number} {entry.key_id}"] = entry.password
        if entry.key_package is not None:
            found[f"package {number} {entry.key_id}"] = entry.key_package
    for number, key in enumerate(estate.entra_keys):
        if key.password not in values.NOT_PASSWORDS:
            found[f"entra {number} {key.key_id}"] = key.password
    for client in estate.entra_clients:
        if client.secret:
            found[f"client {client.display_name}"] = client.secret
    return found


@contextmanager
def running(folder: Path) -> Iterator[Ground]:
    """The lab, started; with a KDC."""
    estate = make_estate()
    with Lab(folder / "lab", LabOptions(kerberos=True), estate=estate) as lab:
        assert lab.authority is not None
        assert lab.entra is not None
        assert lab.entra.credentials is not None
        files = entra_credentials.make(lab.entra.credentials, folder / "credentials")
        ready = json.loads((lab.folder / "entra.ready").read_text(encoding="utf-8"))
        secrets = {**secrets_of(estate), **files.secrets(), **OWN, "identity header": ready["identity_secret"]}
        with (
            Mirrors(lab.authority, lab.block, estate.realm) as mirrors,
            EntraMirror(lab.authority, lab.block.infrastructure(45)) as entra_mirror,
        ):
            yield Ground(lab, mirrors, entra_mirror, files, secrets, Scanner(secrets, entra_credentials.SHAPES))
