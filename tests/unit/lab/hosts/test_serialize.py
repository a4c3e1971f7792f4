# SPDX-License-Identifier: GPL-3.0-or-later
"""An estate survives JSON; what is no estate is refused."""

from __future__ import annotations

import dataclasses
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from ansible_collections.keyward.bitlocker.tests.lab.model import Estate, LabComputerObject, LabEntry
from ansible_collections.keyward.bitlocker.tests.lab.serialize import from_json, to_json
from ansible_collections.keyward.bitlocker.tests.unit.lab.hosts.raw import NOW, PASSWORD_KEY, make_host

ESTATE = Estate(
    seed=7,
    now=NOW,
    hosts=[make_host(fve_policy={"OSRecovery": 1, "RecoveryKeyUrl": "x"})],
    computers=[LabComputerObject(name="PC01", dns_name=None, last_logon=datetime(2026, 1, 2, tzinfo=UTC))],
    entries=[LabEntry(computer="PC01", key_id=PASSWORD_KEY, password="0", created=NOW, raw_recovery_guid=b"\x00\xff", key_package=b"")],
    conditions={"pc01": ["plain"]},
    stale_observations={"pc09": {"schema_version": 1, "volumes": None}},
)


def test_round_trip() -> None:
    assert from_json(to_json(ESTATE)) == ESTATE
    assert from_json(to_json(Estate(seed=1, now=NOW), indent=None)) == Estate(seed=1, now=NOW)


@pytest.mark.parametrize(
    "change",
    [{"seed": "7"}, {"hosts": {}}, {"hosts": [7]}, {"hosts": [{}]}, {"unknown": 1}, {"now": 5}, {"realm": None}, {"conditions": []}],
)
def test_what_is_no_estate(change: dict[str, Any]) -> None:
    plain = json.loads(to_json(ESTATE))
    with pytest.raises(ValueError, match="Estate"):
        from_json(json.dumps({**plain, **change}))


def test_every_field_is_carried() -> None:
    plain = json.loads(to_json(ESTATE))
    assert set(plain) == {field.name for field in dataclasses.fields(Estate)}
    assert plain["entries"][0]["raw_recovery_guid"] == "AP8="
