# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""An observation as the ledger keeps it: the shape that :mod:`.observation` reads, without what must not be kept (key packages)."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from .model import Observation, ObservedProtector, ObservedVolume, ReadError
from .observation import SCHEMA_VERSION


def observation_facts(observation: Observation) -> dict[str, Any]:
    """What a host said, without when: data that ``parse_observation`` turns into the same again, its time and key packages apart.

    What is None or empty is left out, so that a body is as small as it can be.
    """
    return _filled(
        {
            "schema_version": SCHEMA_VERSION,
            "host": observation.host,
            "state": "observed",
            "gathered": list(observation.gathered),
            "channel": _filled({"authenticated_names": list(observation.authenticated_names)}),
            "computer": _filled(
                {
                    "name": observation.name,
                    "dns_name": observation.dns_name,
                    "domain": observation.domain,
                    "part_of_domain": observation.part_of_domain,
                    "domain_role": "backup_domain_controller" if observation.domain_controller else None,
                    "serial": observation.serial,
                    "hardware_uuid": observation.hardware_uuid,
                }
            ),
            "join": _filled(
                {
                    "entra": _filled({"device_id": observation.entra_device_id, "tenant_id": observation.entra_tenant_id}),
                    "cluster": observation.cluster,
                }
            ),
            "bitlocker_installed": observation.bitlocker_installed,
            "errors": _errors(observation.errors),
        }
    ) | _lists(observation)


def _lists(observation: Observation) -> dict[str, Any]:
    """What differs from None when it is empty: no volume, no policy."""
    found: dict[str, Any] = {}
    if observation.volumes is not None:
        found["volumes"] = [_volume(volume) for volume in observation.volumes]
    if observation.policy is not None:
        found["policy"] = {"values": dict(observation.policy)}
    return found


def _volume(volume: ObservedVolume) -> dict[str, Any]:
    found = _filled(
        {
            "device_id": volume.device_id,
            "persistent_id": volume.persistent_id,
            "letter": volume.letter,
            "mount_point": volume.mount_point,
            "type": volume.type,
            "conversion": volume.conversion,
            "encrypted_percent": volume.encrypted_percent,
            "method": volume.method,
            "protection": volume.protection,
            "locked": volume.locked,
            "suspend_count": volume.suspend_count,
            "hardware_test": volume.hardware_test,
            "auto_unlock_key_id": volume.auto_unlock_key_id,
            "errors": _errors(volume.errors),
        }
    )
    if volume.protectors is not None:
        found["protectors"] = [_protector(protector) for protector in volume.protectors]
    return found


def _protector(protector: ObservedProtector) -> dict[str, Any]:
    found = _filled({"key_id": protector.key_id, "type": protector.type, "name": protector.name})
    if protector.backup is not None:
        found["backup"] = list(protector.backup)
    return found


def _errors(errors: Iterable[ReadError]) -> list[dict[str, str]]:
    return [{"read": error.read, "code": error.code, "name": error.name, "message": error.message} for error in errors]


def _filled(data: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in data.items() if value is not None and value != [] and value != {}}


def at_time(facts: object, observed_at: datetime) -> dict[str, Any]:
    """Facts with the time that they were observed at, as volume_info would write them; ValueError where they are no facts."""
    if not isinstance(facts, dict):
        raise ValueError("no facts")  # noqa: TRY004 (what was read is no observation; nobody called this wrongly)
    return {**facts, "observed_at": observed_at.astimezone(UTC).isoformat()}
