# SPDX-License-Identifier: GPL-3.0-or-later
"""Judging an estate: joins, states, unmatched entries, clusters, run findings, names. Everything is made up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.estate import (
    judge_estate,
    known_computers,
    owners_to_name,
)
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.joins import InventoryHost, inventory_computers
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.model import (
    Entry,
    EntryState,
    FailureReason,
    Flag,
    Join,
    Observation,
    ObservedProtector,
    ObservedVolume,
    Owner,
    ReadError,
    StoreReading,
    StoreState,
    Verdict,
)
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.requirements import Requirements
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.rows import ComputerRow, EstateJudgement

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
REQUIREMENTS = Requirements(stores=("ad",))


def key(number: int) -> str:
    return f"{number:08x}-1111-2222-3333-444444444444"


def volume(*keys: str, letter: str = "C:", kind: str = "os", persistent: str | None = None) -> ObservedVolume:
    return ObservedVolume(
        device_id=f"\\\\?\\Volume{{{letter}}}\\",
        persistent_id=persistent,
        letter=letter,
        type=kind,
        conversion="fully_encrypted",
        encrypted_percent=100,
        method="xts_aes_256",
        protection="on",
        locked=False,
        protectors=tuple(ObservedProtector(key_id=k, type="recovery_password") for k in keys),
    )


def said(host: str, *volumes: ObservedVolume, **facts: object) -> Observation:
    base = Observation(
        host=host,
        observed_at=NOW - timedelta(minutes=5),
        dns_name=f"{host}.corp.example",
        domain="corp.example",
        part_of_domain=True,
        bitlocker_installed=True,
        volumes=volumes,
    )
    return replace(base, **facts)


def failed(host: str, reason: FailureReason = FailureReason.UNREACHABLE) -> Observation:
    return Observation(host=host, observed_at=NOW, reason=reason, message="Could not connect.")


def owner(name: str, **facts: object) -> Owner:
    base = Owner(
        store="ad", owner_id=f"guid-{name}", name=name.upper(), location=f"CN={name},DC=corp,DC=example", dns_name=f"{name}.corp.example"
    )
    return replace(base, **facts)


def entry(name: str, *keys: str, number: int = 0, **facts: object) -> Entry:
    location = f"CN=entry{number},CN={name},DC=corp,DC=example"
    return replace(Entry(store="ad", owner_id=f"guid-{name}", entry_id=f"{name}-{number}-{keys}", location=location, key_ids=keys), **facts)


def reading(
    owners: Sequence[Owner], entries: Sequence[Entry] = (), state: StoreState = StoreState.SEARCHED, **facts: object
) -> StoreReading:
    return replace(StoreReading(store="ad", state=state, owners=tuple(owners), entries=tuple(entries), domain="corp.example"), **facts)


def judge(
    hosts: Sequence[str], observations: Sequence[Observation], store: StoreReading, requirements: Requirements = REQUIREMENTS
) -> EstateJudgement:
    by_host: dict[str, list[Observation]] = {}
    for observation in observations:
        by_host.setdefault(observation.host, []).append(observation)
    computers = inventory_computers([InventoryHost(name=h) for h in hosts], by_host, now=NOW, requirements=requirements)
    return judge_estate(known_computers(computers, [store]), [store], requirements, now=NOW)


def row(judgement: EstateJudgement, name: str) -> ComputerRow:
    return next(item for item in judgement.computers if item.name == name)


def codes(judgement: EstateJudgement, name: str | None, on_volume: str | None = None) -> list[str]:
    return sorted(f.code for f in judgement.findings if f.computer == name and f.volume == on_volume)


def state(judgement: EstateJudgement, name: str, number: int = 0) -> EntryState:
    holdings = row(judgement, name).volumes[0].protectors[number].holdings
    assert holdings is not None
    return holdings["ad"].state


def test_an_entry_under_its_own_computer_is_escrowed_and_passes() -> None:
    result = judge(["pc01"], [said("pc01", volume(key(1)))], reading([owner("pc01")], [entry("pc01", key(1))]))
    assert row(result, "pc01.corp.example").verdict is Verdict.ESCROWED
    assert result.passed
    assert result.complete
    assert (result.passing, result.units, result.could_not_look) == (1, 1, 0)
    assert not result.findings


@pytest.mark.parametrize(
    ("names", "expected"), [(("pc01.corp.example",), Join.AUTHENTICATED), (("other.corp.example",), Join.CLAIMED), ((), Join.CLAIMED)]
)
def test_a_join_is_authenticated_only_by_the_channel(names: tuple[str, ...], expected: Join) -> None:
    result = judge(["pc01"], [said("pc01", volume(key(1)), authenticated_names=names)], reading([owner("pc01")], [entry("pc01", key(1))]))
    assert row(result, "pc01.corp.example").computer.joins["ad"].join is expected


def test_an_entry_elsewhere_is_never_counted() -> None:
    store = reading([owner("pc01"), owner("pc02", in_scope=False)], [entry("pc02", key(1))])
    result = judge(["pc01"], [said("pc01", volume(key(1)))], store)
    assert row(result, "pc01.corp.example").verdict is Verdict.UNESCROWED
    assert codes(result, "pc01.corp.example", "C:") == ["KW-ESC-006", "KW-VOL-004"]


@pytest.mark.parametrize(
    ("state_of_store", "run_codes"),
    [(StoreState.DOWN, ["KW-STO-001"]), (StoreState.PARTIAL, ["KW-STO-001"]), (StoreState.NO_RIGHTS, ["KW-STO-002"])],
)
def test_a_store_that_could_not_be_searched_is_never_missing_and_never_green(state_of_store: StoreState, run_codes: list[str]) -> None:
    result = judge(["pc01"], [said("pc01", volume(key(1)))], reading([owner("pc01")], state=state_of_store))
    assert row(result, "pc01.corp.example").verdict is Verdict.UNKNOWN
    assert state(result, "pc01.corp.example") is EntryState.UNKNOWN
    assert codes(result, None) == run_codes
    assert not result.complete
    assert not result.passed


def test_an_owner_that_could_not_be_searched_leaves_its_protector_unknown_and_the_run_incomplete() -> None:
    store = reading([owner("pc01")], unsearched_owners=frozenset({"guid-pc01"}))
    result = judge(["pc01"], [said("pc01", volume(key(1)))], store)
    assert state(result, "pc01.corp.example") is EntryState.UNKNOWN
    assert codes(result, None) == ["KW-STO-001"]


def test_a_workgroup_machine_has_no_entries_of_its_own() -> None:
    lone = said("kiosk", volume(key(1)), dns_name="kiosk", domain=None, part_of_domain=False)
    result = judge(["kiosk"], [lone], reading([owner("kiosk")], [entry("kiosk", key(1))]))
    assert row(result, "kiosk").verdict is Verdict.UNESCROWED
    assert "KW-HST-008" not in codes(result, "kiosk")


def test_an_unreachable_host_is_on_file_by_its_name_alone() -> None:
    result = judge(["pc01", "pc02"], [failed("pc01"), failed("pc02")], reading([owner("pc01"), owner("pc02")], [entry("pc01", key(1))]))
    assert row(result, "pc01.corp.example").verdict is Verdict.ON_FILE
    assert row(result, "pc02.corp.example").verdict is Verdict.UNKNOWN
    assert codes(result, "pc01.corp.example") == ["KW-HST-001", "KW-HST-008", "KW-VOL-008"]
    assert codes(result, "pc02.corp.example") == ["KW-HST-001", "KW-HST-008", "KW-VOL-007"]
    assert result.could_not_look == 2
    assert result.complete


def test_a_computer_that_only_the_directory_knows_is_in_the_report() -> None:
    store = reading([owner("pc09"), owner("old", in_scope=False), owner("gone", deleted=True)], [entry("pc09", key(1))])
    result = judge([], [], store)
    assert [item.name for item in result.computers] == ["pc09.corp.example"]
    assert codes(result, "pc09.corp.example") == ["KW-HST-009", "KW-VOL-008"]


def test_two_live_hosts_with_one_identity_hold_nothing() -> None:
    twins = [said("a", volume(key(1)), dns_name="pc01.corp.example"), said("b", volume(key(1)), dns_name="pc01.corp.example")]
    result = judge(["a", "b"], twins, reading([owner("pc01")], [entry("pc01", key(1))]))
    assert [item.name for item in result.computers] == ["a", "b"]
    for name in ("a", "b"):
        assert row(result, name).verdict is Verdict.UNKNOWN
        assert codes(result, name) == ["KW-HST-007"]
        assert codes(result, name, "C:") == ["KW-VOL-007"]


def test_twins_in_the_directory_are_nobodys_own_unless_one_is_disabled() -> None:
    twin = owner("pc01", owner_id="guid-twin")
    result = judge(["pc01"], [said("pc01", volume(key(1)))], reading([owner("pc01"), twin], [entry("pc01", key(1))]))
    assert row(result, "pc01").verdict is Verdict.UNKNOWN
    told = next(finding for finding in result.findings if finding.code == "KW-VOL-007" and finding.computer == "pc01")
    assert "several objects answer to its name: CN=pc01,DC=corp,DC=example, CN=pc01,DC=corp,DC=example" in told.message
    # neither is known to be the host's, so each is a computer that only the directory knows: none is lost
    assert [item.name for item in result.computers] == ["pc01", "pc01.corp.example/guid-pc01", "pc01.corp.example/guid-twin"]
    result = judge(
        ["pc01"],
        [said("pc01", volume(key(1)))],
        reading([owner("pc01"), replace(twin, enabled=False, in_scope=False)], [entry("pc01", key(1))]),
    )
    assert row(result, "pc01.corp.example").verdict is Verdict.ESCROWED


def test_two_live_hosts_that_are_one_object_by_their_inventory_names_hold_nothing() -> None:
    observations = [said(host, volume(key(1)), dns_name=f"{host}.other.example", name="X") for host in ("pc01", "PC01")]
    result = judge(["pc01", "PC01"], observations, reading([owner("pc01", dns_name=None)], [entry("pc01", key(1))]))
    assert [item.verdict for item in result.computers] == [Verdict.UNKNOWN, Verdict.UNKNOWN]
    assert [codes(result, item.name) for item in result.computers] == [["KW-HST-007", "KW-HST-008"]] * 2


def test_a_machine_that_is_in_no_domain_takes_no_object_by_its_word() -> None:
    liar = said("kiosk", volume(key(1)), dns_name="pc01.corp.example", domain=None, part_of_domain=False)
    result = judge(["kiosk"], [liar], reading([owner("pc01")], [entry("pc01", key(1))]))
    assert row(result, "kiosk").verdict is Verdict.UNESCROWED
    assert codes(result, "kiosk", "C:") == ["KW-ESC-006", "KW-VOL-004"]


@pytest.mark.parametrize(
    ("facts", "about", "told"),
    [
        ({"domain": "emea.example"}, {}, "it is a member of emea.example, and corp.example was searched"),
        ({}, {"whole": False}, "it has no object under the search bases"),
        ({"name": "PC01"}, {}, "an object has its name, but not its DNS name: CN=pc01,DC=corp,DC=example"),
        ({"part_of_domain": None, "domain": None}, {}, "the host did not tell which domain it is in"),
        ({"domain": None}, {}, "the host did not tell which domain it is in"),
    ],
)
def test_a_member_whose_object_was_not_in_reach_is_unknown_never_missing(
    facts: dict[str, object], about: dict[str, object], told: str
) -> None:
    host = said("alias", volume(key(1)), **({"dns_name": "pc01.lon.example"} | facts))
    result = judge(["alias"], [host], reading([owner("pc01", in_scope=False)], [entry("pc01", key(2))], **about))
    found = row(result, "pc01.lon.example")
    assert found.verdict is Verdict.UNKNOWN
    assert codes(result, found.name, "C:") == ["KW-VOL-007"]
    assert f"store ad: {told}" in next(finding.message for finding in result.findings if finding.code == "KW-VOL-007")


def test_a_member_of_the_searched_domain_without_any_object_has_nothing_escrowed() -> None:
    result = judge(["pc01"], [said("pc01", volume(key(1)), name="PC01")], reading([owner("pc02", in_scope=False)]))
    assert row(result, "pc01.corp.example").verdict is Verdict.UNESCROWED


def test_names_are_unique_whatever_hosts_call_themselves() -> None:
    told = [
        said("a", dns_name="one.corp.example"),
        said("b", dns_name="one.corp.example"),
        said("c", dns_name="a", domain=None, part_of_domain=False),
        said("d", dns_name="c", domain=None, part_of_domain=False),
    ]
    nameless = [owner("one", dns_name=None, owner_id="guid-1"), replace(owner("two", dns_name=None), name="")]
    result = judge(["a", "b", "c", "d"], told, reading([*nameless, owner("three", dns_name="d")]))
    assert [item.name for item in result.computers] == ["a", "b", "c", "d", "d/guid-three", "guid-two", "one"]


def test_a_join_by_name_never_takes_an_owner_that_a_host_holds() -> None:
    observations = [said("new", volume(key(1)), dns_name="pc01.corp.example"), failed("pc01")]
    result = judge(["new", "pc01"], observations, reading([owner("pc01")], [entry("pc01", key(1))]))
    assert row(result, "pc01.corp.example").verdict is Verdict.ESCROWED
    assert row(result, "pc01").verdict is Verdict.UNKNOWN
    assert "KW-HST-008" not in codes(result, "pc01")


def test_stale_and_misplaced_entries_are_told_apart() -> None:
    observations = [said("pc01", volume(key(1))), said("pc02", volume(key(2)))]
    store = reading(
        [owner("pc01"), owner("pc02")], [entry("pc01", key(1)), entry("pc01", key(2)), entry("pc01", key(3)), entry("pc02", key(2))]
    )
    result = judge(["pc01", "pc02"], observations, store)
    assert {item.entry.key_ids[0]: item.why for item in row(result, "pc01.corp.example").unmatched} == {
        key(2): "belongs_elsewhere",
        key(3): "stale",
    }
    assert codes(result, "pc01.corp.example") == ["KW-ESC-001"]
    assert codes(result, "pc02.corp.example", "C:") == ["KW-ESC-006"]


def test_nothing_is_called_stale_while_protectors_are_unread() -> None:
    half = said("pc01", volume(key(1)), replace(volume(letter="D:", kind="fixed"), protectors=None))
    result = judge(["pc01"], [half], reading([owner("pc01")], [entry("pc01", key(1)), entry("pc01", key(3))]))
    assert [item.why for item in row(result, "pc01.corp.example").unmatched] == ["not_observed"]
    assert "KW-ESC-001" not in codes(result, "pc01.corp.example")


def test_damaged_entries_are_findings_where_they_belong() -> None:
    store = reading(
        [owner("pc01")], [entry("pc01", key(1), key(7), defects=("the name says another ID",)), entry("pc01", number=2, defects=("no ID",))]
    )
    result = judge(["pc01"], [said("pc01", volume(key(1)))], store)
    assert row(result, "pc01.corp.example").verdict is Verdict.WRONG_KEY
    assert codes(result, "pc01.corp.example", "C:") == ["KW-ESC-004", "KW-VOL-006"]
    assert codes(result, "pc01.corp.example") == ["KW-ESC-004"]


def test_hidden_duplicate_and_deleted_entries() -> None:
    store = reading(
        [owner("pc01"), owner("pc02"), owner("pc03"), owner("tomb", deleted=True)],
        [
            entry("pc01", key(1), readable=False),
            entry("pc02", key(2), number=1),
            entry("pc02", key(2), number=2),
            entry("tomb", key(3), deleted=True),
        ],
    )
    observations = [said(f"pc0{n}", volume(key(n))) for n in (1, 2, 3)]
    result = judge(["pc01", "pc02", "pc03"], observations, store)
    assert [row(result, f"pc0{n}.corp.example").verdict for n in (1, 2, 3)] == [Verdict.ESCROWED, Verdict.ESCROWED, Verdict.UNESCROWED]
    assert codes(result, "pc01.corp.example", "C:") == ["KW-ESC-007"]
    assert codes(result, "pc02.corp.example", "C:") == ["KW-ESC-002"]
    assert codes(result, "pc03.corp.example", "C:") == ["KW-ESC-008", "KW-VOL-004"]
    assert state(result, "pc03.corp.example") is EntryState.DELETED


def test_an_old_observation_is_listed_but_not_judged_by() -> None:
    old = said("pc01", volume(key(1)), volume(key(2), letter="D:", kind="fixed"), observed_at=NOW - timedelta(days=31))
    result = judge(["pc01"], [old, failed("pc01")], reading([owner("pc01")], [entry("pc01", key(1))]))
    found = row(result, "pc01.corp.example")
    assert [item.judgement.verdict for item in found.volumes] == [Verdict.ON_FILE, Verdict.UNKNOWN]
    assert found.computer.joins["ad"].join is Join.CLAIMED
    assert codes(result, "pc01.corp.example") == ["KW-HST-001", "KW-HST-006"]
    assert codes(result, "pc01.corp.example", "C:") == ["KW-VOL-008"]
    assert result.observed == 0


def test_an_observation_from_the_future_is_too_old() -> None:
    future = said("pc01", volume(key(1)), observed_at=NOW + timedelta(minutes=6))
    result = judge(["pc01"], [future, failed("pc01", FailureReason.TLS)], reading([owner("pc01")]))
    assert codes(result, "pc01.corp.example") == ["KW-HST-004", "KW-HST-006"]


def test_an_observation_from_the_future_does_not_hide_a_good_one() -> None:
    observations = [said("pc01", volume(key(1))), said("pc01", observed_at=NOW + timedelta(days=2))]
    result = judge(["pc01"], observations, reading([owner("pc01")], [entry("pc01", key(1))]))
    assert result.passed


def test_a_failed_attempt_before_a_good_observation_is_forgotten() -> None:
    late = said("pc01", volume(key(1)), observed_at=NOW + timedelta(minutes=1))
    result = judge(["pc01"], [late, failed("pc01")], reading([owner("pc01")], [entry("pc01", key(1))]))
    assert result.passed
    assert not result.findings


def test_findings_say_what_exactly_was_seen() -> None:
    unread = replace(
        volume(key(1)), conversion=None, errors=(ReadError(read="GetConversionStatus", code="0x80041001", name="WBEM_E_FAILED"),)
    )
    store = reading(
        [owner("pc01"), owner("pc02", in_scope=False)], [entry("pc02", key(1)), entry("pc01", key(1), defects=("GUID of 3 bytes",))]
    )
    result = judge(["pc01"], [said("pc01", unread)], store)
    said_by = {finding.code: finding.message for finding in result.findings}
    assert "GetConversionStatus 0x80041001 WBEM_E_FAILED" in said_by["KW-VOL-007"]
    assert "CN=pc02,DC=corp,DC=example" in said_by["KW-ESC-006"]
    assert "GUID of 3 bytes" in said_by["KW-ESC-004"]


@pytest.mark.parametrize("evidence", [True, False])
def test_a_cluster_volume_is_one_only_with_the_clusters_own_evidence(evidence: bool) -> None:
    cluster = "clu1" if evidence else None
    shared = volume(key(9), letter="E:", kind="fixed", persistent="{ABC}")
    nodes = [said(n, volume(key(i)), shared, cluster=cluster) for i, n in enumerate(("node1", "node2"), 1)]
    store = reading(
        [owner("node1"), owner("node2"), owner("clu1", cluster_name_object=True, in_scope=False)],
        [entry("node1", key(1)), entry("node2", key(2)), entry("clu1", key(9))],
    )
    result = judge(["node1", "node2"], nodes, store)
    first, second = row(result, "node1.corp.example"), row(result, "node2.corp.example")
    assert len(first.volumes) == 2
    if evidence:
        assert first.volumes[1].nodes == ("node1.corp.example", "node2.corp.example")
        assert [item.judgement.verdict for item in first.volumes] == [Verdict.ESCROWED, Verdict.ESCROWED]
        assert len(second.volumes) == 1
    else:
        assert len(second.volumes) == 2
        assert first.volumes[1].judgement.verdict is Verdict.UNESCROWED
        assert codes(result, "node1.corp.example", "E:") == ["KW-ESC-006", "KW-VOL-004"]


SHARED = volume(key(9), letter="E:", kind="fixed", persistent="{ABC}")


def cluster_of(*volumes: Sequence[ObservedVolume], **about: object) -> EstateJudgement:
    """Nodes of one cluster with these volumes, every key escrowed under the first node."""
    nodes = [said(f"node{number}", *listed, cluster="clu1") for number, listed in enumerate(volumes, 1)]
    keys = dict.fromkeys(p.key_id for listed in volumes for one in listed for p in one.protectors or ())
    entries = [entry("node1", key_id, number=number) for number, key_id in enumerate(keys)]
    names = [node.host for node in nodes]
    return judge(names, nodes, replace(reading([owner(name) for name in names], entries), **about))


@pytest.mark.parametrize(
    "facts", [{"protection": "off"}, {"conversion": "decryption_in_progress"}, {"conversion": None}, {"method": "aes_128_diffuser"}]
)
def test_no_node_hides_what_another_says_of_a_shared_volume(facts: dict[str, object]) -> None:
    worse = replace(SHARED, **facts)
    good, bad = cluster_of([SHARED], [SHARED]), cluster_of([SHARED], [worse])
    assert (good.volumes, bad.volumes) == (1, 1)
    assert bad.verdicts == cluster_of([worse], [SHARED]).verdicts
    assert bad.passed is (facts.keys() == {"method"})
    if not bad.passed:
        assert row(bad, "node1.corp.example").volumes[0].volume == worse


def test_a_shared_volume_is_called_as_the_first_node_calls_it() -> None:
    bad = replace(SHARED, protection="off", device_id="other", letter="F:", mount_point="C:\\M")
    found = row(cluster_of([SHARED], [bad]), "node1.corp.example").volumes[0].volume
    assert (found.device_id, found.label, found.protection) == (SHARED.device_id, "E:", "off")


def test_a_first_node_that_denies_the_recovery_password_does_not_speak_for_the_second() -> None:
    denied = replace(SHARED, protectors=(ObservedProtector(key_id=key(9), type="tpm"),))
    assert cluster_of([denied], [SHARED]).verdicts == {"no_recovery_password": 1}


def test_a_device_id_that_is_listed_twice_hides_no_other_volume() -> None:
    twice = replace(volume(key(1)), device_id=SHARED.device_id)
    result = cluster_of([twice, SHARED], [volume(key(2)), SHARED])
    assert [item.volume.letter for item in row(result, "node2.corp.example").volumes] == ["C:"]


@pytest.mark.parametrize(("domain", "names"), [("other.example", 1), ("corp.example", 2)])
def test_a_cluster_name_object_is_one_and_of_the_nodes_own_domain(domain: str, names: int) -> None:
    nodes = [said(n, SHARED, cluster="clu1") for n in ("node1", "node2")]
    objects = [replace(owner(f"clu1-{n}", cluster_name_object=True, in_scope=False), name="CLU1") for n in range(names)]
    store = reading([owner("node1"), owner("node2"), *objects], [entry("clu1-0", key(9))], domain=domain)
    found = row(judge(["node1", "node2"], nodes, store), "node1.corp.example")
    assert found.volumes[0].judgement.verdict is Verdict.UNESCROWED


def test_a_domain_controller_whose_key_is_only_in_its_own_domain() -> None:
    result = judge(["dc1"], [said("dc1", volume(key(1)), domain_controller=True)], reading([owner("dc1")], [entry("dc1", key(1))]))
    assert codes(result, "dc1.corp.example", "C:") == ["KW-ESC-012"]
    assert result.passed


def test_backup_records_that_the_store_does_not_bear_out() -> None:
    claimed = replace(volume(), protectors=(ObservedProtector(key_id=key(1), type="recovery_password", backup=("ad",)),))
    result = judge(["pc01"], [said("pc01", claimed)], reading([owner("pc01")]))
    assert codes(result, "pc01.corp.example", "C:") == ["KW-ESC-011", "KW-VOL-004"]


@pytest.mark.parametrize(
    ("facts", "verdict"),
    [
        ({"bitlocker_installed": False, "volumes": None}, Verdict.UNAVAILABLE),
        ({"volumes": ()}, Verdict.UNKNOWN),
        ({"volumes": None}, Verdict.UNKNOWN),
    ],
)
def test_an_observed_computer_without_volumes(facts: dict[str, object], verdict: Verdict) -> None:
    result = judge(["pc01"], [replace(said("pc01"), **facts)], reading([owner("pc01")]))
    assert row(result, "pc01.corp.example").verdict is verdict
    assert result.units == 1


def test_an_observed_computer_without_volumes_says_why() -> None:
    unread = said("pc01", errors=(ReadError(read="Win32_EncryptableVolume", code="0x1"),))
    for volumes, told in (((), "it lists no volume"), (None, "its volumes were not read; Win32_EncryptableVolume 0x1")):
        result = judge(["pc01"], [replace(unread, volumes=volumes)], reading([owner("pc01")]))
        assert told in next(finding.message for finding in result.findings)


def test_a_computer_with_nothing_in_scope_has_no_verdict_and_is_not_counted() -> None:
    result = judge(["pc01"], [said("pc01", volume(key(1), kind="removable"))], reading([owner("pc01")]))
    found = row(result, "pc01.corp.example")
    assert found.verdict is None
    assert (result.units, result.volumes) == (0, 1)
    assert not result.findings
    assert [f for f in Flag if f in found.flags] == []


def test_coverage_and_an_empty_fleet() -> None:
    requirements = Requirements(stores=("ad",), min_coverage=0.9)
    result = judge(["pc01", "pc02"], [said("pc01", volume(key(1)))], reading([owner("pc01")], [entry("pc01", key(1))]), requirements)
    assert codes(result, None) == ["KW-RUN-001"]
    assert not result.complete
    empty = judge([], [], reading([]))
    assert codes(empty, None) == ["KW-RUN-001"]
    assert not empty.passed


def test_hidden_entries_are_looked_for_exactly_where_something_is_missing() -> None:
    observations = {"pc01": [said("pc01", volume(key(1)))], "pc02": [said("pc02", volume(key(2)))], "pc03": [failed("pc03")]}
    store = reading([owner(f"pc0{n}") for n in (1, 2, 3, 4, 5)], [entry("pc01", key(1)), entry("pc02", key(9)), entry("pc04", key(4))])
    computers = inventory_computers([InventoryHost(name=h) for h in observations], observations, now=NOW, requirements=REQUIREMENTS)
    assert owners_to_name(known_computers(computers, [store]), store) == ["guid-pc02", "guid-pc03", "guid-pc05"]


def test_policy_conflicts_are_told() -> None:
    result = judge(
        ["pc01"],
        [said("pc01", volume(key(1)), policy={"OSRecovery": 1, "OSRecoveryPassword": 0, "OSActiveDirectoryBackup": 1})],
        reading([owner("pc01")], [entry("pc01", key(1))]),
    )
    assert codes(result, "pc01.corp.example") == ["KW-HST-010"]
