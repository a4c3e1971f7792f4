# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""One live volume with the stores that must hold its keys, for the loop of a repair: what is there now, and one step done."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime

from .._core.joins import AD, ENTRA
from .._core.model import Entry, EntryState, ObservedVolume, ProtectorType, StoreReading
from .._core.repair.steps import AddRecoveryPassword, BackUp, RemoveProtector, Step
from .._core.repair.view import ProtectorView, VolumeView
from .._errors import KeywardError, ProtocolError
from .._windows import volume_changes, volume_now
from .._windows.encryptable_volume import EncryptableVolume
from .._windows.volume_now import ProtectorNow
from .._windows.wsman.session import Session
from .repair_proofs import RepairProofs, written_at
from .repair_stores import OwnStore

Held = tuple[StoreReading, Mapping[str, Entry | str]]


class HostLink:
    """One host's session, made anew after a failure of the connection: what comes next must not meet what the failure left behind."""

    def __init__(self, connect: Callable[[], Session]) -> None:
        self._connect = connect
        self._session: Session | None = None

    def session(self) -> Session:
        """The session. Raises why there is none."""
        if self._session is None:
            self._session = self._connect()
        return self._session

    def drop(self) -> None:
        """Let the connection go; the next question opens another one."""
        session, self._session = self._session, None
        if session is not None:
            session.close()


class LiveVolume:
    """The port of :mod:`.._core.repair.loop` over a live host.

    Args:
        link: the host.
        observed: the volume as the host described it first.
        required: the stores that must hold each recovery password.
        parts: of each of them the part that is this computer's; a store that is missing here is in ``barred``, with the reason.
        names: whether friendly names are needed.
    """

    def __init__(
        self,
        link: HostLink,
        observed: ObservedVolume,
        *,
        required: tuple[str, ...],
        parts: Mapping[str, OwnStore],
        barred: Mapping[str, str],
        proofs: RepairProofs,
        names: bool,
    ) -> None:
        self._link = link
        self._observed = observed
        self._required = required
        self._parts = parts
        self._barred = barred
        self._proofs = proofs
        self._names = names
        self._seen: dict[str, ProtectorNow] = {}
        #: why the last view knows nothing; empty where it does
        self.trouble = ""

    def view(self) -> VolumeView:
        """The host and the stores as they are now. A host that cannot be read gives a view from which nothing is concluded."""
        try:
            volume = self._volume()
            now = volume_now.look(volume, names=self._names)
            self._seen = {item.key_id: item for item in now.protectors}
            held = {} if now.locked else self._held()
            protectors = tuple(self._protector(volume, item, held) for item in now.protectors)
        except KeywardError as problem:
            self._link.drop()
            self.trouble = str(problem)
            return self._made(None, None, None)
        self.trouble = ""
        return self._made(now.locked, now.conversion, protectors)

    def do(self, step: Step) -> None:
        """See the port. A changing call goes out once, whatever becomes of its answer."""
        try:
            self._do(step)
        except KeywardError:
            self._link.drop()
            raise

    def reason(self, store: str, key_id: str) -> str:
        """Why the last view could not prove what a store holds; empty where it could, or where nothing is there."""
        return self._proofs.reasons.get((store, key_id), "")

    def made_at(self, key_id: str) -> tuple[datetime | None, str]:
        """When a recovery password was made, and who says so: its key package, else Active Directory, else Entra ID."""
        try:
            told = written_at(self._volume(), self._seen[key_id].protector_id, key_id)
        except KeywardError:
            self._link.drop()
            told = None
        if told is not None:
            return told, "key_package"
        entries = [(moment, store) for store in (AD, ENTRA) if (moment := self.entry_made_at(store, key_id)) is not None]
        return entries[0] if entries else (None, "")

    def entry_made_at(self, store: str, key_id: str) -> datetime | None:
        """When a store's newest entry of a key was made, by the last view."""
        return self._proofs.created.get((store, key_id))

    def _do(self, step: Step) -> None:
        volume = self._volume()
        if isinstance(step, BackUp):
            spelled = self._seen[step.key_id].protector_id
            if step.store == AD:
                volume_changes.back_up_to_ad(volume, spelled, self._observed.type)
            elif step.store == ENTRA:
                volume_changes.back_up_to_entra(volume, spelled)
            else:
                raise ValueError(f"nobody backs up to {step.store} here")
        elif isinstance(step, AddRecoveryPassword):
            volume_changes.add_recovery_password(volume, step.tag)
        elif isinstance(step, RemoveProtector):
            # the decision rests on exactly these; between the look and now the stores were read
            if volume_now.listed(volume).keys() != self._seen.keys():
                raise ProtocolError(
                    "remove a protector",
                    target=volume.face.label,
                    meaning="the volume was given other protectors since it was looked at",
                    remedy="Run it again.",
                )
            volume_changes.delete_protector(volume, self._seen[step.key_id].protector_id)
        else:
            raise TypeError("to look again is nothing to do")

    def _volume(self) -> EncryptableVolume:
        return EncryptableVolume(self._link.session(), self._observed.device_id)

    def _held(self) -> dict[str, Held]:
        """What the stores hold for the recovery passwords that the volume has now."""
        wanted = {item.key_id for item in self._seen.values() if item.type == ProtectorType.RECOVERY_PASSWORD}
        held: dict[str, Held] = {}
        for store, part in self._parts.items():
            if store in self._required:
                reading = part.read()
                entries = [
                    entry
                    for entry in reading.entries
                    if entry.readable and not entry.deleted and not entry.defects and wanted & set(entry.key_ids)
                ]
                held[store] = reading, part.values(entries) if entries else {}
        return held

    def _protector(self, volume: EncryptableVolume, item: ProtectorNow, held: Mapping[str, Held]) -> ProtectorView:
        states: Mapping[str, EntryState] = {}
        if item.type == ProtectorType.RECOVERY_PASSWORD:
            of_key = {
                store: (
                    reading,
                    {
                        entry.entry_id: values[entry.entry_id]
                        for entry in reading.entries
                        if entry.entry_id in values and item.key_id in entry.key_ids
                    },
                )
                for store, (reading, values) in held.items()
            }
            states = self._proofs.states(volume, item.protector_id, item.key_id, of_key)
        return ProtectorView(key_id=item.key_id, type=item.type, name=item.name, stores=states)

    def _made(self, locked: bool | None, conversion: str | None, protectors: tuple[ProtectorView, ...] | None) -> VolumeView:
        return VolumeView(
            label=self._observed.label,
            stores=self._required,
            locked=locked,
            conversion=conversion,
            protectors=protectors,
            barred=self._barred,
        )
