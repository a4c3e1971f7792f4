# SPDX-License-Identifier: GPL-3.0-or-later
"""The collection's proofs against the lab's truth, without a socket: with wrong keys planted, as in the demo with ``LAB_PROOF=live``.

Packages are the lab's, with one stand-in: the stretch, half a second of a core for each password, is a hash on both sides. The whole way
is the demo's, and that the stretch is right is shown by real volumes.
"""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import pytest
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._ansible import report_run
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._ansible.proof_pool import ProofJob
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._ansible.proving import ProofLimits, prove_fleet
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core import recovery_password
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.joins import InventoryHost
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.key_proof.proof import Proof, prove_recovery_password
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.model import Entry, Observation
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.observation import parse_observation
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.redaction import Secret
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.requirements import Requirements
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._report import document
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._stores.port import StoreValue
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._windows.observe import KEY_PACKAGES, observe
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._windows.wsman.session import Session
from ansible_collections.keyward.bitlocker.tests.lab.estate.compare import compare
from ansible_collections.keyward.bitlocker.tests.lab.estate.generator import generate
from ansible_collections.keyward.bitlocker.tests.lab.estate.truth import truth
from ansible_collections.keyward.bitlocker.tests.lab.estate.writers import GATHER_SUBSET
from ansible_collections.keyward.bitlocker.tests.lab.fve import sealing, stretching
from ansible_collections.keyward.bitlocker.tests.lab.hosts.faults import expected_reason
from ansible_collections.keyward.bitlocker.tests.lab.model import Estate, LabHost

from .test_judge_agrees import NOW, LabTransport, MemoryDirectory, MemoryTenant, observation


def lab_stretch(password: str, salt: bytes) -> bytes:
    return hashlib.sha256(b"stand-in" + sealing.password_bytes(password) + salt).digest()


def our_stretch(binary: Secret[bytes], salt: bytes) -> Secret[bytes]:
    return Secret(hashlib.sha256(b"stand-in" + binary.reveal() + salt).digest())


def prove_here(jobs: Sequence[ProofJob], **_options: Any) -> dict[int, Proof]:
    found = {}
    for number, job in enumerate(jobs):
        assert isinstance(job.secret.reveal(), str)
        readings = [reading.reveal() for reading in job.readings]
        found[number] = prove_recovery_password(job.secret, job.key_id, readings, stretch=our_stretch)  # type: ignore[arg-type]  # a text
    return found


@pytest.fixture(autouse=True)
def cheap_stretch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stretching, "shared", lambda: lab_stretch)
    monkeypatch.setattr(report_run, "prove_fleet", functools.partial(prove_fleet, prove_jobs=prove_here))


def with_value(entry: Entry, value: str | None) -> StoreValue:
    if value is None:
        return StoreValue(entry=entry, problem="the lab has none")
    secret = Secret(value)
    defects = () if recovery_password.is_valid(secret) else ("it is no recovery password",)
    return StoreValue(entry=replace(entry, value=secret, defects=(*entry.defects, *defects)))


class ProvenDirectory(MemoryDirectory):
    """With the values that the lab filed; packages in the directory change no state, so there are none."""

    def values(self, entries: Iterable[Entry], *, packages: Collection[str] = ()) -> Iterator[StoreValue]:
        for entry in entries:
            yield with_value(entry, self.seen.entries[int(entry.entry_id)].value)


class ProvenTenant(MemoryTenant):
    def values(self, entries: Iterable[Entry], *, packages: Collection[str] = ()) -> Iterator[StoreValue]:
        held = {(item.owner, item.key_ids[0]): item.value for item in self.seen.entries}
        for entry in entries:
            yield with_value(entry, held[entry.owner_id, entry.key_ids[0]])


def packaged(host: LabHost) -> Observation:
    if expected_reason(host) is not None:
        return observation(host)
    session = Session(LabTransport(host), target=host.inventory_name)
    subsets = frozenset(GATHER_SUBSET) | {KEY_PACKAGES}
    data = observe(session, subsets=subsets, now=lambda: NOW, host=host.inventory_name)
    return parse_observation(host.inventory_name, json.loads(json.dumps(data)))


class ProvenRun:
    """What a run over an estate with planted keys registers."""

    def __init__(self, estate: Estate) -> None:
        self.estate = estate
        self.observations = {host.inventory_name: [packaged(host)] for host in estate.hosts}
        for name, earlier in estate.stale_observations.items():
            self.observations[name].append(parse_observation(name, earlier))
        self.inventory = [InventoryHost(name=host.inventory_name, address=host.address) for host in estate.hosts]

    def report(self, stores: tuple[str, ...], *, copies: int = 1, fault: str | None = None) -> dict[str, Any]:
        read = [ProvenDirectory(self.estate, fault) if store == "ad" else ProvenTenant(self.estate, fault) for store in stores]
        requirements = Requirements(stores=stores, copies=copies, proof="live")
        limits = ProofLimits(entra_reads=10_000)
        judgement = report_run.judge_fleet(
            self.inventory, self.observations, read, requirements, now=NOW, say=lambda text: None, limits=limits
        )
        report: dict[str, Any] = json.loads(document.to_json(document.build(judgement, limits.scope)))
        return report

    def differences(self, stores: tuple[str, ...], *, copies: int = 1, fault: str | None = None) -> list[str]:
        true = truth(self.estate, copies=copies, proof="live", fault=fault, stores=stores)
        return compare(self.report(stores, copies=copies, fault=fault), true)


@pytest.mark.parametrize(("seed", "hosts"), [(31, 20), (32, 60), (33, 60)])
def test_report_with_proofs_equals_truth(seed: int, hosts: int) -> None:
    run = ProvenRun(generate(seed, hosts, now=NOW, proof="live"))
    for fault in (None, "ad_down", "ad_no_rights"):
        assert run.differences(("ad",), fault=fault) == [], fault


@pytest.mark.parametrize(("seed", "hosts"), [(41, 20), (42, 60), (43, 64), (44, 130)])
def test_report_with_proofs_over_two_stores_equals_truth(seed: int, hosts: int) -> None:
    run = ProvenRun(generate(seed, hosts, now=NOW, entra=True, proof="live"))
    for copies in (1, 2):
        for fault in (None, "ad_down", "ad_no_rights", "entra_down"):
            assert run.differences(("ad", "entra"), copies=copies, fault=fault) == [], (copies, fault)


def test_every_word_that_a_proof_can_say_occurs() -> None:
    report = ProvenRun(generate(42, 60, now=NOW, entra=True, proof="live")).report(("ad", "entra"))
    sums = report["summary"]["proofs"]
    assert sums["made"] == sums["proven"] + sums["refuted"] + sums["inconclusive"]
    assert all(sums[word] > 0 for word in ("proven", "refuted", "inconclusive"))
    assert {"recoverable", "wrong_key", "escrowed"} <= report["summary"]["verdicts"].keys()
    assert {"KW-ESC-003", "KW-ESC-004", "KW-ESC-005"} <= report["summary"]["findings"].keys()
