# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""The recovery passwords that a computer itself has now: which there are, and, only for those that were chosen, each one itself.

The secret travels in a SOAP body: :func:`read` refuses a channel that nobody encrypts.
"""

from __future__ import annotations

from dataclasses import dataclass

from .._core import recovery_password
from .._core.model import ProtectorType
from .._core.observation import MAX_VOLUMES, normalise_key_id
from .._core.redaction import Secret
from .._errors import BadDataError, KeywardError, LimitError
from . import computer, volume_secrets
from .calls import bounded, is_absent
from .encryptable_volume import CLASS_NAME, EncryptableVolume, volume_instances
from .reads import Reads
from .wsman.faults import FaultError
from .wsman.session import Session


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveProtector:
    """One recovery-password protector; ``protector_id`` as the host spells it, ``volume`` its letter or None."""

    key_id: str
    protector_id: str
    device_id: str
    volume: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveList:
    """What a computer says of itself; ``names`` in lower case, ``problems`` what of it could not be read."""

    names: tuple[str, ...]
    serial: str | None
    protectors: tuple[LiveProtector, ...]
    problems: tuple[KeywardError, ...] = ()


def read_list(session: Session, reads: Reads) -> LiveList:
    """Who the host is and its recovery-password protectors, over all volumes.

    Raises:
        KeywardError: the volumes could not be listed. What of one volume cannot be read is a problem in the list.
    """
    system = computer.single(session, computer.NAMESPACE, computer.COMPUTER_SYSTEM, "Win32_ComputerSystem")
    facts = computer.computer_facts(system, reads)
    names = tuple(dict.fromkeys(name.lower() for name in (facts["name"], facts["dns_name"]) if name))
    serial: str | None = None
    try:
        product = computer.single(session, computer.NAMESPACE, computer.PRODUCT, "Win32_ComputerSystemProduct")
        serial = computer.product_facts(product, reads)["serial"]
    except KeywardError:
        # a hint, no identity: a key is found without it
        serial = None
    protectors: list[LiveProtector] = []
    problems: list[KeywardError] = []
    try:
        instances = volume_instances(session, MAX_VOLUMES + 1)
    except FaultError as error:
        if not is_absent(error):
            raise
        instances = []
    if len(instances) > MAX_VOLUMES:
        raise LimitError("list the volumes", meaning=f"the host lists more than {MAX_VOLUMES}")
    for instance in instances:
        try:
            device_id = bounded(instance.string("DeviceID"), "DeviceID")
            letter = bounded(instance.string("DriveLetter"), "DriveLetter")
            if not device_id:
                raise BadDataError("read a volume", target=CLASS_NAME, meaning="its instance has no DeviceID")
            protectors += _of_volume(EncryptableVolume(session, device_id), letter.strip().upper() if letter else None)
        except KeywardError as problem:
            problems.append(problem)
    return LiveList(names=names, serial=serial, protectors=tuple(protectors), problems=tuple(problems))


def _of_volume(volume: EncryptableVolume, letter: str | None) -> list[LiveProtector]:
    found = []
    for protector_id in volume.protector_ids():
        if volume.protector_type(protector_id) == ProtectorType.RECOVERY_PASSWORD:
            found.append(
                LiveProtector(
                    key_id=normalise_key_id(protector_id), protector_id=protector_id, device_id=volume.device_id, volume=letter or None
                )
            )
    return found


def read(session: Session, protector: LiveProtector) -> Secret[str]:
    """The recovery password of one protector, in the canonical form; raises why it cannot be had (a locked volume refuses it)."""
    given = volume_secrets.numerical_password(EncryptableVolume(session, protector.device_id), protector.protector_id)
    return recovery_password.parse(given)
