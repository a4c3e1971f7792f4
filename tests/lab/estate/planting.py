# SPDX-License-Identifier: GPL-3.0-or-later
"""Wrong keys and awkward key packages, planted in a generated estate that is to be proven. The rest of the estate stays as it was.

Every wrong key is well-formed: whether it opens anything is all that tells it from a right one.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from ansible_collections.keyward.bitlocker.tests.lab.estate import values
from ansible_collections.keyward.bitlocker.tests.lab.estate.conditions import COPIES, Condition
from ansible_collections.keyward.bitlocker.tests.lab.estate.dealing import MOST_VOLUMES
from ansible_collections.keyward.bitlocker.tests.lab.estate.machines import Machine, Site
from ansible_collections.keyward.bitlocker.tests.lab.estate.plot import Plot
from ansible_collections.keyward.bitlocker.tests.lab.estate.tenancy import Tenancy
from ansible_collections.keyward.bitlocker.tests.lab.fve.played import FRAMES
from ansible_collections.keyward.bitlocker.tests.lab.hosts.faults import expected_reason
from ansible_collections.keyward.bitlocker.tests.lab.model import (
    Estate,
    LabComputerObject,
    LabEntraDevice,
    LabEntraKey,
    LabEntry,
    LabHost,
    LabProtector,
    LabVolume,
)

#: hosts that carry one of these stay as they are: whose key it is, or where the only copy lies, is what they are about
_LEFT_ALONE = frozenset(
    {
        "identity_collision",
        "device_clone",
        "ambiguous_owner",
        "cluster",
        "clone",
        "moved_drive",
        "moved_disk",
        "same_name",
        "left_domain",
        "domain_controller",
    }
)
#: the part of the volumes in good health that gets something, in hundredths
_SHARE = 60


def _condition(name: str, why: str, *shows: str) -> Condition:
    return Condition(name=name, place="volume", why=why, shows=shows)


#: in order of priority; ``entra``: the key lies in both stores
PROOF_CONDITIONS = (
    _condition("key_of_another", "the entry holds another machine's password", "wrong_key", "KW-VOL-006", "KW-ESC-005"),
    _condition("key_swapped", "the entry's password has two groups exchanged", "wrong_key", "KW-ESC-005"),
    _condition(
        "key_of_earlier_encryption", "password and package of an earlier encryption: they prove each other", "wrong_key", "KW-ESC-005"
    ),
    _condition("keys_conflict", "two entries for one ID, and neither opens the volume", "wrong_key", "KW-ESC-003"),
    _condition("fips", "a protector of FIPS mode, which nobody can prove", "escrowed"),
    _condition("package_refused", "Windows gives no package", "escrowed"),
    _condition("package_unsteady", "wrapped anew in every reading, and a wrong key", "escrowed"),
    _condition("keys_conflict_one_right", "two entries for one ID, one of which opens the volume", "recoverable", "KW-ESC-003"),
    _condition("wrong_in_ad", "the right key in Entra ID, a wrong one in AD", "recoverable", "KW-ESC-005"),
    _condition("wrong_in_entra", "the right key in AD, a wrong one in Entra ID", "recoverable", "KW-ESC-005"),
    _condition("unsteady_but_right", "wrapped anew in every reading, and the right key", "recoverable"),
    _condition("sibling_wrong", "a second recovery password whose entry is wrong", "recoverable", "sibling_not_escrowed", "KW-ESC-005"),
    _condition("package_in_directory", "AD has the package too", "recoverable"),
    _condition("garbage_in_directory", "AD has something else where the package belongs", "recoverable"),
    _condition("no_password", "the entry's text is no password", "wrong_key", "KW-ESC-004"),
)


@dataclass(frozen=True, kw_only=True)
class Spot:
    """A volume in good health: one recovery password, one entry of it in AD, perhaps one in Entra ID, all right."""

    host: LabHost
    volume: LabVolume
    protector: LabProtector
    entry: LabEntry
    key: LabEntraKey | None

    def file(self, password: str) -> None:
        """Let every store hold this."""
        self.entry.password = password
        if self.key is not None:
            self.key.password = password


def plant(estate: Estate) -> None:
    """Plant every condition twice; frames of packages differ from host to host, and some machines that do not answer have one in AD.

    Most of a large estate's volumes are in good health, and some of them are taken; in a small one hosts get further volumes.
    """
    rng = random.Random(f"keyward lab proofs {estate.seed} {len(estate.hosts)}")
    for host in estate.hosts:
        host.package_frame = rng.choice(FRAMES)
    spots = list(_spots(estate))
    rng.shuffle(spots)
    spots = spots[: len(spots) * _SHARE // 100]
    builder = _Builder(Site(estate=estate, rng=rng))
    for condition in [condition for _unused in range(COPIES) for condition in PROOF_CONDITIONS]:
        both = condition.name in ("wrong_in_ad", "wrong_in_entra")
        spot = next((spot for spot in spots if not both or spot.key is not None), None) or builder.build(both=both)
        if spot is None:
            continue
        if spot in spots:
            spots.remove(spot)
        PLANTERS[condition.name](estate, spot, rng)
        estate.conditions[spot.host.inventory_name].append(condition.name)
    _file_packages(estate, rng)


class _Builder:
    """Builds data volumes in good health, the next one on the machine that has the fewest."""

    def __init__(self, site: Site) -> None:
        self._site = site
        objects = _objects(site.estate)
        answering = [host for host in site.estate.hosts if _answers(site.estate, host) and host.volumes and host.fault is None]
        self._machines = [
            Machine(host=host, computer=objects[host.netbios_name]) for host in answering if host.domain and host.netbios_name in objects
        ]

    def build(self, *, both: bool) -> Spot | None:
        """A volume whose key lies in AD, and in Entra ID if the machine is joined; ``both``: only such a machine will do."""
        machines = [machine for machine in self._machines if not both or self._device(machine.host) is not None]
        machines = [machine for machine in machines if len(machine.host.volumes) < MOST_VOLUMES]
        if not machines:
            return None
        machine = min(machines, key=lambda machine: len(machine.host.volumes))
        protector, volume = Plot(site=self._site, machine=machine, os=False).escrowed()
        device = self._device(machine.host)
        key = Tenancy(site=self._site).escrow(device, protector, volume) if device is not None else None
        return Spot(host=machine.host, volume=volume, protector=protector, entry=self._site.estate.entries[-1], key=key)

    def _device(self, host: LabHost) -> LabEntraDevice | None:
        estate = self._site.estate
        ours = host.entra_tenant_id is not None and host.entra_tenant_id == estate.entra_tenant_id
        named = [device for device in estate.entra_devices if device.device_id == host.entra_device_id and not device.soft_deleted]
        return named[0] if ours and len(named) == 1 else None


def _answers(estate: Estate, host: LabHost) -> bool:
    left_alone = _LEFT_ALONE.intersection(estate.conditions[host.inventory_name])
    return expected_reason(host) is None and host.bitlocker_installed and not left_alone


def _objects(estate: Estate) -> dict[str, LabComputerObject]:
    return {computer.name: computer for computer in estate.computers if computer.enabled and not computer.delete_after}


def _spots(estate: Estate) -> Iterator[Spot]:
    objects = _objects(estate)
    for host in estate.hosts:
        if not _answers(estate, host) or host.netbios_name not in objects:
            continue
        for volume in host.volumes:
            passwords = [protector for protector in volume.protectors if protector.password is not None]
            if len(passwords) != 1 or not _in_good_health(volume):
                continue
            entries = [entry for entry in estate.entries if entry.key_id == passwords[0].key_id]
            keys = [key for key in estate.entra_keys if key.key_id == passwords[0].key_id]
            if len(entries) == 1 and len(keys) < 2 and _sound(entries[0], host, passwords[0]):
                yield Spot(host=host, volume=volume, protector=passwords[0], entry=entries[0], key=next(iter(keys), None))


def _in_good_health(volume: LabVolume) -> bool:
    encrypted = volume.conversion_status == 1 and volume.protection_status == 1 and volume.encryption_method != 5
    return encrypted and volume.volume_type in (0, 1) and not volume.locked and not volume.failing_methods


def _sound(entry: LabEntry, host: LabHost, protector: LabProtector) -> bool:
    whole = not entry.hidden and entry.raw_recovery_guid is None and entry.cn_key_id is None
    return whole and entry.computer == host.netbios_name and entry.password == protector.password


def _file_packages(estate: Estate, rng: random.Random) -> None:
    """Some machines that do not answer have a package in AD: it is all that their entries can be held against."""
    silent = {host.netbios_name for host in estate.hosts if expected_reason(host) is not None}
    known = {protector.key_id for host in estate.hosts for volume in host.volumes for protector in volume.protectors}
    entries = [entry for entry in estate.entries if entry.computer in silent and entry.key_id in known and entry.package is None]
    for entry in rng.sample(entries, min(len(entries), 2)):
        entry.package = "sound"


def _key_of_another(estate: Estate, spot: Spot, rng: random.Random) -> None:
    others = sorted({entry.password for entry in estate.entries if values.is_recovery_password(entry.password)} - {spot.entry.password})
    spot.file(rng.choice(others) if others else values.recovery_password(rng))


def _key_swapped(estate: Estate, spot: Spot, rng: random.Random) -> None:
    spot.file(values.swapped_groups(spot.entry.password))


def _key_of_earlier_encryption(estate: Estate, spot: Spot, rng: random.Random) -> None:
    spot.file(values.recovery_password(rng))
    spot.entry.package = "former"


def _second_entry(estate: Estate, spot: Spot, rng: random.Random, password: str) -> None:
    created = values.moment_before(rng, estate.now, days=(1, 900))
    estate.entries.append(
        LabEntry(
            computer=spot.entry.computer, key_id=spot.entry.key_id, password=password, created=created, volume_guid=spot.entry.volume_guid
        )
    )


def _keys_conflict(estate: Estate, spot: Spot, rng: random.Random) -> None:
    spot.file(values.recovery_password(rng))
    _second_entry(estate, spot, rng, values.recovery_password(rng))


def _keys_conflict_one_right(estate: Estate, spot: Spot, rng: random.Random) -> None:
    _second_entry(estate, spot, rng, values.recovery_password(rng))


def _fips(estate: Estate, spot: Spot, rng: random.Random) -> None:
    spot.protector.package = "fips"


def _package_refused(estate: Estate, spot: Spot, rng: random.Random) -> None:
    spot.protector.package = "refused"


def _package_unsteady(estate: Estate, spot: Spot, rng: random.Random) -> None:
    spot.protector.package = "unsteady"
    spot.file(values.recovery_password(rng))


def _unsteady_but_right(estate: Estate, spot: Spot, rng: random.Random) -> None:
    spot.protector.package = "unsteady"


def _wrong_in_ad(estate: Estate, spot: Spot, rng: random.Random) -> None:
    spot.entry.password = values.recovery_password(rng)


def _wrong_in_entra(estate: Estate, spot: Spot, rng: random.Random) -> None:
    if spot.key is not None:
        spot.key.password = values.swapped_groups(spot.key.password)


def _sibling_wrong(estate: Estate, spot: Spot, rng: random.Random) -> None:
    sibling = LabProtector(key_id=values.guid(rng), type=spot.protector.type, password=values.recovery_password(rng), backup_types=0)
    spot.volume.protectors.append(sibling)
    created = values.moment_before(rng, estate.now, days=(1, 900))
    wrong = values.swapped_groups(sibling.password or "")
    estate.entries.append(
        LabEntry(computer=spot.entry.computer, key_id=sibling.key_id, password=wrong, created=created, volume_guid=spot.entry.volume_guid)
    )


def _package_in_directory(estate: Estate, spot: Spot, rng: random.Random) -> None:
    spot.entry.package = "sound"


def _garbage_in_directory(estate: Estate, spot: Spot, rng: random.Random) -> None:
    spot.entry.package = "garbage"


def _no_password(estate: Estate, spot: Spot, rng: random.Random) -> None:
    spot.file(rng.choice(values.NOT_PASSWORDS))


PLANTERS: dict[str, Callable[[Estate, Spot, random.Random], None]] = {
    "key_of_another": _key_of_another,
    "key_swapped": _key_swapped,
    "key_of_earlier_encryption": _key_of_earlier_encryption,
    "keys_conflict": _keys_conflict,
    "fips": _fips,
    "package_refused": _package_refused,
    "package_unsteady": _package_unsteady,
    "keys_conflict_one_right": _keys_conflict_one_right,
    "wrong_in_ad": _wrong_in_ad,
    "wrong_in_entra": _wrong_in_entra,
    "unsteady_but_right": _unsteady_but_right,
    "sibling_wrong": _sibling_wrong,
    "package_in_directory": _package_in_directory,
    "garbage_in_directory": _garbage_in_directory,
    "no_password": _no_password,
}
