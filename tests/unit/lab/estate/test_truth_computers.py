# SPDX-License-Identifier: GPL-3.0-or-later
"""The truth about whole small estates, written out by hand: who is whom, who is listed, who shares what."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from ansible_collections.keyward.bitlocker.tests.lab.estate.earlier import observation
from ansible_collections.keyward.bitlocker.tests.lab.estate.truth import truth
from ansible_collections.keyward.bitlocker.tests.lab.model import Estate, LabComputerObject, LabEntry, LabHost, LabProtector, LabVolume

NOW = datetime(2026, 11, 22, 20, 0, tzinfo=UTC)
PASSWORD = "-".join(["000022"] * 8)


def key(number: int) -> str:
    """A key ID that can be told from others at a glance."""
    return f"{number:08d}-0000-4000-8000-000000000000"


def volume(number: int, *, letter: str | None = "C:", kind: int = 0, persistent: int | None = None, **fields: Any) -> LabVolume:
    """An encrypted volume with one recovery password, whose key ID is the number's."""
    return LabVolume(
        device_guid=key(number),
        persistent_id=key(persistent or number),
        drive_letter=letter,
        volume_type=kind,
        protectors=[LabProtector(key_id=key(number), type=3, password=PASSWORD)],
        **fields,
    )


def host(name: str, *volumes: LabVolume, inventory: str | None = None, domain: str | None = "lab.example", **fields: Any) -> LabHost:
    """An inventory host."""
    return LabHost(inventory_name=inventory or name.lower(), netbios_name=name, domain=domain, volumes=list(volumes), **fields)


def computer(name: str, **fields: Any) -> LabComputerObject:
    """A computer object with the DNS name that belongs to it."""
    return LabComputerObject(**({"name": name, "dns_name": f"{name.lower()}.lab.example"} | fields))


def entry(owner: str, number: int, **fields: Any) -> LabEntry:
    """The entry of a recovery password."""
    return LabEntry(computer=owner, key_id=key(number), password=PASSWORD, created=NOW - timedelta(days=3), **fields)


def judged(hosts: list[LabHost], computers: list[LabComputerObject], entries: list[LabEntry], **options: Any) -> dict[str, Any]:
    """The truth of an estate."""
    stale = options.pop("stale", {})
    return truth(Estate(seed=0, now=NOW, hosts=hosts, computers=computers, entries=entries, stale_observations=stale), **options)


def computers_of(result: dict[str, Any]) -> dict[str, tuple[str | None, list[str]]]:
    """Computers by name: verdict and findings."""
    return {item["computer"]: (item["verdict"], item["findings"]) for item in result["computers"]}


def volumes_of(result: dict[str, Any]) -> dict[tuple[str, str], tuple[str | None, list[str], list[str]]]:
    """Volumes by place: verdict, findings, states in AD."""
    return {
        (item["computer"], item["volume"]): (item["verdict"], item["findings"], [stores["ad"] for stores in item["protectors"].values()])
        for item in result["volumes"]
    }


def test_the_worst_volume_in_scope_is_the_computer() -> None:
    machine = host("PC1", volume(1), volume(2, letter="D:", kind=1, encryption_method=2), volume(3, letter="E:", kind=2))
    assert judged([machine], [computer("PC1")], [entry("PC1", 1)]) == {
        "volumes": [
            {
                "computer": "pc1.lab.example",
                "volume": "C:",
                "verdict": "escrowed",
                "flags": [],
                "findings": [],
                "protectors": {key(1): {"ad": "present"}},
            },
            {
                "computer": "pc1.lab.example",
                "volume": "D:",
                "verdict": "unescrowed",
                "flags": ["weak_method"],
                "findings": ["KW-VOL-004", "KW-VOL-104"],
                "protectors": {key(2): {"ad": "absent"}},
            },
            {
                "computer": "pc1.lab.example",
                "volume": "E:",
                "verdict": None,
                "flags": [],
                "findings": [],
                "protectors": {key(3): {"ad": "absent"}},
            },
        ],
        "computers": [{"computer": "pc1.lab.example", "verdict": "unescrowed", "findings": []}],
        "run_findings": [],
        "complete": True,
        "passed": False,
    }


FAILURES = [
    ({"fault": "refused"}, "KW-HST-001"),
    ({"fault": "blackhole", "certificate": "expired"}, "KW-HST-001"),
    ({"fault": "hung"}, "KW-HST-001"),
    ({"fault": "wrong_password"}, "KW-HST-002"),
    ({"fault": "root_sddl"}, "KW-HST-003"),
    ({"fault": "root_sddl", "wire_form": "root_sddl_401"}, "KW-HST-002"),
    ({"fault": "uac_filtered"}, "KW-HST-003"),
    ({"certificate": "untrusted"}, "KW-HST-004"),
    ({"certificate": "wrong_name", "fault": "http_404"}, "KW-HST-004"),
    ({"fault": "entity_bomb"}, "KW-HST-005"),
    ({"fault": "http_503"}, "KW-HST-005"),
]


@pytest.mark.parametrize(("fields", "code"), FAILURES)
def test_a_host_that_fails_is_judged_by_what_is_on_file(fields: dict[str, Any], code: str) -> None:
    machines = [host("PC1", volume(1), **fields), host("PC2", volume(2), **fields), host("PC3", volume(3), domain=None, **fields)]
    result = judged(machines, [computer("PC1"), computer("PC2")], [entry("PC1", 1), entry("PC2", 2, raw_recovery_guid=b"\1")])
    assert result["volumes"] == []
    assert computers_of(result) == {
        "pc1.lab.example": ("on_file", [code, "KW-HST-008", "KW-VOL-008"]),
        "pc2.lab.example": ("unknown", [code, "KW-HST-008", "KW-VOL-007"]),
        "pc3": ("unknown", [code, "KW-VOL-007"]),
    }
    assert result["complete"] is True


def test_slow_and_address_only_are_no_failures() -> None:
    machine = host("PC1", volume(1), fault="slow", certificate="address_only")
    assert volumes_of(judged([machine], [computer("PC1")], [entry("PC1", 1)])) == {("pc1.lab.example", "C:"): ("escrowed", [], ["present"])}


def test_a_failing_host_joins_by_its_name_in_the_inventory() -> None:
    machines = [host("X1", inventory="PC1.LAB.EXAMPLE", fault="refused"), host("X2", inventory="alias", fault="refused")]
    result = judged(machines, [computer("PC1")], [entry("PC1", 1)])
    assert computers_of(result) == {
        "pc1.lab.example": ("on_file", ["KW-HST-001", "KW-HST-008", "KW-VOL-008"]),
        "alias": ("unknown", ["KW-HST-001", "KW-VOL-007"]),
    }


def test_by_name_never_takes_what_a_live_host_holds() -> None:
    machines = [host("PC1", volume(1), inventory="desk"), host("PC9", inventory="pc1", fault="refused")]
    result = judged(machines, [computer("PC1")], [entry("PC1", 1)])
    assert computers_of(result) == {
        "pc1.lab.example": ("escrowed", []),
        "pc1": ("unknown", ["KW-HST-001", "KW-VOL-007"]),
    }


def test_an_observed_host_joins_by_name_where_its_dns_name_is_unknown_to_the_directory() -> None:
    result = judged([host("PC1", volume(1))], [computer("PC1", dns_name=None)], [entry("PC1", 1)])
    assert computers_of(result) == {"pc1.lab.example": ("escrowed", ["KW-HST-008"])}


def test_a_workgroup_machine_joins_nobody() -> None:
    result = judged([host("PC1", volume(1), domain=None)], [computer("PC1")], [entry("PC1", 1)])
    assert volumes_of(result) == {("pc1", "C:"): ("unescrowed", ["KW-ESC-006", "KW-VOL-004"], ["absent"])}
    assert computers_of(result) == {
        "pc1": ("unescrowed", []),
        "pc1.lab.example": ("on_file", ["KW-HST-009", "KW-VOL-008"]),
    }


def test_who_is_listed_though_the_inventory_does_not_know_it() -> None:
    computers = [
        computer("KEY", last_logon=NOW - timedelta(days=89)),
        computer("HIDDEN"),
        computer("NONE", operating_system="Windows Server 2019 Standard"),
        computer("BROKEN"),
        computer("IDLE", last_logon=NOW - timedelta(days=91)),
        computer("OFF", enabled=False),
        computer("MAC", operating_system="macOS"),
        computer("BLANK", operating_system=None),
        computer("CLUSTER", cluster_name_object=True),
        computer("DELETED", delete_after=True),
    ]
    entries = [entry(item.name, number) for number, item in enumerate(computers) if item.name not in ("HIDDEN", "NONE", "BROKEN")]
    entries += [entry("HIDDEN", 71, hidden=True), entry("BROKEN", 72, raw_recovery_guid=b"\1")]
    result = judged([], computers, entries)
    assert computers_of(result) == {
        "broken.lab.example": ("unknown", ["KW-HST-009", "KW-VOL-007"]),
        "hidden.lab.example": ("on_file", ["KW-HST-009", "KW-VOL-008"]),
        "key.lab.example": ("on_file", ["KW-HST-009", "KW-VOL-008"]),
        "none.lab.example": ("unknown", ["KW-HST-009", "KW-VOL-007"]),
    }
    assert computers_of(judged([], computers, entries, fault="ad_down")) == {}


def test_two_live_hosts_of_one_identity() -> None:
    machines = [host("PC1", volume(1), inventory="old"), host("PC1", volume(2), inventory="new")]
    result = judged(machines, [computer("PC1")], [entry("PC1", 1), entry("PC1", 9)])
    assert volumes_of(result) == {
        ("old", "C:"): ("unknown", ["KW-VOL-007"], ["unknown"]),
        ("new", "C:"): ("unknown", ["KW-VOL-007"], ["unknown"]),
    }
    assert computers_of(result) == {"old": ("unknown", ["KW-HST-007"]), "new": ("unknown", ["KW-HST-007"])}
    # what the directory does not say cannot collide, but the names still do
    assert computers_of(judged(machines, [computer("PC1")], [], fault="ad_down")) == {"old": ("unknown", []), "new": ("unknown", [])}


def test_a_twin_that_is_disabled_changes_nothing() -> None:
    twin = computer("OLD1", dns_name="pc1.lab.example", enabled=False)
    result = judged([host("PC1", volume(1))], [twin, computer("PC1")], [entry("PC1", 1), entry("OLD1", 5)])
    assert computers_of(result) == {"pc1.lab.example": ("escrowed", [])}


def test_two_enabled_objects_of_one_dns_name_are_nobodys() -> None:
    long_ago = NOW - timedelta(days=200)
    computers = [computer("PC1", last_logon=long_ago), computer("PC2", dns_name="pc1.lab.example", last_logon=long_ago)]
    result = judged([host("PC1", volume(1))], computers, [entry("PC1", 1)])
    assert volumes_of(result) == {("pc1.lab.example", "C:"): ("unknown", ["KW-VOL-007"], ["unknown"])}


def test_no_bitlocker_and_no_volume() -> None:
    machines = [host("SRV1", volume(1), bitlocker_installed=False, profile="ws2022"), host("SRV2")]
    assert computers_of(judged(machines, [computer("SRV1"), computer("SRV2")], [entry("SRV2", 5)])) == {
        "srv1.lab.example": ("unavailable", ["KW-VOL-009"]),
        "srv2.lab.example": ("unknown", ["KW-VOL-007"]),
    }


def test_only_out_of_scope_volumes_make_no_verdict() -> None:
    result = judged([host("PC1", volume(1, letter="E:", kind=2))], [computer("PC1")], [entry("PC1", 1)])
    assert computers_of(result) == {"pc1.lab.example": (None, [])}
    assert result["passed"] is True


def shared(letter: str = "S:", kind: int = 1) -> LabVolume:
    """A volume as two machines see it."""
    return volume(7, letter=letter, kind=kind)


@pytest.mark.parametrize("owner", ["CLU", "NODE1", "NODE2"])
def test_a_clusters_volume_is_one_and_owned_by_all(owner: str) -> None:
    nodes = [host("NODE2", volume(2), shared(), cluster_name="clu"), host("NODE1", volume(1), shared(), cluster_name="CLU")]
    computers = [computer("NODE1"), computer("NODE2"), computer("CLU", cluster_name_object=True)]
    result = judged(nodes, computers, [entry("NODE1", 1), entry("NODE2", 2), entry(owner, 7)])
    assert volumes_of(result) == {
        ("node1.lab.example", "C:"): ("escrowed", [], ["present"]),
        ("node1.lab.example", "S:"): ("escrowed", [], ["present"]),
        ("node2.lab.example", "C:"): ("escrowed", [], ["present"]),
    }
    assert computers_of(result) == {"node1.lab.example": ("escrowed", []), "node2.lab.example": ("escrowed", [])}


def test_an_os_volume_of_a_cluster_is_never_shared() -> None:
    nodes = [host(name, shared("C:", 0), cluster_name="clu") for name in ("NODE1", "NODE2")]
    result = judged(nodes, [computer("NODE1"), computer("NODE2")], [entry("NODE1", 7)])
    assert volumes_of(result) == {
        ("node1.lab.example", "C:"): ("escrowed", [], ["present"]),
        ("node2.lab.example", "C:"): ("unescrowed", ["KW-ESC-006", "KW-VOL-004"], ["absent"]),
    }


def test_without_evidence_it_is_a_clone() -> None:
    machines = [host("PC1", shared()), host("PC2", shared())]
    result = judged(machines, [computer("PC1"), computer("PC2")], [entry("PC1", 7)])
    assert volumes_of(result) == {
        ("pc1.lab.example", "S:"): ("escrowed", [], ["present"]),
        ("pc2.lab.example", "S:"): ("unescrowed", ["KW-ESC-006", "KW-VOL-004"], ["absent"]),
    }


def test_an_entry_of_a_moved_drive_is_not_stale_where_it_lies() -> None:
    machines = [host("PC1", volume(1)), host("PC2", volume(2), volume(5, letter="D:", kind=1))]
    result = judged(machines, [computer("PC1"), computer("PC2")], [entry("PC1", 1), entry("PC1", 5), entry("PC2", 2)])
    assert volumes_of(result)[("pc2.lab.example", "D:")] == ("unescrowed", ["KW-ESC-006", "KW-VOL-004"], ["absent"])
    assert computers_of(result) == {"pc1.lab.example": ("escrowed", []), "pc2.lab.example": ("unescrowed", [])}


def test_a_mount_point_names_its_volume_without_the_last_backslash() -> None:
    mounted = volume(1, letter=None, mount_point="C:\\Mounts\\Archive\\", kind=1)
    bare = volume(2, letter=None, kind=1)
    result = judged([host("PC1", mounted, bare)], [computer("PC1")], [entry("PC1", 1), entry("PC1", 2)])
    assert [item["volume"] for item in result["volumes"]] == ["C:\\Mounts\\Archive", f"\\\\?\\Volume{{{key(2)}}}\\"]


def test_without_rights_names_are_looked_for_below_the_reports_computers_alone() -> None:
    machines = [host("PC1", volume(1)), host("PC2", volume(2)), host("PC3", volume(3))]
    computers = [computer("PC1"), computer("PC2"), computer("PC3"), computer("GONE", enabled=False)]
    entries = [entry("PC1", 1), entry("GONE", 1), entry("PC3", 2), entry("PC3", 3), entry("PC2", 2)]
    result = judged(machines, computers, entries, fault="ad_no_rights")
    assert volumes_of(result) == {
        ("pc1.lab.example", "C:"): ("escrowed", ["KW-ESC-007"], ["unreadable"]),
        ("pc2.lab.example", "C:"): ("escrowed", ["KW-ESC-006", "KW-ESC-007"], ["unreadable"]),
        ("pc3.lab.example", "C:"): ("escrowed", ["KW-ESC-007"], ["unreadable"]),
    }
    assert volumes_of(judged(machines, computers, entries))[("pc1.lab.example", "C:")] == ("escrowed", ["KW-ESC-006"], ["present"])


def test_nothing_is_stale_where_protectors_cannot_be_listed() -> None:
    broken = volume(2, letter="D:", kind=1, failing_methods={"GetKeyProtectors": 0x80310010})
    result = judged([host("PC1", volume(1), broken)], [computer("PC1")], [entry("PC1", 1), entry("PC1", 2)])
    assert computers_of(result) == {"pc1.lab.example": ("unknown", [])}


@pytest.mark.parametrize("observed_at", [NOW - timedelta(days=31), NOW + timedelta(minutes=6)])
def test_a_stale_observation_lists_volumes_and_claims_nothing_else(observed_at: datetime) -> None:
    machine = host(
        "PC1",
        volume(1, encryption_method=1),
        volume(2, letter="D:", kind=1, protection_status=0),
        volume(3, letter="E:", kind=2),
        fault="refused",
        inventory="desk",
        fve_policy={"OSRecovery": 1},
    )
    stale = {"desk": observation(machine, observed_at)}
    result = judged([machine], [computer("PC1")], [entry("PC1", 1), entry("PC1", 9), entry("PC1", 3)], stale=stale)
    assert [(item["volume"], item["verdict"], item["flags"], item["findings"]) for item in result["volumes"]] == [
        ("C:", "on_file", [], ["KW-VOL-008"]),
        ("D:", "unknown", [], ["KW-VOL-007"]),
        ("E:", None, [], []),
    ]
    assert computers_of(result) == {"pc1.lab.example": ("unknown", ["KW-HST-001", "KW-HST-006"])}


def test_an_observation_that_is_not_stale_is_refused() -> None:
    machine = host("PC1", fault="refused")
    with pytest.raises(ValueError, match="not stale"):
        judged([machine], [], [], stale={"pc1": observation(machine, NOW - timedelta(days=29))})


@pytest.mark.parametrize(
    ("policy", "conflict"),
    [
        (None, False),
        ({}, False),
        ({"OSRecovery": 0, "OSRecoveryPassword": 0}, False),
        ({"OSRecovery": 1, "OSRecoveryPassword": 2, "OSActiveDirectoryBackup": 1}, False),
        ({"OSRecovery": 1, "OSRecoveryPassword": 0, "OSActiveDirectoryBackup": 1}, True),
        ({"FDVRecovery": 1, "FDVRecoveryPassword": 1, "FDVActiveDirectoryBackup": 0}, True),
        ({"FDVRecovery": 1}, True),
        ({"RDVRecovery": 1, "RDVRecoveryPassword": 0}, False),
    ],
)
def test_policy_conflict(policy: dict[str, int | str] | None, conflict: bool) -> None:
    result = judged([host("PC1", volume(1), fve_policy=policy)], [computer("PC1")], [entry("PC1", 1)])
    assert computers_of(result) == {"pc1.lab.example": ("escrowed", ["KW-HST-010"] if conflict else [])}


def test_a_directory_that_is_down_says_nothing_about_anybody() -> None:
    machines = [host("PC1", volume(1)), host("PC2", volume(2), fault="refused"), host("DC5", volume(3), domain_role=5)]
    computers = [computer("PC1"), computer("PC2"), computer("DC5"), computer("PC3")]
    result = judged(machines, computers, [entry("PC1", 1), entry("PC2", 2), entry("DC5", 3)], fault="ad_down")
    assert computers_of(result) == {
        "pc1.lab.example": ("unknown", []),
        "pc2": ("unknown", ["KW-HST-001", "KW-VOL-007"]),
        "dc5.lab.example": ("unknown", []),
    }
    assert (result["run_findings"], result["complete"], result["passed"]) == (["KW-STO-001"], False, False)


def test_names_that_nobody_could_tell_apart_are_an_error_of_the_estate() -> None:
    with pytest.raises(ValueError, match=r"pc1\.lab\.example"):
        judged([], [computer("PC1"), computer("PC2", dns_name="pc1.lab.example")], [])
    guids = [computer(name, dns_name="pc1.lab.example", object_guid=key(number)) for number, name in enumerate(("A", "B"))]
    assert list(computers_of(judged([], guids, []))) == [f"pc1.lab.example/{key(0)}", f"pc1.lab.example/{key(1)}"]
