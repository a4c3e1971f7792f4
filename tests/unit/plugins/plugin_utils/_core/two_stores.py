# SPDX-License-Identifier: GPL-3.0-or-later
"""Estates with a directory and a tenant, by hand and at random: few names and few IDs, so that everything clashes. All made up."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.estate import judge_estate, known_computers, owners_to_name
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.joins import InventoryHost, inventory_computers
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.model import (
    Entry,
    FailureReason,
    Observation,
    ObservedProtector,
    ObservedVolume,
    Owner,
    ReadError,
    StoreReading,
    StoreState,
)
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.requirements import Requirements
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.rows import ComputerRow, EstateJudgement
from hypothesis import strategies as st

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
BOTH = Requirements(stores=("ad", "entra"))
TENANT = "7e4a4000-0000-4000-8000-000000000001"


def guid(number: int) -> str:
    return f"{number:08x}-aaaa-4bbb-8ccc-dddddddddddd"


def volume(*keys: str, letter: str = "C:", **facts: Any) -> ObservedVolume:
    return replace(
        ObservedVolume(
            device_id=f"\\\\?\\Volume{{{letter}}}\\",
            letter=letter,
            type="os",
            conversion="fully_encrypted",
            encrypted_percent=100,
            method="xts_aes_256",
            protection="on",
            locked=False,
            protectors=tuple(ObservedProtector(key_id=key, type="recovery_password") for key in keys),
        ),
        **facts,
    )


def said(host: str, *keys: str, device: int | None = None, **facts: Any) -> Observation:
    """A member of the domain with one volume, proven by its certificate; ``device``: of that number in Entra ID."""
    dns_name = f"{host}.corp.example"
    base = Observation(
        host=host,
        observed_at=NOW,
        authenticated_names=(dns_name,),
        name=host.upper(),
        dns_name=dns_name,
        domain="corp.example",
        part_of_domain=True,
        entra_device_id=guid(device) if device is not None else None,
        bitlocker_installed=True,
        volumes=(volume(*keys),),
    )
    return replace(base, **facts)


def failed(host: str) -> Observation:
    return Observation(host=host, observed_at=NOW, reason=FailureReason.UNREACHABLE, message="Could not connect.")


def computer(name: str, number: int, **facts: Any) -> Owner:
    """A computer object."""
    base = Owner(
        store="ad", owner_id=guid(number), name=name.upper(), location=f"CN={name},DC=corp,DC=example", dns_name=f"{name}.corp.example"
    )
    return replace(base, **facts)


def device(number: int, name: str = "X", **facts: Any) -> Owner:
    """A device; hybrid joined unless said otherwise."""
    return replace(Owner(store="entra", owner_id=guid(number), name=name, location=f"device {number}", trust_type="ServerAd"), **facts)


def entry(store: str, owner: int | str, *keys: str, **facts: Any) -> Entry:
    owner_id = guid(owner) if isinstance(owner, int) else owner
    return replace(Entry(store=store, owner_id=owner_id, entry_id=f"{owner_id} {keys}", location=f"{store} {keys}", key_ids=keys), **facts)


def directory(*owners: Owner, entries: Iterable[Entry] = (), state: StoreState = StoreState.SEARCHED) -> StoreReading:
    return StoreReading(store="ad", state=state, owners=owners, entries=tuple(entries), domain="corp.example")


def tenant(*owners: Owner, entries: Iterable[Entry] = (), state: StoreState = StoreState.SEARCHED) -> StoreReading:
    return StoreReading(store="entra", state=state, owners=owners, entries=tuple(entries), tenant=TENANT)


DOWN = {"ad": StoreReading(store="ad", state=StoreState.DOWN), "entra": StoreReading(store="entra", state=StoreState.DOWN)}


@dataclass
class Fleet:
    """What a run knows: hosts, what they said, and what the stores hold."""

    said: Sequence[Observation]
    readings: Sequence[StoreReading]
    inventory: Sequence[str] | None = None
    addresses: Mapping[str, str] = field(default_factory=dict)

    @property
    def hosts(self) -> Sequence[str]:
        return list(dict.fromkeys(one.host for one in self.said)) if self.inventory is None else self.inventory

    def judged(self, requirements: Requirements = BOTH) -> EstateJudgement:
        by_host: dict[str, list[Observation]] = {}
        for observation in self.said:
            by_host.setdefault(observation.host, []).append(observation)
        listed = [InventoryHost(name=name, address=self.addresses.get(name)) for name in self.hosts]
        computers = known_computers(inventory_computers(listed, by_host, now=NOW, requirements=requirements), self.readings)
        for reading in self.readings:
            owners_to_name(computers, reading)
        return judge_estate(computers, self.readings, requirements, now=NOW)

    def with_reading(self, store: str, change: Callable[[StoreReading], StoreReading]) -> Fleet:
        return replace(self, readings=[change(reading) if reading.store == store else reading for reading in self.readings])


def row(judgement: EstateJudgement, name: str) -> ComputerRow:
    return next(item for item in judgement.computers if item.name == name)


def codes(judgement: EstateJudgement, name: str | None, on_volume: str | None = None) -> list[str]:
    return sorted(f.code for f in judgement.findings if f.computer == name and f.volume == on_volume)


def states(judgement: EstateJudgement, name: str) -> dict[str, str]:
    """The states of the first protector of the first volume."""
    holdings = row(judgement, name).volumes[0].protectors[0].holdings
    assert holdings is not None
    return {store: holding.state.value for store, holding in holdings.items()}


# --- at random ------------------------------------------------------------------------------------------------------------------------

HOSTS = ["a", "b", "c", "A", "d/e"]
guids = st.sampled_from([guid(number) for number in range(1, 4)])
dns_names = st.sampled_from(["a.x", "a.x", "b.x", "b.x", "a", f"a/{guid(1)}", f"/{guid(2)}", None])
keys = st.sampled_from(["k1", "k2"])

T = TypeVar("T")


def listed(items: st.SearchStrategy[T], identity: Callable[[T], str]) -> st.SearchStrategy[tuple[T, ...] | None]:
    """One or two of them, now and then none or nothing that could be read."""
    some = st.lists(items, min_size=1, max_size=2, unique_by=identity).map(tuple)
    return some | some | some | st.sampled_from([None, ()])


protectors = st.builds(
    ObservedProtector,
    key_id=keys,
    type=st.sampled_from(["recovery_password"] * 6 + ["tpm", None]),
    backup=st.sampled_from([None, ("ad",), ("entra", "ad")]),
)
volumes = st.builds(
    ObservedVolume,
    device_id=st.sampled_from(["d1", "d2"]),
    persistent_id=st.sampled_from([None, "{P}"]),
    letter=st.sampled_from([None, "C:"]),
    type=st.sampled_from(["os", "fixed"]),
    conversion=st.sampled_from(["fully_encrypted"] * 5 + ["fully_decrypted"]),
    method=st.just("xts_aes_256"),
    protection=st.sampled_from(["on"] * 5 + ["off"]),
    locked=st.just(False),
    protectors=listed(protectors, lambda item: item.key_id),
)
observed = st.builds(
    Observation,
    host=st.sampled_from(HOSTS),
    observed_at=st.sampled_from([NOW] * 5 + [NOW - timedelta(days=40)]),
    authenticated_names=st.sampled_from([(), ("a.x",), ("b.x",)]),
    name=st.sampled_from([None, "A", "B"]),
    dns_name=dns_names,
    domain=st.sampled_from(["x", "x", "x", None]),
    part_of_domain=st.sampled_from([True] * 5 + [False, None]),
    domain_controller=st.booleans(),
    entra_device_id=st.none() | guids | guids | st.sampled_from(["no device", f"object {guid(1)}", "00000000-0000-0000-0000-000000000000"]),
    entra_tenant_id=st.sampled_from([None, TENANT, TENANT, TENANT, guid(77)]),
    bitlocker_installed=st.sampled_from([True, True, True, False]),
    volumes=listed(volumes, lambda item: item.device_id),
    errors=st.sampled_from([(), (), (ReadError(read="CloudDomainJoin", code="1"),)]),
)
failures = st.builds(Observation, host=st.sampled_from(HOSTS), observed_at=st.just(NOW), reason=st.sampled_from(FailureReason))
said_at_random = st.lists(observed | observed | observed | failures, min_size=1, max_size=5, unique_by=lambda item: item.host)


def _in_scope(owner: Owner) -> Owner:
    return replace(owner, in_scope=owner.in_scope and owner.enabled and not owner.deleted and not owner.cluster_name_object)


objects = st.builds(
    Owner,
    store=st.just("ad"),
    owner_id=guids,
    name=st.sampled_from(["A", "B", "", "a"]),
    location=st.just("CN=somewhere"),
    dns_name=dns_names,
    enabled=st.sampled_from([True, True, False]),
    in_scope=st.sampled_from([True, True, False]),
    cluster_name_object=st.sampled_from([False] * 6 + [True]),
    deleted=st.sampled_from([False] * 6 + [True]),
).map(_in_scope)
display_names = st.sampled_from(["", "a", "A", "a.x", "b.x", "d/e", "a/b", "x" * 300])
devices = st.builds(
    Owner,
    store=st.just("entra"),
    owner_id=guids | guids | guids | st.sampled_from(["no device", f"object {guid(1)}"]),
    name=display_names,
    location=st.just("device"),
    enabled=st.booleans(),
    in_scope=st.booleans(),
    deleted=st.sampled_from([False] * 6 + [True]),
    trust_type=st.sampled_from(["ServerAd", "ServerAd", "AzureAd", "Workplace", "serverad", None]),
).map(_in_scope)


def entries(store: str) -> st.SearchStrategy[Entry]:
    return st.builds(
        Entry,
        store=st.just(store),
        owner_id=guids | guids | guids | st.just("no device"),
        entry_id=st.integers(0, 99).map(str),
        location=st.just("somewhere"),
        key_ids=st.lists(keys, min_size=1, max_size=2, unique=True).map(tuple) | st.just(()),
        deleted=st.sampled_from([False] * 5 + [True]),
        readable=st.booleans() if store == "ad" else st.just(True),
        defects=st.sampled_from([(), (), (), (), ("broken",)]),
    )


def readings(store: str, owners: st.SearchStrategy[Owner]) -> st.SearchStrategy[StoreReading]:
    return st.builds(
        StoreReading,
        store=st.just(store),
        state=st.sampled_from([StoreState.SEARCHED] * 8 + [StoreState.PARTIAL, StoreState.NO_RIGHTS]),
        owners=st.lists(owners, min_size=1, max_size=4, unique_by=lambda item: item.owner_id).map(tuple),
        entries=st.lists(entries(store), min_size=1, max_size=6).map(tuple),
        domain=st.sampled_from(["x", None]) if store == "ad" else st.none(),
        tenant=st.sampled_from([TENANT, None]) if store == "entra" else st.none(),
        whole=st.booleans() if store == "ad" else st.just(True),
    )


@st.composite
def sound(draw: st.DrawFn) -> Fleet:
    """An estate as it should be, in which a few things are wrong: there most is green, and a slip of the joins shows."""
    slots = st.sampled_from([1, 2, 3])

    def meant(slot: int) -> int:
        return draw(st.sampled_from([slot] * 5 + [1, 2, 3]))

    told = []
    for slot, host in enumerate(draw(st.sampled_from([HOSTS[:3], HOSTS[:2], HOSTS[1:4]])), 1):
        name = f"{'abc'[meant(slot) - 1]}.x"
        base = draw(observed | failures)
        facts: dict[str, Any] = {
            "host": host,
            "dns_name": name,
            "entra_device_id": guid(meant(slot)),
            "volumes": (volume(f"k{meant(slot)}"),),
        }
        facts["authenticated_names"] = (name,) if draw(st.booleans()) else ()
        kept = {field for field in facts if draw(st.integers(0, 5))} | {"host"}
        told.append(replace(base, **{field: fact for field, fact in facts.items() if field in kept}) if base.reason is None else base)
    objects_ = [
        replace(draw(objects), owner_id=guid(slot), dns_name=f"{'abc'[meant(slot) - 1]}.x") for slot in draw(st.permutations([1, 2, 3]))
    ]
    devices_ = [replace(draw(devices), owner_id=guid(slot)) for slot in (1, 2, 3)]
    filed = {
        store: tuple(
            replace(draw(entries(store)), owner_id=guid(slot), key_ids=(f"k{meant(slot)}",)) for slot in draw(st.lists(slots, min_size=1))
        )
        for store in ("ad", "entra")
    }
    stores = [
        StoreReading(store="ad", state=StoreState.SEARCHED, owners=tuple(objects_[: meant(3)]), entries=filed["ad"], domain="x"),
        StoreReading(store="entra", state=StoreState.SEARCHED, owners=tuple(devices_[: meant(3)]), entries=filed["entra"], tenant=TENANT),
    ]
    return Fleet(list({item.host: item for item in told}.values()), stores, HOSTS, {name: f"{name.lower()}.x" for name in HOSTS})


wild = st.builds(
    Fleet,
    said=said_at_random,
    readings=st.tuples(readings("ad", objects), readings("entra", devices)).map(list),
    inventory=st.just(HOSTS) | st.lists(st.sampled_from(HOSTS), max_size=5, unique=True),
    addresses=st.just({name: f"{name.lower()}.x" for name in HOSTS}),
)
fleets = sound() | wild
asked_of = st.sampled_from(
    [BOTH, Requirements(stores=("ad", "entra"), copies=2), Requirements(stores=("ad",)), Requirements(stores=("entra",))]
)
