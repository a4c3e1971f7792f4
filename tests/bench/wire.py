# SPDX-License-Identifier: GPL-3.0-or-later
"""What observing one host costs on the wire, counted by the lab's hosts themselves."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from pathlib import Path

from ansible_collections.keyward.bitlocker.tests.lab.estate import values
from ansible_collections.keyward.bitlocker.tests.lab.estate.machines import CLIENT_PROFILES
from ansible_collections.keyward.bitlocker.tests.lab.hosts.profiles import PROFILES, WIRE_FORMS
from ansible_collections.keyward.bitlocker.tests.lab.hosts.record import Summary, summarize
from ansible_collections.keyward.bitlocker.tests.lab.model import LabHost

from .figures import Figure
from .measure import BenchError
from .workstations import EXTERNAL_KEY, TPM, listening, volume, workstation

VOLUMES, PROTECTORS = 2, 2
#: 6 + V(3+P), and what more a host may cost by its state
REQUESTS = 6 + VOLUMES * (3 + PROTECTORS)
ENTRA, SUSPENDED, AUTO_UNLOCK, MOUNTED = 3, 1, 1, 1
BYTES = 60_000


def measure_wire(folder: Path) -> list[Figure]:
    """Observe one workstation of every kind once, with the default subset; the dearest of a group counts.

    Raises:
        BenchError: a host was not observed.
    """
    rng = random.Random("keyward bench wire")
    current = [name for name in CLIENT_PROFILES if PROFILES[name].snapshot_properties]
    plain = [workstation(rng, f"plain{number}", profile=profile) for number, profile in enumerate(current)]
    old = [workstation(rng, f"old{number}", profile=profile) for number, profile in enumerate(sorted({*CLIENT_PROFILES} - {*current}))]
    forms = [workstation(rng, f"form{number}", wire_form=form) for number, form in enumerate(WIRE_FORMS)]
    laden = _laden(rng)
    with listening(folder, [*plain, *old, *forms, laden]) as lab:
        lab.play("observe", "keyward.bitlocker.volume_info:")
        seen = {host.inventory_name: summarize(lab.logs, host.inventory_name) for host in lab.hosts}
    for name, summary in seen.items():
        if summary.methods["GetKeyProtectorType"] != VOLUMES * PROTECTORS:
            raise BenchError(f"{name} was not asked for its protectors: {dict(summary.methods)}")
    return wire_figures({host.inventory_name: seen[host.inventory_name] for host in plain}, seen, seen[laden.inventory_name])


def _laden(rng: random.Random) -> LabHost:
    """A workstation whose state asks for everything that costs a request more."""
    data = volume(rng, 1, None, EXTERNAL_KEY, mount_point="C:\\Mounts\\Data\\")
    data.auto_unlock_key_id = data.protectors[0].key_id
    system = volume(rng, 0, "C:", TPM, protection_status=0, suspend_count=1)
    entra = {"entra_device_id": values.guid(rng), "entra_tenant_id": values.guid(rng)}
    return workstation(rng, "laden", volumes=[system, data], **entra)


def wire_figures(plain: Mapping[str, Summary], every: Mapping[str, Summary], laden: Summary) -> list[Figure]:
    """The figures of ``plain`` hosts (the dearest one of each kind of cost), and for information those of all the others."""

    def most(of: Mapping[str, Summary], count: Callable[[Summary], int]) -> int:
        return max(map(count, of.values()))

    def octets(summary: Summary) -> int:
        return summary.bytes_in + summary.bytes_out

    where = f"default subset, V={VOLUMES}, P={PROTECTORS}, AD-joined workstation, most of {len(plain)} Windows versions"
    bound = REQUESTS + ENTRA + SUSPENDED + AUTO_UNLOCK + MOUNTED
    return [
        Figure(
            name="wsman_requests_per_host",
            value=most(plain, lambda summary: summary.requests),
            unit="requests",
            bound=REQUESTS,
            note=f"{where}; Pulls included, authentication exchanges not",
        ),
        Figure(
            name="wsman_connections_per_host",
            value=most(every, lambda summary: summary.connections),
            unit="connections",
            bound=1,
            exact=True,
            note=f"most of {len(every)} hosts",
        ),
        Figure(
            name="wsman_shells_per_host",
            value=most(every, lambda summary: summary.shells),
            unit="shells",
            bound=0,
            exact=True,
            note=f"most of {len(every)} hosts",
        ),
        Figure(
            name="wsman_bytes_per_host",
            value=most(plain, octets),
            unit="bytes",
            bound=BYTES,
            note=f"{where}; SOAP and HTTP both ways, without TLS",
        ),
        Figure(
            name="wsman_requests_laden_host",
            value=laden.requests,
            unit="requests",
            bound=bound,
            note="the same, Entra-joined, a suspended volume, one with auto-unlock and no letter",
        ),
        Figure(
            name="wsman_requests_any_form",
            value=most(every, lambda summary: summary.requests),
            unit="requests",
            note="for information: also where type and method must be asked for singly (old Windows), or a Pull brings one item",
        ),
        Figure(
            name="wsman_bytes_any_form", value=most(every, octets), unit="bytes", note="for information: the same, and a device certificate"
        ),
    ]
