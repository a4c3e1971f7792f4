# SPDX-License-Identifier: GPL-3.0-or-later
"""Blocks of loopback addresses do not collide."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from ansible_collections.keyward.bitlocker.tests.lab.directory import address
from ansible_collections.keyward.bitlocker.tests.lab.model import Estate, LabHost

PORTS = (47636,)


def test_two_labs_get_two_blocks_and_a_closed_one_is_free_again(tmp_path: Path) -> None:
    with address.allocate(tmp_path, probe=PORTS) as first:
        with address.allocate(tmp_path, probe=PORTS) as second:
            assert first.number != second.number
        number = first.number
    with address.allocate(tmp_path, probe=PORTS) as again:
        assert again.number == number


def test_a_block_whose_port_is_taken_is_passed_over(tmp_path: Path) -> None:
    import socket

    with socket.socket() as squatter:
        squatter.bind((f"127.{address.FIRST_BLOCK}.0.10", PORTS[0]))
        squatter.listen()
        with address.allocate(tmp_path, probe=PORTS) as block:
            assert block.number == address.FIRST_BLOCK + 1


def test_all_taken_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(address, "LAST_BLOCK", address.FIRST_BLOCK)
    with address.allocate(tmp_path, probe=PORTS), pytest.raises(address.AddressError, match="stop a lab"):
        address.allocate(tmp_path, probe=PORTS)


def test_hosts_get_addresses_across_networks(tmp_path: Path) -> None:
    estate = Estate(seed=1, now=datetime(2026, 1, 1, tzinfo=UTC))
    estate.hosts = [LabHost(inventory_name=f"h{n}", netbios_name=f"H{n}", domain=None) for n in range(600)]
    with address.allocate(tmp_path, probe=PORTS) as block:
        block.assign(estate)
        assert block.directory == f"127.{block.number}.0.10"
        assert estate.hosts[0].address == f"127.{block.number}.1.1"
        assert estate.hosts[254].address == f"127.{block.number}.2.1"
        assert len({host.address for host in estate.hosts}) == 600
