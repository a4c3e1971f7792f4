# SPDX-License-Identifier: GPL-3.0-or-later
"""What happens to an estate between two runs that share a ledger: values are changed in place, and entries vanish.

Only what the first run proves is touched, and of a volume one thing alone, so that whatever the second run says of it has one cause.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.keyward.bitlocker.tests.lab.estate import values
from ansible_collections.keyward.bitlocker.tests.lab.model import Estate, LabEntraKey, LabEntry

CHANGED, VANISHED = "changed", "vanished"
CODES = {CHANGED: "KW-ESC-014", VANISHED: "KW-ESC-013"}
AD, ENTRA = "ad", "entra"
#: what happens, in which store, and which stores hold the key; in order of priority
HAPPENINGS = (
    (CHANGED, AD, frozenset({AD})),
    (CHANGED, ENTRA, frozenset({ENTRA})),
    (VANISHED, AD, frozenset({AD})),
    (CHANGED, AD, frozenset({AD, ENTRA})),
    (CHANGED, ENTRA, frozenset({AD, ENTRA})),
    (VANISHED, ENTRA, frozenset({AD, ENTRA})),
    (VANISHED, ENTRA, frozenset({ENTRA})),
    (VANISHED, AD, frozenset({AD, ENTRA})),
)


@dataclass(frozen=True, kw_only=True)
class Happening:
    """One thing that happened: to the entry of a key in a store, as the truth names its volume. ``password``: the new value."""

    kind: str
    store: str
    computer: str
    volume: str
    key_id: str
    password: str | None = None


@dataclass(frozen=True, kw_only=True)
class _Proven:
    """A volume with one recovery password, proven in each store that has an entry of it."""

    computer: str
    volume: str
    key_id: str
    stores: frozenset[str]


def happen(estate: Estate, truth: Mapping[str, Any]) -> list[Happening]:
    """Let everything happen once, as far as there is room; ``truth`` is the first run's. The estate is changed."""
    rng = random.Random(f"keyward lab later {estate.seed} {len(estate.hosts)}")
    proven = list(_proven(estate, truth))
    rng.shuffle(proven)
    happened = []
    for kind, store, stores in HAPPENINGS:
        spot = next((spot for spot in proven if spot.stores == stores), None)
        if spot is None:
            continue
        proven.remove(spot)
        password = values.recovery_password(rng) if kind == CHANGED else None
        happened.append(
            Happening(kind=kind, store=store, computer=spot.computer, volume=spot.volume, key_id=spot.key_id, password=password)
        )
        _do(estate, happened[-1])
    return happened


def later_truth(truth: dict[str, Any], happened: list[Happening]) -> dict[str, Any]:
    """The truth about the changed estate, with what only somebody can say who remembers."""
    codes = {(item.computer, item.volume): CODES[item.kind] for item in happened}
    volumes = [
        {**volume, "findings": sorted([*volume["findings"], *filter(None, [codes.get((volume["computer"], volume["volume"]))])])}
        for volume in truth["volumes"]
    ]
    return {**truth, "volumes": volumes}


def _proven(estate: Estate, truth: Mapping[str, Any]) -> Iterator[_Proven]:
    in_ad = Counter(key_id for entry in estate.entries for key_id in dict.fromkeys((entry.key_id, entry.cn_key_id or entry.key_id)))
    in_entra = Counter(key.key_id for key in estate.entra_keys)
    listed = Counter(key_id for volume in truth["volumes"] for key_id in volume["protectors"])
    protectors = [item for host in estate.hosts for volume in host.volumes for item in volume.protectors]
    hosts = Counter(item.key_id for item in protectors)
    # what is wrapped anew in every reading can be proven and never refuted; a cluster's volume has several owners
    steady = {item.key_id for item in protectors if item.package == "sound" and hosts[item.key_id] == 1}
    for volume in truth["volumes"]:
        for key_id, states in volume["protectors"].items():
            stores = frozenset(store for store, state in states.items() if state == "proven")
            alone = len(volume["protectors"]) == 1 and listed[key_id] == 1 and key_id in steady and volume["verdict"] == "recoverable"
            held = {AD: in_ad[key_id], ENTRA: in_entra[key_id]}
            if alone and stores and all(held[store] == (store in stores) for store in held):
                yield _Proven(computer=volume["computer"], volume=volume["volume"], key_id=key_id, stores=stores)


def _do(estate: Estate, item: Happening) -> None:
    entries: list[LabEntry] | list[LabEntraKey] = estate.entries if item.store == AD else estate.entra_keys
    (entry,) = [entry for entry in entries if entry.key_id == item.key_id]
    if item.password is not None:
        entry.password = item.password
    elif isinstance(entry, LabEntry):
        estate.entries.remove(entry)
    else:
        estate.entra_keys.remove(entry)
