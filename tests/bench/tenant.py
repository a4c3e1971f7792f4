# SPDX-License-Identifier: GPL-3.0-or-later
"""How long reading a large Entra tenant takes beside a bare client of requests, on one simulated tenant of 20,000 devices with a key each.

Both sides are processes of their own that read the same two lists over verified TLS with the same authority, one session each, in pages as
the tenant gives them, and both get a token first. The bare client keeps the parsed JSON; ours ends with owners and checked entries. What
counts is the time from the first line of work (session, token) to the last row, as each process takes it itself; what importing adds
stands beside it. Rounds are interleaved and their order turns.
"""

from __future__ import annotations

import json
import os
import random
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from ansible_collections.keyward.bitlocker.tests.lab import serialize
from ansible_collections.keyward.bitlocker.tests.lab.directory import address
from ansible_collections.keyward.bitlocker.tests.lab.entra.child import EntraChild
from ansible_collections.keyward.bitlocker.tests.lab.estate import values
from ansible_collections.keyward.bitlocker.tests.lab.lab import clear, python_path
from ansible_collections.keyward.bitlocker.tests.lab.model import Estate, LabEntraDevice, LabEntraKey
from ansible_collections.keyward.bitlocker.tests.lab.pki import LabCA

from . import measure
from .figures import Figure, median_of, ratio_of_rounds
from .measure import BenchError

BOUND = 1.5
OURS, BARE = "ours", "bare"
_HERE = Path(__file__).parent
SIDES = {
    OURS: ["-m", "ansible_collections.keyward.bitlocker.tests.bench.tenant_reader"],
    BARE: [str(_HERE / "bare_client.py")],
}


def large_tenant(devices: int, now: datetime) -> Estate:
    """Devices of every trust type, each with one escrowed recovery key."""
    rng = random.Random("keyward bench tenant")
    estate = Estate(seed=0, now=now, entra_tenant_id=values.guid(rng))
    for number in range(devices):
        device_id = values.guid(rng)
        estate.entra_devices.append(
            LabEntraDevice(
                object_id=values.guid(rng),
                device_id=device_id,
                display_name=f"PC{number:05}",
                trust_type=("AzureAd", "ServerAd", "Workplace")[number % 3],
                approximate_last_sign_in=now - timedelta(days=number % 90),
                registered=now - timedelta(days=400),
            )
        )
        estate.entra_keys.append(
            LabEntraKey(
                key_id=values.guid(rng),
                device_id=device_id,
                created=now - timedelta(days=1 + number % 900),
                volume_type=1 + number % 2,
                password=values.recovery_password(rng),
            )
        )
    return estate


def measure_tenant(folder: Path, *, devices: int, rounds: int) -> list[Figure]:
    """Play the tenant and let both sides read it; the first round warms up and is not counted."""
    clear(folder)
    estate = large_tenant(devices, datetime.now(UTC).replace(microsecond=0))
    with address.allocate(probe=()) as block:
        authority = LabCA(folder / "pki")
        child = EntraChild(estate, folder, address=block.infrastructure(12), ca=authority.directory, ca_pem=authority.ca_pem, fault=None)
        estate_file = folder / "estate.json"
        estate_file.touch(mode=0o600)
        estate_file.write_text(serialize.to_json(estate), encoding="utf-8")
        try:
            child.start(estate_file, {"PYTHONPATH": python_path()})
            costs = [_round(child.options(), devices, number) for number in range(rounds + 1)][1:]
        finally:
            child.stop()
    clear(folder)
    return tenant_figures(costs, devices)


def _round(options: Mapping[str, Any], devices: int, number: int) -> dict[str, float]:
    costs: dict[str, float] = {}
    for side in (OURS, BARE) if number % 2 else (BARE, OURS):
        costs |= _read(side, options, devices)
    print(f"  round {number}: " + ", ".join(f"{name} {costs[name]:.2f}" for name in sorted(costs)) + " s", flush=True)
    return costs


def _read(side: str, options: Mapping[str, Any], devices: int) -> dict[str, float]:
    """One reading by one side: seconds passed and seconds of processor without imports, and the whole process."""
    environment = {"PATH": os.defpath, "PYTHONPATH": python_path()}
    said = measure.answer([sys.executable, *SIDES[side]], environment, question=json.dumps(options))
    if (said["devices"], said["keys"], said.get("state", "searched")) != (devices, devices, "searched"):
        raise BenchError(f"{side} read {said}")
    return {side: said["wall"], f"{side}_cpu": said["cpu"], f"{side}_whole": said["whole"]}


def tenant_figures(rounds: Sequence[Mapping[str, float]], devices: int) -> list[Figure]:
    """The figures of measured rounds, each the seconds by side."""
    how = f"{devices} keys and devices each, same lists, TLS and authority, with the token; median of {len(rounds)} interleaved rounds"
    figures = [
        Figure(name="graph_20k_ratio_to_bare_client", value=ratio_of_rounds(rounds, OURS, BARE), unit="ratio", bound=BOUND, note=how)
    ]
    for suffix, note in (("cpu", "processor time of the clients alone"), ("whole", "whole processes, with Python's start and imports")):
        ratio = ratio_of_rounds(rounds, f"{OURS}_{suffix}", f"{BARE}_{suffix}")
        figures.append(Figure(name=f"graph_20k_{suffix}_ratio_to_bare_client", value=ratio, unit="ratio", note=f"for information: {note}"))
    figures += [
        Figure(name=f"graph_20k_{side}_seconds", value=median_of(rounds, side), unit="s", note="for information") for side in (OURS, BARE)
    ]
    return figures
