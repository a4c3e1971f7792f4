# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""The proofs of one repair: each view of a volume asks again whether what a store holds opens it, and only what changed is proven anew."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime

from .._core.entries import StoreIndex
from .._core.key_proof.proof import Outcome, Proof
from .._core.key_proof.protector import NoProtectorError, find_protector
from .._core.model import Entry, EntryState, StoreReading
from .._core.proofs import Basis, EntryProof, EntryRef, Place, Proofs, ReadValue
from .._core.redaction import Secret
from .._errors import KeywardError
from .._windows.encryptable_volume import EncryptableVolume
from .._windows.key_packages import READINGS, key_package
from .proof_pool import ProofJob, prove_all

#: makes one proof; by default a process of its own does
ProveOne = Callable[[ProofJob], Proof]


def prove_one(job: ProofJob) -> Proof:
    """One proof in a process of its own, the quickest way that this machine has."""
    return prove_all([job], say=lambda _line: None, workers=1)[0]


class RepairProofs:
    """What this run has proven. A proof holds for the same value and the same wrapping of the volume master key, and for no other."""

    def __init__(self, *, now: Callable[[], datetime], prove: ProveOne = prove_one) -> None:
        self._now = now
        self._prove = prove
        self._known: dict[tuple[str, str], list[tuple[Secret[str], Proof]]] = {}
        #: why values could not be read or proven, by store and key ID, as of the last view
        self.reasons: dict[tuple[str, str], str] = {}
        #: when the newest entry was made, by store and key ID, as of the last view
        self.created: dict[tuple[str, str], datetime] = {}

    def states(
        self, volume: EncryptableVolume, protector_id: str, key_id: str, held: Mapping[str, tuple[StoreReading, Mapping[str, Entry | str]]]
    ) -> dict[str, EntryState]:
        """The state of one recovery password in each store that was read, against the volume's own key package, read now.

        Args:
            volume: the live volume.
            protector_id: as the host spells it.
            key_id: the same as ours.
            held: by store: what lies below the computer's own object, and the values of these entries or why they could not be read.
        """
        readings: list[Secret[bytes]] = []
        trouble = ""
        if any(isinstance(value, Entry) for _reading, values in held.values() for value in values.values()):
            try:
                readings = [key_package(volume, protector_id)]
            except KeywardError as problem:
                trouble = str(problem)
        return {
            store: self._state(volume, protector_id, key_id, store, reading, values, readings, trouble)
            for store, (reading, values) in held.items()
        }

    def _state(
        self,
        volume: EncryptableVolume,
        protector_id: str,
        key_id: str,
        store: str,
        reading: StoreReading,
        values: Mapping[str, Entry | str],
        readings: list[Secret[bytes]],
        trouble: str,
    ) -> EntryState:
        self.reasons.pop((store, key_id), None)
        self.created.pop((store, key_id), None)
        place = Place("", volume.device_id)
        told: dict[EntryRef, ReadValue] = {}
        made: dict[tuple[EntryRef, str, Place], EntryProof] = {}
        numbers: list[Secret[str]] = []
        for entry in _of_key(reading.entries, key_id):
            if entry.created is not None:
                self.created[store, key_id] = max(entry.created, self.created.get((store, key_id), entry.created))
            value = values.get(entry.entry_id, "its value was not read")
            if isinstance(value, str) or value.value is None:
                self.reasons[store, key_id] = value if isinstance(value, str) else "it came without a value"
                continue
            if value.value not in numbers:
                numbers.append(value.value)
            ref = EntryRef(entry.store, entry.entry_id)
            told[ref] = ReadValue(number=numbers.index(value.value), defects=value.defects[len(entry.defects) :])
            if value.defects or not readings:
                self.reasons[store, key_id] = trouble or "; ".join(value.defects)
                continue
            proof = self._proof(volume, protector_id, key_id, value.value, readings)
            if proof.outcome is not Outcome.PROVEN:
                self.reasons[store, key_id] = proof.reason
            made[ref, key_id, place] = EntryProof(outcome=proof.outcome, basis=Basis.LIVE, made_at=self._now(), reason=proof.reason)
        owners = frozenset(owner.owner_id for owner in reading.owners)
        proofs = Proofs(values=told, made=made)
        return StoreIndex(reading).holding(key_id, owners=owners, rivals=frozenset(), disputed=False, proofs=proofs, place=place).state

    def _proof(self, volume: EncryptableVolume, protector_id: str, key_id: str, value: Secret[str], readings: list[Secret[bytes]]) -> Proof:
        digest = _digest(readings[0], key_id)
        known = self._known.setdefault((key_id, digest), [])
        found = next((proof for secret, proof in known if secret == value), None)
        if found is not None:
            return found
        while len(readings) < READINGS:
            try:
                readings.append(key_package(volume, protector_id))
            except KeywardError:
                break  # on one reading nothing is refuted, and what it proves is proven
        proof = self._prove(ProofJob(key_id=key_id, secret=value, readings=tuple(readings)))
        if digest and proof.outcome is not Outcome.INCONCLUSIVE:
            known.append((value, proof))
        return proof


def _of_key(entries: Iterable[Entry], key_id: str) -> list[Entry]:
    return [entry for entry in entries if key_id in entry.key_ids and entry.readable and not entry.deleted and not entry.defects]


def written_at(volume: EncryptableVolume, protector_id: str, key_id: str) -> datetime | None:
    """When Windows wrote a protector, by its key package; None where that does not tell."""
    try:
        return find_protector(key_package(volume, protector_id).reveal(), key_id).modified
    except (KeywardError, NoProtectorError):
        return None


def _digest(package: Secret[bytes], key_id: str) -> str:
    try:
        return find_protector(package.reveal(), key_id).digest
    except (NoProtectorError, ValueError):
        return ""
