# SPDX-License-Identifier: GPL-3.0-or-later
"""Observations made earlier: what ``volume_info`` would have returned for a host when it still answered (the contract's JSON shape)."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from ansible_collections.keyward.bitlocker.tests.lab.hosts.profiles import PROFILES
from ansible_collections.keyward.bitlocker.tests.lab.model import LabHost, LabProtector, LabVolume

CONVERSIONS = (
    "fully_decrypted",
    "fully_encrypted",
    "encryption_in_progress",
    "decryption_in_progress",
    "encryption_paused",
    "decryption_paused",
)
METHODS = ("none", "aes_128_diffuser", "aes_256_diffuser", "aes_128", "aes_256", "hardware", "xts_aes_128", "xts_aes_256")
PROTECTIONS = ("off", "on", "unknown")
TYPES = ("os", "fixed", "removable")
HARDWARE_TESTS = ("none", "failed", "pending")
PROTECTOR_TYPES = (
    "",
    "tpm",
    "external_key",
    "recovery_password",
    "tpm_pin",
    "tpm_startup_key",
    "tpm_pin_startup_key",
    "certificate",
    "passphrase",
    "network_unlock",
    "sid",
)
ROLES = (
    "standalone_workstation",
    "member_workstation",
    "standalone_server",
    "member_server",
    "backup_domain_controller",
    "primary_domain_controller",
)
BACKUPS = ((1, "ad"), (2, "microsoft_account"), (4, "entra"), (8, "file"), (16, "printed"))


def zulu(moment: datetime) -> str:
    """``2026-11-22T20:00:00Z``."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def observation(host: LabHost, observed_at: datetime) -> dict[str, Any]:
    """The observation of a host that answered everything at that time, gathered as the demo gathers."""
    profile = PROFILES[host.profile]
    return {
        "schema_version": 1,
        "host": host.inventory_name,
        "observed_at": zulu(observed_at),
        "state": "observed",
        "reason": None,
        "message": "",
        "gathered": ["escrow", "backup_records", "policy"],
        "channel": {
            "endpoint": f"{host.scheme}://{host.address}:{host.port}/wsman",
            "transport": host.transport,
            "adapter": "lean",
            "authenticated_names": [host.dns_name],
        },
        "computer": _computer(host),
        "os": {
            "caption": profile.caption,
            "version": profile.version,
            "build": profile.build,
            "product_type": "domain_controller" if host.domain_role > 3 else "server" if profile.server else "workstation",
            "system_drive": "C:",
            "last_boot": zulu(observed_at - timedelta(days=1)),
        },
        "join": {
            "entra": {"device_id": host.entra_device_id, "tenant_id": host.entra_tenant_id} if host.entra_device_id else None,
            "cluster": host.cluster_name,
        },
        "bitlocker_installed": host.bitlocker_installed,
        "volumes": [_volume(volume) for volume in host.volumes],
        "policy": {"values": dict(host.fve_policy or {})},
        "errors": [],
    }


def _computer(host: LabHost) -> dict[str, Any]:
    return {
        "name": host.netbios_name.upper(),
        "dns_name": host.dns_name,
        "domain": host.domain,
        "workgroup": None if host.domain else host.workgroup,
        "part_of_domain": host.domain is not None,
        "domain_role": ROLES[host.domain_role],
        "manufacturer": host.manufacturer,
        "model": host.model,
        "serial": host.serial,
        "hardware_uuid": host.hardware_uuid,
    }


def _volume(volume: LabVolume) -> dict[str, Any]:
    return {
        "device_id": f"\\\\?\\Volume{{{volume.device_guid}}}\\",
        "persistent_id": f"{{{volume.persistent_id.upper()}}}" if volume.persistent_id else None,
        "letter": volume.drive_letter,
        "mount_point": volume.mount_point.rstrip("\\") if volume.mount_point else None,
        "type": TYPES[volume.volume_type],
        "conversion": CONVERSIONS[volume.conversion_status],
        "encrypted_percent": volume.encryption_percentage,
        "method": METHODS[volume.encryption_method],
        "protection": PROTECTIONS[volume.protection_status],
        "locked": volume.locked,
        "suspend_count": volume.suspend_count,
        "hardware_test": HARDWARE_TESTS[volume.hardware_test_status],
        "auto_unlock_key_id": volume.auto_unlock_key_id,
        "protectors": [_protector(protector) for protector in volume.protectors],
        "errors": [],
    }


def _protector(protector: LabProtector) -> dict[str, Any]:
    return {
        "key_id": protector.key_id,
        "type": PROTECTOR_TYPES[protector.type],
        "backup": [word for bit, word in BACKUPS if protector.backup_types & bit],
    }
