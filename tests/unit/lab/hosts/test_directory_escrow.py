# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host says when it cannot write into the directory, and what is kept of a host that changes; a real directory is elsewhere."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.keyward.bitlocker.tests.lab.hosts import start
from ansible_collections.keyward.bitlocker.tests.lab.hosts.around import Surroundings
from ansible_collections.keyward.bitlocker.tests.lab.hosts.directory_escrow import DirectoryEscrow, own_computers
from ansible_collections.keyward.bitlocker.tests.lab.hosts.escrow import MemoryEscrow, Stores
from ansible_collections.keyward.bitlocker.tests.lab.hosts.kept import Keeper, kept_hosts, with_kept_hosts
from ansible_collections.keyward.bitlocker.tests.lab.model import Estate, LabComputerObject, LabHost
from ansible_collections.keyward.bitlocker.tests.lab.pki import LabCA
from ansible_collections.keyward.bitlocker.tests.unit.lab.hosts.raw import NOW, make_host

COMPUTER = LabComputerObject(name="PC01", dns_name="pc01.lab.example", machine_password="Lab-Machine-4711")


@pytest.mark.parametrize(
    ("host", "computers", "code"),
    [
        (make_host(domain=None), [COMPUTER], 0x8007054B),
        (make_host(domain="other.example"), [COMPUTER], 0x8007054B),
        (make_host(), [], 0x800706FD),
        (make_host(), [LabComputerObject(name="PC01", dns_name=None)], 0x800706FD),
        (make_host(), [COMPUTER], 0x8007203A),
    ],
)
def test_what_cannot_be_written_has_its_code(host: LabHost, computers: list[LabComputerObject], code: int, tmp_path: Path) -> None:
    ca = LabCA(tmp_path)
    store = DirectoryEscrow(server="127.0.77.9", port=9, realm="lab.example", ca_file=ca.ca_pem, computers=own_computers(computers))
    volume = host.volumes[0]
    assert store.to_directory(host, volume, volume.protectors[1], None) == code


def test_stores_that_do_not_exist_refuse() -> None:
    host = make_host(entra_device_id="x")
    volume, protector = host.volumes[0], host.volumes[0].protectors[1]
    nothing, memory = Stores(), MemoryEscrow()
    assert nothing.to_directory(host, volume, protector, None) == nothing.to_tenant(host, volume, protector) == 0x8007054B
    assert nothing.to_microsoft_account(host, volume, protector) == 0
    both = Stores(directory=memory, tenant=memory)
    assert both.to_directory(host, volume, protector, None) == both.to_tenant(host, volume, protector) == 0
    assert (list(memory.directory), list(memory.tenant)) == ([protector.key_id], [protector.key_id])


def test_a_changed_host_is_kept_whole_and_found_again(tmp_path: Path) -> None:
    host = make_host(address="127.0.77.1")
    Keeper(tmp_path).keep(host)
    host.volumes[0].protectors.pop()
    Keeper(tmp_path).keep(host)
    (tmp_path / ".pc02.new").write_text("{", encoding="utf-8")
    assert kept_hosts(tmp_path) == {"pc01": host}
    assert (tmp_path / "pc01.json").stat().st_mode & 0o777 == 0o600
    estate = Estate(seed=1, now=NOW, hosts=[make_host(address="127.0.77.2", port=5986), make_host(inventory_name="pc02")])
    with_kept_hosts(estate, tmp_path)
    assert [len(item.volumes[0].protectors) for item in estate.hosts] == [1, 2]
    assert (estate.hosts[0].address, estate.hosts[0].port) == ("127.0.77.2", 5986)


def test_an_endpoint_writes_down_what_becomes_of_its_hosts(tmp_path: Path) -> None:
    around = Surroundings(changed=tmp_path / "changed", progress=7)
    with start([make_host()], LabCA(tmp_path / "ca"), tmp_path / "state", tmp_path / "logs", around=around) as endpoint:
        changes = endpoint.service_of("pc01").changes
        assert changes is not None
        assert changes.progress == 7
        assert kept_hosts(tmp_path / "changed") == {}
        changes.on_disable_key_protectors(endpoint.service_of("pc01").host.volumes[0], {})
        assert kept_hosts(tmp_path / "changed")["pc01"].volumes[0].suspend_count == 1
