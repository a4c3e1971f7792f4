# SPDX-License-Identifier: GPL-3.0-or-later
"""What happens to an estate between two runs: to keys that were proven, one thing to a volume, and the truth says so."""

from __future__ import annotations

from collections import Counter
from copy import deepcopy
from datetime import UTC, datetime

import pytest
from ansible_collections.keyward.bitlocker.tests.lab.estate.generator import generate
from ansible_collections.keyward.bitlocker.tests.lab.estate.later import CHANGED, CODES, HAPPENINGS, VANISHED, happen, later_truth
from ansible_collections.keyward.bitlocker.tests.lab.estate.truth import truth
from ansible_collections.keyward.bitlocker.tests.lab.estate.values import is_recovery_password
from ansible_collections.keyward.bitlocker.tests.lab.model import Estate

NOW = datetime(2026, 11, 22, 20, 0, tzinfo=UTC)
STORES = ("ad", "entra")


def _estate(hosts: int = 100, *, entra: bool = True) -> Estate:
    return generate(1, hosts, now=NOW, proof="live", entra=entra)


@pytest.mark.parametrize("seed", range(1, 9))
def test_each_thing_happens_to_a_volume_of_its_own_that_was_proven(seed: int) -> None:
    estate = generate(seed, 100, now=NOW, proof="live", entra=True)
    before, earlier = truth(estate, proof="live", stores=STORES), deepcopy(estate)
    happened = happen(estate, before)
    assert len(happened) == len(HAPPENINGS)
    assert len({(item.computer, item.volume) for item in happened}) == len(happened)
    verdicts = {(volume["computer"], volume["volume"]): volume for volume in before["volumes"]}
    for item in happened:
        assert verdicts[item.computer, item.volume]["verdict"] == "recoverable"
        assert verdicts[item.computer, item.volume]["protectors"][item.key_id][item.store] == "proven"
        protectors = [protector for host in estate.hosts for volume in host.volumes for protector in volume.protectors]
        assert [protector.package for protector in protectors if protector.key_id == item.key_id] == ["sound"]
    gone = Counter(item.store for item in happened if item.kind == VANISHED)
    assert len(earlier.entries) - len(estate.entries) == gone["ad"] == 2
    assert len(earlier.entra_keys) - len(estate.entra_keys) == gone["entra"] == 2
    # in place: the very same entries but for their values
    changed = {(item.store, item.key_id): item.password for item in happened if item.kind == CHANGED}
    for store, was, now in (("ad", earlier.entries, estate.entries), ("entra", earlier.entra_keys, estate.entra_keys)):
        known = {item.key_id: item for item in was}
        for entry in now:
            if (store, entry.key_id) in changed:
                before_it = deepcopy(known[entry.key_id])
                assert entry.password == changed[store, entry.key_id] != before_it.password
                assert is_recovery_password(entry.password)
                before_it.password = entry.password
                assert entry == before_it


def test_the_truth_of_the_second_run_says_what_was_lost_and_what_still_opens() -> None:
    estate = _estate()
    before = truth(estate, proof="live", stores=STORES)
    happened = happen(estate, before)
    after = later_truth(truth(estate, proof="live", stores=STORES), happened)
    volumes = {(volume["computer"], volume["volume"]): volume for volume in after["volumes"]}
    found = Counter()
    for item, (_kind, _store, stores) in zip(happened, HAPPENINGS, strict=True):
        volume = volumes.pop((item.computer, item.volume))
        assert CODES[item.kind] in volume["findings"]
        state = volume["protectors"][item.key_id][item.store]
        assert state == ("refuted" if item.kind == CHANGED else "absent")
        lost = "wrong_key" if item.kind == CHANGED else "unescrowed"
        assert volume["verdict"] == ("recoverable" if len(stores) == 2 else lost)
        found[volume["verdict"]] += 1
    assert found == {"recoverable": 4, "wrong_key": 2, "unescrowed": 2}
    earlier = {(volume["computer"], volume["volume"]): volume for volume in before["volumes"]}
    assert all(earlier[place] == volume for place, volume in volumes.items())


def test_without_a_tenant_what_can_happen_happens() -> None:
    estate = _estate(20, entra=False)
    happened = happen(estate, truth(estate, proof="live"))
    assert [(item.kind, item.store) for item in happened] == [(CHANGED, "ad"), (VANISHED, "ad")]


def test_the_same_estate_has_the_same_fate() -> None:
    one, other = _estate(40), _estate(40)
    assert happen(one, truth(one, proof="live", stores=STORES)) == happen(other, truth(other, proof="live", stores=STORES))


def test_nothing_happens_where_nothing_was_proven() -> None:
    estate = generate(1, 30, now=NOW, entra=True)
    assert happen(estate, truth(estate, stores=STORES)) == []
