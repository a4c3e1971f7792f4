# SPDX-License-Identifier: GPL-3.0-or-later
"""A lab host in this process behind the transport's port: real envelopes both ways, no socket."""

from __future__ import annotations

from datetime import UTC, datetime

from ansible_collections.keyward.bitlocker.plugins.plugin_utils._windows.wsman.session import Session
from ansible_collections.keyward.bitlocker.tests.lab.hosts.record import Exchange
from ansible_collections.keyward.bitlocker.tests.lab.hosts.wsman import WsmanService
from ansible_collections.keyward.bitlocker.tests.lab.model import LabHost, LabProtector, LabVolume

NOW = datetime(2026, 11, 22, 20, 0, tzinfo=UTC)
PASSWORD = "-".join(["000011"] * 8)


class LabTransport:
    """Hands every message to the lab's service and keeps the notes it made."""

    def __init__(self, host: LabHost) -> None:
        self.service = WsmanService(host, NOW)
        self.notes: list[Exchange] = []
        self.octets = 0
        self.authenticated_names = (host.dns_name,)

    def send(self, envelope: bytes) -> bytes:
        note = Exchange(connection=1, request=len(self.notes) + 1)
        _status, answer = self.service.handle(envelope, note)
        self.notes.append(note)
        self.octets += len(envelope) + len(answer)
        return answer

    def close(self) -> None:
        pass


def session(host: LabHost) -> tuple[Session, LabTransport]:
    """A session with a lab host; ``service`` of the transport is the host."""
    transport = LabTransport(host)
    return Session(transport, target="lab", username="LAB\\svc-keyward"), transport


def guid(number: int) -> str:
    return f"{number:08x}-0000-4000-8000-000000000000"


def lab_volume(number: int, letter: str | None, kind: int, types: tuple[int, ...] = (1, 3), **changes: object) -> LabVolume:
    """A volume with protectors of these types; recovery passwords are made up."""
    protectors = [
        LabProtector(
            key_id=guid(number * 100 + place), type=type_, password=PASSWORD if type_ == 3 else None, backup_types=1 if type_ == 3 else 0
        )
        for place, type_ in enumerate(types)
    ]
    values: dict[str, object] = {
        "device_guid": guid(number),
        "persistent_id": guid(number + 0xF0000),
        "drive_letter": letter,
        "volume_type": kind,
        "protectors": protectors,
    }
    return LabVolume(**(values | changes))  # type: ignore[arg-type]  # a test's shorthand


def lab_computer(*volumes: LabVolume, **changes: object) -> LabHost:
    """A domain member with these volumes."""
    values: dict[str, object] = {
        "inventory_name": "pc01",
        "netbios_name": "pc01",
        "domain": "lab.example",
        "serial": "LAB0001",
        "hardware_uuid": guid(0xABCD),
        "volumes": list(volumes),
    }
    return LabHost(**(values | changes))  # type: ignore[arg-type]  # a test's shorthand
