# SPDX-License-Identifier: GPL-3.0-or-later
"""All of a lab's peers behind proxies that share one fate: for whole runs of ansible-playbook.

    with Lab(folder, LabOptions(hosts=6, behind_proxies=True)) as lab, CrashProxies(lab) as proxies:
        proxies.fate.arm(None)
        ...a clean run...
        tried = cells(proxies.fate.exchanges)

The lab's files already name the proxies: they listen where the servers usually do, and the servers elsewhere. From another process the fate
is armed through ``control`` and told by ``journal``. What hosts themselves write into the directory and the tenant goes past the proxies. A
proxy ends TLS: client certificates and credentials that are bound to a server's certificate do not pass.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable
from contextlib import ExitStack
from types import TracebackType

from ..directory import layout
from ..directory.ldap_server import server_context
from ..hosts.server import tls_context
from ..lab import BEHIND, Lab, LabError
from .fate import Exchange, Fate
from .http_proxy import GRAPH_MANNERS, HOST_MANNERS, HttpProxy, Manners
from .ldap_proxy import LdapProxy


class CrashProxies:
    """The proxies of a running lab; a context manager. ``watch`` is called with each exchange when it is over."""

    def __init__(self, lab: Lab, watch: Callable[[Exchange], None] = lambda exchange: None) -> None:
        if not lab.options.behind_proxies:
            raise LabError("this lab listens where its clients ask: start it with behind_proxies")
        self.lab = lab
        self._running = ExitStack()
        self.journal = lab.logs / "exchanges.jsonl"
        self.control = lab.folder / "crash.json"
        self.fate = Fate(journal=self.journal, control=self.control, watch=watch)

    def __enter__(self) -> CrashProxies:
        try:
            self._start()
        except BaseException:
            self._running.close()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._running.close()

    def _start(self) -> None:
        lab, authority = self.lab, self.lab.authority
        if authority is None:
            raise LabError("the lab has not been started")
        for host in lab.estate.hosts:
            if host.fault != "refused":
                tls = tls_context(host, authority) if host.scheme == "https" else None
                self._stand(HOST_MANNERS, host.inventory_name, host.address, host.port, tls)
        if lab.entra is not None:
            certificate = authority.issue(addresses=[lab.entra.address])
            self._stand(GRAPH_MANNERS, "graph", lab.entra.address, 443, server_context(*certificate))
        if lab.directory is not None:
            here = lab.ldap_address
            certificate = authority.issue(dns_names=[lab.directory.host_name], addresses=[here])
            upstream = (lab.directory.address, layout.LDAPS_PORT)
            proxy = LdapProxy(
                self.fate, certificate=certificate, upstream=upstream, upstream_ca=authority.ca_pem, address=here, port=layout.LDAPS_PORT
            )
            self._running.enter_context(proxy)

    def _stand(self, manners: Manners, peer: str, address: str, port: int, tls: ssl.SSLContext | None) -> None:
        """Before the server that listens above the port that clients know."""
        self._running.enter_context(
            HttpProxy(self.fate, manners, peer=peer, address=address, port=port, tls=tls, upstream=(address, port + BEHIND))
        )
