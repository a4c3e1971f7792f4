# SPDX-License-Identifier: GPL-3.0-or-later
"""A small estate with one entry of every kind of damage, and a running directory that holds it: for tests that need a real Samba."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from ansible_collections.keyward.bitlocker.tests.lab.directory import address
from ansible_collections.keyward.bitlocker.tests.lab.directory.domain_controller import LabDirectory
from ansible_collections.keyward.bitlocker.tests.lab.model import Estate, LabComputerObject, LabEntry
from ansible_collections.keyward.bitlocker.tests.lab.pki import LabCA

NOW = datetime(2026, 11, 22, 20, 0, tzinfo=UTC)
#: key IDs by what is planted under them
KEYS = {
    name: f"{number:08x}-0102-4304-8506-0708090a0b0c"
    for number, name in enumerate(
        ("good", "twice", "hidden", "broken_guid", "other_cn", "deleted", "planted", "text", "by_itself"), 0x1A2B3C40
    )
}
GUID_PC01 = "cccccccc-0102-4304-8506-0708090a0b0c"
PASSWORD = "123453-123453-123453-123453-123453-123453-123453-123453"
MACHINE_PASSWORD = "Machine-Pw-0001"


def small_estate() -> Estate:
    """A few computers, one entry of every kind of damage."""
    computers = [
        LabComputerObject(
            name="PC01",
            dns_name="pc01.lab.example",
            machine_password=MACHINE_PASSWORD,
            last_logon=NOW - timedelta(days=3),
            object_guid=GUID_PC01,
        ),
        LabComputerObject(name="PC02", dns_name="pc02.lab.example", enabled=False, ou="OU=Kiosk,OU=Clients"),
        LabComputerObject(name="GONE", dns_name="gone.lab.example", delete_after=True),
        LabComputerObject(name="CL1", dns_name="cl1.lab.example", cluster_name_object=True, ou="CN=Computers", operating_system=None),
        LabComputerObject(name="DC2", dns_name="dc2.lab.example", ou="OU=Domain Controllers", operating_system="Windows Server 2022"),
    ]

    def entry(computer: str, kind: str, **fields: object) -> LabEntry:
        settings = {"computer": computer, "key_id": KEYS[kind], "password": PASSWORD, "created": NOW - timedelta(days=200)} | fields
        return LabEntry(**settings)  # type: ignore[arg-type]  # fields of a test's own choosing

    entries = [
        entry("PC01", "good", volume_guid=KEYS["other_cn"], key_package=b"package\x00\xff"),
        entry("PC01", "twice"),
        entry("PC01", "twice", password=PASSWORD.replace("123453", "111111")),
        entry("PC01", "hidden", hidden=True),
        entry("PC02", "broken_guid", raw_recovery_guid=b"\x01\x02\x03"),
        entry("PC02", "other_cn", cn_key_id=KEYS["planted"], cn_created=NOW - timedelta(days=1)),
        entry("PC02", "text", password="no password at all"),
        entry("CL1", "planted"),
        entry("DC2", "good"),
        entry("GONE", "deleted", key_package=b"kept"),
    ]
    return Estate(seed=1, now=NOW, computers=computers, entries=entries)


@dataclass
class Ground:
    """A running directory and what belongs to it."""

    directory: LabDirectory
    authority: LabCA
    block: address.AddressBlock
    folder: Path


@contextmanager
def running(folder: Path, *, estate: Estate | None = None, kerberos: bool = False) -> Iterator[Ground]:
    """An estate (the small one where none is given) in a real Samba on an address of its own.

    Raises:
        DirectoryError: packages are missing; the text names the command.
    """
    authority = LabCA(folder / "pki")
    with address.allocate() as block:
        directory = LabDirectory(folder / "directory", block.directory, authority, kerberos=kerberos)
        directory.prepare()
        directory.seed(estate or small_estate())
        with directory:
            yield Ground(directory, authority, block, folder)
