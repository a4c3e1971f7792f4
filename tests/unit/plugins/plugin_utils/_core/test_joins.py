# SPDX-License-Identifier: GPL-3.0-or-later
"""Who is who over a directory and a tenant: each join with its word, each contradiction a dispute, each attempt to be another in vain."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from itertools import permutations
from typing import Any

import pytest
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.model import (
    Join,
    Observation,
    ReadError,
    StoreReading,
    StoreState,
    Verdict,
)
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.requirements import Requirements
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.rows import EstateJudgement
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._report import document
from ansible_collections.keyward.bitlocker.tests.unit.plugins.plugin_utils._core.two_stores import (
    DOWN,
    NOW,
    Fleet,
    codes,
    computer,
    device,
    directory,
    entry,
    failed,
    guid,
    row,
    said,
    states,
    tenant,
    volume,
)

PC1 = "pc1.corp.example"
NAMELESS: dict[str, Any] = {"dns_name": "pc1", "domain": None, "part_of_domain": False, "authenticated_names": ()}
ONLY_AD = Requirements(stores=("ad",))
RIVALS = {guid(1), guid(2)}


def judged(
    *told: Observation, ad: StoreReading | None = None, entra: StoreReading | None = None, requirements: Requirements | None = None
) -> EstateJudgement:
    stores = [reading for reading in (ad, entra) if reading is not None]
    return Fleet(told, stores).judged(requirements or Requirements(stores=tuple(reading.store for reading in stores)))


def joins(result: EstateJudgement, name: str) -> dict[str, tuple[str | None, str | None]]:
    return {store: (join.owner_id, join.join) for store, join in row(result, name).computer.joins.items()}


def message(result: EstateJudgement, code: str) -> str:
    return next(finding.message for finding in result.findings if finding.code == code)


# --- one computer ---------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("names", "word"), [((PC1,), Join.AUTHENTICATED), ((), Join.CLAIMED)])
def test_a_hybrid_device_is_as_sure_as_its_object(names: tuple[str, ...], word: Join) -> None:
    held = [entry("entra", 1, "k")]
    result = judged(
        said("pc1", "k", device=1, authenticated_names=names), ad=directory(computer("pc1", 1)), entra=tenant(device(1), entries=held)
    )
    assert joins(result, PC1) == {"ad": (guid(1), word), "entra": (guid(1), word)}
    assert states(result, PC1) == {"ad": "absent", "entra": "present"}
    assert result.passed
    assert len(result.computers) == 1


@pytest.mark.parametrize("trust_type", ["AzureAd", "Workplace", None])
def test_the_devices_word_alone_is_a_claim(trust_type: str | None) -> None:
    about: dict[str, Any] = {"ad": directory(computer("pc1", 1)), "entra": tenant(device(2, trust_type=trust_type))}
    assert joins(judged(said("pc1", device=2), **about), PC1)["entra"] == (guid(2), Join.CLAIMED)
    assert joins(judged(said("pc1", device=2, **NAMELESS), **about), "pc1")["entra"] == (guid(2), Join.CLAIMED)


def test_a_device_with_its_objects_guid_is_that_objects_only_if_it_is_hybrid_joined() -> None:
    for trust_type, owner_id in (("ServerAd", guid(1)), ("AzureAd", None), ("Workplace", None), (None, None)):
        result = judged(said("pc1", "k"), ad=directory(computer("pc1", 1)), entra=tenant(device(1, trust_type=trust_type)))
        assert joins(result, PC1)["entra"][0] == owner_id
        assert len(result.computers) == (1 if owner_id else 2)


def test_a_host_that_says_no_device_has_its_objects_and_that_objects_word() -> None:
    about: dict[str, Any] = {"ad": directory(computer("pc1", 1)), "entra": tenant(device(1), entries=[entry("entra", 1, "k")])}
    assert joins(judged(said("pc1", "k"), **about), PC1)["entra"] == (guid(1), Join.AUTHENTICATED)
    by_name = judged(failed("pc1"), **about)
    assert joins(by_name, PC1) == {"ad": (guid(1), Join.BY_NAME), "entra": (guid(1), Join.BY_NAME)}
    assert codes(by_name, PC1) == ["KW-HST-001", "KW-HST-008", "KW-VOL-008"]


@pytest.mark.parametrize("stores", [("ad", "entra"), ("ad",)])
def test_a_device_id_finds_the_object_under_any_name(stores: tuple[str, ...]) -> None:
    ad = directory(computer("former", 1), entries=[entry("ad", 1, "k")])
    result = judged(said("pc1", "k", device=1), ad=ad, entra=DOWN["entra"] if "entra" in stores else None)
    assert joins(result, "former.corp.example")["ad"] == (guid(1), Join.CLAIMED)
    assert row(result, "former.corp.example").verdict is Verdict.ESCROWED
    assert len(result.computers) == 1


def test_a_device_id_tells_namesakes_apart() -> None:
    twin = computer("pc1", 2, location="CN=pc1,OU=other,DC=corp,DC=example")
    result = judged(said("pc1", "k", device=2), ad=directory(computer("pc1", 1), twin), entra=tenant(device(2), device(1)))
    found = row(result, "pc1").computer
    assert {store: (join.owner_id, join.join) for store, join in found.joins.items()} == {
        "ad": (guid(2), Join.CLAIMED),
        "entra": (guid(2), Join.CLAIMED),
    }


@pytest.mark.parametrize("facts", [{"deleted": True}, {"cluster_name_object": True}])
def test_no_device_id_finds_what_is_no_computer(facts: dict[str, Any]) -> None:
    gone = computer("former", 1, in_scope=False, **facts)
    result = judged(said("pc1", "k", device=1), ad=directory(gone), entra=tenant(device(1)))
    assert joins(result, PC1) == {"ad": (None, None), "entra": (guid(1), Join.CLAIMED)}
    alone = judged(ad=directory(gone), entra=tenant(device(1, "X")))
    assert [item.name for item in alone.computers] == [f"X/{guid(1)}"]
    assert joins(alone, f"X/{guid(1)}")["ad"] == (None, None)


def test_a_machine_in_no_domain_is_no_object_by_its_device_either() -> None:
    ad = directory(computer("pc9", 1), entries=[entry("ad", 1, "k")])
    result = judged(said("kiosk", "k", device=1, **{**NAMELESS, "dns_name": "kiosk"}), ad=ad)
    assert row(result, "kiosk").verdict is Verdict.UNESCROWED
    assert codes(result, "kiosk", "C:") == ["KW-ESC-006", "KW-VOL-004"]
    assert [item.name for item in result.computers] == ["kiosk", "pc9.corp.example"]


def test_a_host_of_another_tenant_has_no_device_here() -> None:
    entra = tenant(device(1, "PC1", trust_type="AzureAd"), entries=[entry("entra", 1, "k")])
    result = judged(said("pc1", "k", device=1, entra_tenant_id=guid(77)), entra=entra)
    assert states(result, PC1) == {"entra": "absent"}
    assert [item.name for item in result.computers] == [f"PC1/{guid(1)}", PC1]
    # a tenant that did not tell its ID is taken for the host's
    assert judged(said("pc1", "k", device=1, entra_tenant_id=guid(77)), entra=replace(entra, tenant=None)).passed


def test_a_host_that_could_not_tell_its_device_is_unknown_there() -> None:
    unread = said("pc1", "k", errors=(ReadError(read="CloudDomainJoin.DeviceId", code="5"),), entra_device_id=None)
    result = judged(unread, entra=tenant())
    assert row(result, PC1).verdict is Verdict.UNKNOWN
    assert "store entra: the host could not tell which device it is" in message(result, "KW-VOL-007")
    assert judged(replace(unread, errors=()), entra=tenant()).verdicts == {"unescrowed": 1}
    # its object tells
    known = judged(unread, ad=directory(computer("pc1", 1)), entra=tenant(device(1), entries=[entry("entra", 1, "k")]))
    assert states(known, PC1) == {"ad": "absent", "entra": "present"}


# --- deleted and lost -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("owner", [1, 9, "no device"])
def test_a_key_that_lies_only_under_what_is_not_listed_is_deleted(owner: int | str) -> None:
    lost = replace(device(1), owner_id=guid(owner) if isinstance(owner, int) else owner, deleted=True, in_scope=False)
    result = judged(said("pc1", "k", device=1), entra=tenant(lost, entries=[entry("entra", owner, "k", deleted=True)]))
    assert states(result, PC1) == {"entra": "deleted"}
    assert codes(result, PC1, "C:") == ["KW-ESC-008", "KW-VOL-004"]
    assert joins(result, PC1)["entra"] == (None, None)
    assert len(result.computers) == 1


@pytest.mark.parametrize("text", ["no device", f"object {guid(1)}", "00000000-0000-0000-0000-000000000000", guid(1).upper() + " "])
def test_no_text_of_a_hosts_is_an_owner_without_a_device_id(text: str) -> None:
    """An attacker's host that states this project's own word for an owner gets nothing of what lies there."""
    named, filed = computer("x", 3, owner_id=text, in_scope=False), [entry("ad", text, "k")]
    entra = tenant(replace(device(1), owner_id=text, in_scope=False), entries=[entry("entra", text, "k")])
    liar = said("pc1", "k", **NAMELESS, entra_device_id=text)
    assert judged(liar, ad=directory(named, entries=filed), entra=entra).verdicts == {"unescrowed": 1}
    member = judged(replace(liar, part_of_domain=True, domain="corp.example"), ad=directory(named, entries=filed))
    assert joins(member, "pc1")["ad"] == (None, None)


# --- contradictions -------------------------------------------------------------------------------------------------------------------


def test_a_proven_name_wins_over_a_claimed_device_id() -> None:
    ad = directory(computer("pc1", 1), computer("pc2", 2), entries=[entry("ad", 1, "k")])
    result = judged(said("pc1", "k", device=2), ad=ad)
    assert joins(result, PC1)["ad"] == (guid(1), Join.AUTHENTICATED)
    assert result.verdicts == {"escrowed": 1, "unknown": 1}


@pytest.mark.parametrize("number", [1, 2])
def test_a_claimed_name_against_a_claimed_device_id_is_nobodys_guess(number: int) -> None:
    """Wherever the key lies, nobody says that it is this host's, nor that it has none."""
    ad = directory(computer("pc1", 1), computer("pc2", 2), entries=[entry("ad", number, "k")])
    entra = tenant(device(1), device(2), entries=[entry("entra", number, "k")])
    result = judged(said("pc1", "k", device=2, authenticated_names=()), ad=ad, entra=entra)
    # both objects are still accounted for, each with its device
    assert [item.name for item in result.computers] == ["pc1", f"{PC1}/{guid(1)}", "pc2.corp.example"]
    assert row(result, "pc1").verdict is Verdict.UNKNOWN
    assert {store: join.rivals for store, join in row(result, "pc1").computer.joins.items()} == {"ad": RIVALS, "entra": RIVALS}
    assert codes(result, "pc1", "C:") == ["KW-VOL-007"]
    told = next(finding.message for finding in result.findings if finding.computer == "pc1")
    assert "its name and its Entra device ID are those of different objects: CN=pc1,DC=corp,DC=example, CN=pc2" in told


def test_a_proven_machine_that_claims_anothers_device_has_neither() -> None:
    ad = directory(computer("pc1", 1), computer("pc2", 2, in_scope=False))
    entra = tenant(device(1), device(2), entries=[entry("entra", 2, "k")])
    result = judged(said("pc1", "k", device=2), ad=ad, entra=entra)
    assert joins(result, PC1) == {"ad": (guid(1), Join.AUTHENTICATED), "entra": (None, None)}
    assert states(result, PC1) == {"ad": "absent", "entra": "unknown"}
    assert "the device that it says it is is that of CN=pc2,DC=corp,DC=example" in message(result, "KW-VOL-007")
    assert len(result.computers) == 1
    without_own = judged(said("pc1", "k", device=2), ad=ad, entra=tenant(device(2), entries=[entry("entra", 2, "k")]))
    assert states(without_own, PC1) == {"ad": "absent", "entra": "unknown"}


def test_a_machine_whose_object_has_another_device_has_neither() -> None:
    entra = tenant(device(1), device(2, trust_type="AzureAd"), entries=[entry("entra", 2, "k")])
    result = judged(said("pc1", "k", device=2), ad=directory(computer("pc1", 1)), entra=entra)
    assert states(result, PC1) == {"ad": "absent", "entra": "unknown"}
    assert row(result, PC1).computer.joins["entra"].rivals == {guid(1), guid(2)}
    assert len(result.computers) == 1


def test_an_object_made_anew_leaves_the_device_that_the_host_states() -> None:
    result = judged(said("pc1", "k", device=2), ad=directory(computer("pc1", 1)), entra=tenant(device(2), entries=[entry("entra", 2, "k")]))
    assert joins(result, PC1) == {"ad": (guid(1), Join.AUTHENTICATED), "entra": (guid(2), Join.CLAIMED)}
    assert result.passed


# --- two of one -----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("proven", [True, False])
def test_two_live_hosts_with_one_device_hold_nothing(proven: bool) -> None:
    """However well one of them is known: equal hard identities are a collision, and a claim is enough for one."""
    real = said("pc1", "k", device=1, authenticated_names=(PC1,) if proven else ())
    other = said("pc2", "k", device=1)
    ad = directory(computer("pc1", 1), computer("pc2", 2))
    result = judged(real, other, ad=ad, entra=tenant(device(1), device(2), entries=[entry("entra", 1, "k")]))
    for name in (PC1, "pc2.corp.example"):
        assert states(result, name)["entra"] == "unknown"
        assert codes(result, name) == ["KW-HST-007"]
        assert codes(result, name, "C:") == ["KW-VOL-007"]
    assert len(result.computers) == 2


def test_a_host_that_says_nothing_collides_by_its_object() -> None:
    silent, claiming = said("pc1", "k"), said("lone", "k", device=1, **{**NAMELESS, "dns_name": "lone"})
    entra = tenant(device(1), entries=[entry("entra", 1, "k")])
    result = judged(silent, claiming, ad=directory(computer("pc1", 1)), entra=entra)
    assert joins(result, PC1)["ad"] == (guid(1), Join.AUTHENTICATED)
    assert [states(result, name)["entra"] for name in (PC1, "lone")] == ["unknown", "unknown"]
    assert [codes(result, name) for name in (PC1, "lone")] == [["KW-HST-007"], ["KW-HST-007"]]


@pytest.mark.parametrize("stated", [(None, None), (1, None), (1, 1)])
def test_a_shared_object_leaves_its_device_to_nobody(stated: tuple[int | None, int | None]) -> None:
    twins = [said(host, "k", device=number, dns_name=PC1) for host, number in zip("ab", stated, strict=True)]
    result = judged(*twins, ad=directory(computer("pc1", 1)), entra=tenant(device(1), entries=[entry("entra", 1, "k")]))
    for name in "ab":
        assert states(result, name) == {"ad": "unknown", "entra": "unknown"}
        assert codes(result, name) == ["KW-HST-007"]
    assert len(result.computers) == 2
    assert "the same object" in message(result, "KW-VOL-007")


def test_ambiguous_objects_leave_their_devices_undecided() -> None:
    twins = directory(computer("pc1", 1, in_scope=False), computer("pc1", 2, in_scope=False))
    entra = tenant(device(1), device(2), entries=[entry("entra", 2, "k")])
    result = judged(said("pc1", "k"), ad=twins, entra=entra)
    assert states(result, PC1) == {"ad": "unknown", "entra": "unknown"}
    assert [item.name for item in result.computers] == [PC1]
    assert "KW-ESC-006" not in codes(result, PC1, "C:")


def test_an_old_observation_collides_with_nobody() -> None:
    old = said("pc1", "k", device=1, observed_at=NOW - timedelta(days=31), **NAMELESS)
    new = said("pc2", "k", device=1, **{**NAMELESS, "dns_name": "pc2"})
    result = judged(old, new, entra=tenant(device(1, trust_type="AzureAd"), entries=[entry("entra", 1, "k")]))
    assert [row(result, name).verdict for name in ("pc1", "pc2")] == [Verdict.ON_FILE, Verdict.ESCROWED]


# --- those that only stores know ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("in_scope", [(True, True), (True, False), (False, True)])
def test_an_object_and_its_device_are_one_computer(in_scope: tuple[bool, bool]) -> None:
    ad = directory(computer("pc9", 1, in_scope=in_scope[0]))
    result = judged(ad=ad, entra=tenant(device(1, "other name", in_scope=in_scope[1]), entries=[entry("entra", 1, "k")]))
    assert [(item.name, item.verdict) for item in result.computers] == [("pc9.corp.example", Verdict.ON_FILE)]
    assert {join.owner_id for join in result.computers[0].computer.joins.values()} == {guid(1)}
    assert codes(result, "pc9.corp.example") == ["KW-HST-009", "KW-VOL-008"]


def test_out_of_scope_on_both_sides_is_out() -> None:
    assert not judged(ad=directory(computer("pc9", 1, in_scope=False)), entra=tenant(device(1, in_scope=False))).computers


def test_what_only_the_tenant_knows_is_named_by_it() -> None:
    result = judged(entra=tenant(device(1, "Front Desk"), device(2, ""), device(3, "a/b"), device(4, "Front Desk")))
    assert [item.name for item in result.computers] == sorted(
        [f"/{guid(2)}", f"Front Desk/{guid(1)}", f"Front Desk/{guid(4)}", f"a/b/{guid(3)}"]
    )


def test_names_meet_whatever_stores_and_hosts_choose_and_each_is_given_once() -> None:
    clash = f"pc/{guid(1)}"
    hosts = [said("pc", "k", **{**NAMELESS, "dns_name": "pc"}), said(clash, **{**NAMELESS, "dns_name": "pc"})]
    ad = directory(computer("pc", 1, dns_name="pc"), computer("x", 2, dns_name=clash + "/entra"))
    entra = tenant(device(1, "pc", trust_type="AzureAd"))
    expected = ["pc", clash, clash + "/ad", clash + "/entra", clash + "/entra/entra"]
    for mixed in permutations(hosts):
        for stores in permutations((ad, entra)):
            assert [item.name for item in Fleet(mixed, stores).judged().computers] == expected


def test_a_long_chain_of_stolen_names_is_resolved_in_time() -> None:
    """Each of many hosts calls itself by its neighbour's inventory name, and the first two are alike."""
    chain = [said("h0", **{**NAMELESS, "dns_name": "x"}), said("h1", **{**NAMELESS, "dns_name": "x"})]
    chain += [said(f"h{number}", **{**NAMELESS, "dns_name": f"h{number - 1}"}) for number in range(2, 3000)]
    assert [item.name for item in judged(*chain, entra=tenant()).computers] == sorted(one.host for one in chain)


# --- requirements, limits, words ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("count", "expected"), [(149, []), (150, ["KW-ESC-009"]), (199, ["KW-ESC-009"]), (200, ["KW-ESC-010"]), (201, ["KW-ESC-010"])]
)
def test_how_near_a_device_is_to_its_limit(count: int, expected: list[str]) -> None:
    keys = [entry("entra", 1, f"k{number}") for number in range(count)]
    gone = [entry("entra", 1, f"d{number}", deleted=True) for number in range(60)]
    entra = tenant(device(1, "X", trust_type="AzureAd"), entries=[*keys, *gone])
    observed = judged(said("pc1", "k0", device=1), entra=entra)
    assert codes(observed, PC1) == ["KW-ESC-001", *expected]
    alone = judged(entra=entra)
    assert codes(alone, f"X/{guid(1)}") == [*expected, "KW-HST-009", "KW-VOL-008"]
    if expected:
        assert f"({count} of 200)" in message(alone, expected[0])
    not_asked = judged(said("pc1", "k0", device=1), ad=directory(), entra=entra, requirements=Requirements(stores=("ad",)))
    assert codes(not_asked, PC1) == []


@pytest.mark.parametrize("volumes", [(), None])
def test_nothing_is_called_stale_where_no_volume_is_listed(volumes: tuple[()] | None) -> None:
    result = judged(said("pc1", device=1, volumes=volumes), entra=tenant(device(1), entries=[entry("entra", 1, "k")]))
    assert row(result, PC1).verdict is Verdict.UNKNOWN
    assert codes(result, PC1) == ["KW-VOL-007"]
    assert [item.why for item in row(result, PC1).unmatched] == ["not_observed"]


@pytest.mark.parametrize(("copies", "verdict"), [(1, Verdict.ESCROWED), (2, Verdict.AT_RISK)])
def test_one_copy_of_two(copies: int, verdict: Verdict) -> None:
    result = judged(
        said("pc1", "k", device=1),
        ad=directory(computer("pc1", 1)),
        entra=tenant(device(1), entries=[entry("entra", 1, "k")]),
        requirements=Requirements(stores=("ad", "entra"), copies=copies),
    )
    assert row(result, PC1).verdict is verdict


def test_a_store_that_is_not_required_is_shown_and_gives_no_finding_about_entries() -> None:
    held = [
        entry("entra", 1, "k", defects=("broken",)),
        entry("entra", 1, "k2", defects=("broken too",)),
        entry("entra", 1, "k3"),
        entry("entra", 2, "k"),
    ]
    told = said("pc1", "k", device=1)
    ad = directory(computer("pc1", 1), entries=[entry("ad", 1, "k")])
    entra = tenant(device(1), device(2, "X", in_scope=False, trust_type="AzureAd"), entries=held)
    asked = judged(told, ad=ad, entra=entra)
    assert codes(asked, PC1, "C:") == ["KW-ESC-004", "KW-ESC-006"]
    assert codes(asked, PC1) == ["KW-ESC-001", "KW-ESC-004"]
    shown = judged(told, ad=ad, entra=entra, requirements=Requirements(stores=("ad",)))
    assert shown.passed
    assert not shown.findings
    assert states(shown, PC1) == {"ad": "present", "entra": "malformed"}
    assert {item.why for item in row(shown, PC1).unmatched} == {"stale", "malformed"}


def test_a_store_that_is_not_required_neither_passes_nor_fails_anybody_but_is_not_complete_when_down() -> None:
    told, only_ad = said("pc1", "k", device=1), Requirements(stores=("ad",))
    ad, entra = directory(computer("pc1", 1)), tenant(device(1), device(2, "X"), entries=[entry("entra", 1, "k"), entry("entra", 2, "k9")])
    result = judged(told, ad=ad, entra=entra, requirements=only_ad)
    assert row(result, PC1).verdict is Verdict.UNESCROWED
    # known to Entra ID, so it is accounted for; what lies there is not on file where it is required
    assert row(result, f"X/{guid(2)}").verdict is Verdict.UNKNOWN
    escrowed = replace(ad, entries=(entry("ad", 1, "k"),))
    down = judged(told, ad=escrowed, entra=DOWN["entra"], requirements=only_ad)
    assert row(down, PC1).verdict is Verdict.ESCROWED
    assert codes(down, None) == ["KW-STO-001"]
    assert (down.complete, down.passed) == (False, False)


@pytest.mark.parametrize(
    ("state", "told"),
    [
        (StoreState.DOWN, "store entra: it is down"),
        (StoreState.PARTIAL, "store entra: it was read in part"),
        (StoreState.NO_RIGHTS, "store entra: the account may not read it"),
    ],
)
def test_what_is_unknown_names_its_store_and_why(state: StoreState, told: str) -> None:
    reason = "a reason that names a server"
    result = judged(said("pc1", "k"), ad=directory(computer("pc1", 1)), entra=replace(tenant(state=state), reason=reason))
    assert told in message(result, "KW-VOL-007")
    assert "store ad" not in message(result, "KW-VOL-007")
    # what a peer said stands once, at the store's own finding
    assert reason not in message(result, "KW-VOL-007")


def test_windows_record_of_a_backup_to_entra_is_held_against_it() -> None:
    protector = replace(volume("k").protectors[0], backup=("entra",))  # type: ignore[index]  # it has one
    told = said("pc1", device=1, volumes=(replace(volume("k"), protectors=(protector,)),))
    result = judged(told, ad=directory(computer("pc1", 1), entries=[entry("ad", 1, "k")]), entra=tenant(device(1)))
    assert codes(result, PC1, "C:") == ["KW-ESC-011"]
    alone = judged(told, ad=directory(computer("pc1", 1), entries=[entry("ad", 1, "k")]), entra=tenant(device(1)), requirements=ONLY_AD)
    assert codes(alone, PC1, "C:") == []


def test_the_document_shows_identities_and_how_they_are_known() -> None:
    ad, entra = (
        directory(computer("pc1", 1)),
        tenant(device(1), device(2, "X", trust_type="AzureAd"), replace(device(3, "Y"), owner_id="object 3")),
    )
    told = document.build(judged(said("pc1", "k"), ad=ad, entra=entra), {})
    found = {one["name"]: one["identities"] for one in told["computers"]}
    assert (found[PC1]["entra_device_id"], found[PC1]["ad_guid"]) == (guid(1), guid(1))
    assert found[PC1]["joins"] == {"ad": "authenticated", "entra": "authenticated"}
    assert (found[f"X/{guid(2)}"]["entra_device_id"], found[f"X/{guid(2)}"]["joins"]) == (guid(2), {})
    assert found["Y/object 3"]["entra_device_id"] is None
    # a device that this tenant does not list is still what the host says it is
    lone = document.build(judged(said("pc1", "k", device=9), entra=entra), {})
    assert next(one for one in lone["computers"] if one["name"] == PC1)["identities"]["entra_device_id"] == guid(9)
