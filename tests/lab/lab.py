# SPDX-License-Identifier: GPL-3.0-or-later
"""A whole lab: estate, certificates, directory, Entra tenant, hosts, and the files a run reads, in one folder; stops it all at its end.

    with Lab(folder, LabOptions(hosts=20)) as lab:
        subprocess.run([..., "-i", lab.inventory_file, "-e", f"@{lab.vars_file}"], env=lab.environment())

Needs root or a namespace of its own (namespace.py), since a directory's ports cannot be moved.
"""

from __future__ import annotations

import json
import os
import sys
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any

from ansible_collections.keyward.bitlocker.tests.lab import as_it_is, hands_on, serialize
from ansible_collections.keyward.bitlocker.tests.lab.directory import address, layout
from ansible_collections.keyward.bitlocker.tests.lab.directory.domain_controller import LabDirectory
from ansible_collections.keyward.bitlocker.tests.lab.directory.processes import Child
from ansible_collections.keyward.bitlocker.tests.lab.directory.recording_proxy import RecordingProxy
from ansible_collections.keyward.bitlocker.tests.lab.entra import accounts
from ansible_collections.keyward.bitlocker.tests.lab.entra import child as entra
from ansible_collections.keyward.bitlocker.tests.lab.estate import generator, truth, writers
from ansible_collections.keyward.bitlocker.tests.lab.fve import played, stretching
from ansible_collections.keyward.bitlocker.tests.lab.model import Estate
from ansible_collections.keyward.bitlocker.tests.lab.pki import LabCA
from ansible_collections.keyward.bitlocker.tests.lab.surroundings import LabError, clear, lab_environment, python_path

__all__ = ["FAULTS", "HOSTS_MODULE", "Lab", "LabError", "LabOptions", "clear", "lab_environment", "python_path"]

HOSTS_MODULE = "ansible_collections.keyward.bitlocker.tests.lab.hosts"
#: how far above their usual ports servers listen that stand behind proxies
BEHIND = 10_000
#: faults of a whole store, by what they do
FAULTS = {
    "ad_down": "the directory refuses connections",
    "ad_no_rights": "the report's account may read no recovery object",
    **entra.FAULTS,
}


@dataclass(kw_only=True)
class LabOptions:
    """What kind of lab.

    ``hosts``, ``seed``, ``copies``, ``proof``: see the generator. ``entra``: a tenant beside the directory (of an estate that is given it
    is the estate that says so). ``fault``: one of FAULTS. ``kerberos``: a KDC, and keys for the hosts' services. ``record_ldap``: a proxy
    stands before the directory and writes every request to ``logs/ldap-requests.jsonl``; what Entra is asked is always in
    ``logs/entra-requests.jsonl``. ``conversion_progress``: points that a conversion gains whenever somebody asks for it; the truth of an
    estate whose volumes go on converting is another at every reading.
    """

    hosts: int = generator.DEFAULT_HOSTS
    seed: int = 1
    copies: int = 1
    proof: str = "none"
    entra: bool = True
    fault: str | None = None
    kerberos: bool = False
    record_ldap: bool = False
    conversion_progress: int = 0
    #: servers listen beside their usual ports, where a CrashProxies stands (crash/proxies.py)
    behind_proxies: bool = False

    def check(self) -> None:
        """Raise LabError for a fault nobody knows, or one of something that this lab has not."""
        if self.fault in entra.FAULTS and not self.entra:
            raise LabError(f"fault {self.fault} needs a lab with Entra: leave --no-entra (LAB_STORES=ad) out")
        if self.record_ldap and self.behind_proxies:
            raise LabError("one proxy stands before the directory: record_ldap or behind_proxies")
        if self.fault is not None and self.fault not in FAULTS:
            known = "; ".join(f"{name} ({meaning})" for name, meaning in FAULTS.items())
            raise LabError(f"unknown fault {self.fault!r}; known are {known}")


class Lab:
    """One lab in one folder.

    Args:
        folder: made where missing; an earlier lab's content is cleared.
        options: what kind of lab.
        estate: played in place of a generated one.
        now: the moment the estate is made for; the current one where not given.
        cache: of provisioned directories; see domain_controller.cache_folder.
    """

    def __init__(
        self,
        folder: Path,
        options: LabOptions | None = None,
        *,
        estate: Estate | None = None,
        now: datetime | None = None,
        cache: Path | None = None,
    ) -> None:
        self.folder = folder.resolve()
        self.options = options or LabOptions()
        self._estate = estate
        self._now = now or datetime.now(UTC)
        self._cache = cache
        self._running = ExitStack()
        self._block: address.AddressBlock | None = None
        self.authority: LabCA | None = None
        #: None with fault ad_down
        self.directory: LabDirectory | None = None
        self.proxy: RecordingProxy | None = None
        self._hosts: Child | None = None
        #: None where the estate has no Entra tenant
        self.entra: entra.EntraChild | None = None

    @property
    def estate(self) -> Estate:
        """The estate that is played, with its addresses."""
        if self._estate is None:
            raise LabError("the lab has not been started")
        return self._estate

    @property
    def block(self) -> address.AddressBlock:
        """The loopback block the lab holds."""
        if self._block is None:
            raise LabError("the lab has not been started")
        return self._block

    @property
    def inventory_file(self) -> Path:
        """The hosts."""
        return self.folder / "inventory.yml"

    @property
    def vars_file(self) -> Path:
        """The playbook's variables."""
        return self.folder / "estate.yml"

    @property
    def truth_file(self) -> Path:
        """What a correct report says."""
        return self.folder / "truth.json"

    @property
    def ca_file(self) -> Path:
        """The authority that clients of the lab trust."""
        return self.folder / "pki" / "lab-ca.pem"

    @property
    def logs(self) -> Path:
        """One file a server, and ``hosts/`` with one a host."""
        return self.folder / "logs"

    @property
    def report_account(self) -> layout.Account:
        """The account the report's variables name."""
        rights = layout.PROOF if self.options.proof == "live" else layout.REPORT
        return layout.accounts(self.estate.realm)[layout.NO_RIGHTS if self.options.fault == "ad_no_rights" else rights]

    @property
    def ldap_address(self) -> str:
        """Where a run asks the directory: of whatever stands before it, if anything does."""
        before = self.proxy is not None or self.options.behind_proxies
        return self.block.infrastructure(11) if before else self.block.directory

    def estate_now(self) -> Estate:
        """The estate with all that has happened since the start: its truth is that of a repaired estate."""
        directory = None if self.directory is None else self.block.directory
        return as_it_is.estate_as_it_is(self.estate, self.folder, directory, self.ca_file)

    @property
    def _application(self) -> str:
        """The application that the report's variables name."""
        return accounts.PROOF if self.options.proof == "live" else accounts.REPORT

    def start(self) -> None:
        """Make and start everything; on an error everything is stopped again.

        Raises:
            LabError, DirectoryError, ChildError, AddressError: with what to do.
        """
        self.options.check()
        clear(self.folder)
        try:
            self._start()
        except BaseException:
            self.stop()
            raise

    def _start(self) -> None:
        options = self.options
        if self._estate is None:
            try:
                self._estate = generator.generate(
                    options.seed, options.hosts, now=self._now, copies=options.copies, proof=options.proof, entra=options.entra
                )
            except ValueError as refused:
                raise LabError(
                    f"{refused}: this lab has {'two stores' if options.entra else 'one store'}, and proofs none or live"
                ) from refused
        self._block = self._running.enter_context(address.allocate())
        self._block.assign(self._estate)
        self.authority = LabCA(self.folder / "pki")
        if options.fault != "ad_down":
            self._start_directory(self.authority)
        if self.estate.entra_tenant_id is not None:
            self.entra = entra.EntraChild(
                self.estate,
                self.folder,
                address=self._block.infrastructure(12),
                ca=self.authority.directory,
                ca_pem=self.ca_file,
                fault=options.fault,
                behind=443 + BEHIND if options.behind_proxies else None,
            )
        estate_file = self.folder / "estate.json"
        estate_file.touch(mode=0o600)
        estate_file.write_text(serialize.to_json(self.estate), encoding="utf-8")
        if self.entra is not None:
            self._running.callback(self.entra.stop)
            self.entra.start(estate_file, {"PYTHONPATH": python_path()})
        if options.proof == "live":
            played.stretch_ahead(self.estate, stretching.shared())
        self._start_hosts(self.authority, estate_file)
        self._write_files()

    def _start_directory(self, authority: LabCA) -> None:
        directory = LabDirectory(
            self.folder / "directory",
            self.block.directory,
            authority,
            realm=self.estate.realm,
            kerberos=self.options.kerberos,
            cache=self._cache,
        )
        directory.prepare()
        played.give_packages(self.estate, stretching.shared())
        directory.seed(self.estate)
        if self.options.kerberos:
            directory.export_keytab(self.folder / "hosts.keytab", self._service_names())
        self.directory = self._running.enter_context(directory)
        if self.options.record_ldap:
            here = self.block.infrastructure(11)
            certificate = authority.issue(dns_names=[directory.host_name], addresses=[here])
            upstream = (directory.address, layout.LDAPS_PORT)
            log = self.logs / "ldap-requests.jsonl"
            proxy = RecordingProxy(log, certificate, upstream, authority.ca_pem, address=here, port=layout.LDAPS_PORT)
            self.proxy = self._running.enter_context(proxy)

    def _service_names(self) -> list[str]:
        known = {computer.dns_name for computer in self.estate.computers if computer.machine_password and computer.enabled}
        return [f"HTTP/{host.dns_name}" for host in self.estate.hosts if host.dns_name in known]

    def _start_hosts(self, authority: LabCA, estate_file: Path) -> None:
        ready = self.folder / "hosts.ready"
        command = [sys.executable, "-m", HOSTS_MODULE, "--estate", str(estate_file), "--ca", str(authority.directory)]
        command += ["--state", str(self.folder / "hosts"), "--logs", str(self.logs / "hosts"), "--ready", str(ready)]
        command += ["--changed", str(self.folder / as_it_is.CHANGED_HOSTS), "--progress", str(self.options.conversion_progress)]
        command += ["--directory", self.block.directory]
        if self.entra is not None:
            command += ["--tenant", self.entra.device_url]
        if self.options.behind_proxies:
            command += ["--shift-ports", str(BEHIND)]
        if self.options.kerberos and self.directory is not None:
            command += ["--keytab", str(self.folder / "hosts.keytab")]
        self._hosts = Child("hosts", command, self.logs / "hosts.log", environment={**os.environ, "PYTHONPATH": python_path()})
        self._running.callback(self._hosts.stop)
        self._hosts.wait_for_file(ready, 30.0 + len(self.estate.hosts) * 0.2)

    def _write_files(self) -> None:
        options, account = self.options, self.report_account
        stores = ("ad",) if self.entra is None else ("ad", "entra")
        writers.write_inventory(self.estate, self.inventory_file, self.ca_file)
        variables = writers.estate_vars(
            self.estate,
            server=[self.ldap_address],
            ca_cert=self.ca_file,
            username=account.principal,
            password=account.password,
            stores=stores,
            copies=options.copies,
            proof=options.proof,
            entra=None if self.entra is None else {**self.entra.options(self._application), "intune": True},
        )
        writers.write_estate_vars(self.vars_file, variables)
        true = truth.truth(self.estate, copies=options.copies, proof=options.proof, fault=options.fault, stores=stores)
        writers.write_truth(true, self.truth_file)
        (self.folder / hands_on.KEYS_PLAYBOOK).write_text(hands_on.keys_playbook(entra=self.entra is not None), encoding="utf-8")
        (self.folder / "lab.json").write_text(json.dumps(self.description(), indent=2, sort_keys=True) + "\n", encoding="utf-8")

    def description(self) -> dict[str, Any]:
        """Where everything is, without a secret."""
        return {
            "options": asdict(self.options),
            "directory": None if self.directory is None else self.directory.url,
            "entra": None if self.entra is None else self.entra.url,
            "realm": self.estate.realm,
            "hosts": len(self.estate.hosts),
            "example": hands_on.example_computer(self.estate),
            "computer_objects": len(self.estate.computers),
            "entries": len(self.estate.entries),
            "entra_devices": len(self.estate.entra_devices),
            "entra_keys": len(self.estate.entra_keys),
            "processes": self.processes(),
        }

    def processes(self) -> dict[str, int]:
        """Process IDs of what runs."""
        found = {"hosts": self._hosts.pid} if self._hosts else {}
        if self.directory is not None and self.directory.pid is not None:
            found["samba"] = self.directory.pid
        if self.entra is not None and self.entra.pid is not None:
            found["entra"] = self.entra.pid
        return found

    def stop(self) -> None:
        """Stop everything and wait; the folder with its logs stays."""
        self._running.close()

    def environment(self) -> dict[str, str]:
        """The environment of a command that is to use the lab."""
        return lab_environment(self.folder, kerberos=self.options.kerberos and self.directory is not None)

    def __enter__(self) -> Lab:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()
