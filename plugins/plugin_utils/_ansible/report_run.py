# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""One run of the report: read the stores, join, judge, say what came out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from .._core.estate import judge_estate, known_computers, owners_to_name
from .._core.joins import InventoryHost, inventory_computers
from .._core.model import Observation, StoreReading
from .._core.proofs import NO_PROOFS
from .._core.requirements import Requirements
from .._core.rows import EstateJudgement
from .._errors import OptionError
from .._report import terminal
from .._stores.port import Store
from .proving import Memory, ProofLimits, prove_fleet


def requirements_of(params: Mapping[str, Any], configured: Sequence[str]) -> Requirements:
    """The requirements from the module's options; ``configured`` are the stores that this run can read."""
    stores = params["stores"] if params["stores"] is not None else list(configured)
    unreachable = [store for store in stores if store not in configured]
    if unreachable or not stores:
        raise OptionError(
            "use the requirements",
            target="option stores",
            meaning=f"no options are given for {', '.join(unreachable)}" if unreachable else "no store is configured",
            remedy="Give the options of every required store, for example ad with its server.",
        )
    return Requirements(
        stores=tuple(stores),
        copies=params["copies"],
        proof=params["proof"],
        volume_types=tuple(params["volume_types"]),
        encryption=params["encryption"],
        methods=tuple(params["methods"]),
        max_observation_age=_days(params["max_observation_age"]),
        suspended_reboots_allowed=params["suspended_reboots_allowed"],
        min_coverage=params["min_coverage"],
    )


def _days(number: float) -> timedelta:
    try:
        return timedelta(days=number)
    except (ValueError, OverflowError) as error:
        raise OptionError(
            "use the requirements",
            target="option max_observation_age",
            meaning=f"{number} is not a number of days",
            remedy="Give a number of days, such as 30.",
        ) from error


def judge_fleet(
    hosts: Sequence[InventoryHost],
    observations: Mapping[str, Sequence[Observation]],
    stores: Sequence[Store],
    requirements: Requirements,
    *,
    now: datetime,
    say: Callable[[str], None],
    warn: Callable[[str], None] | None = None,
    limits: ProofLimits | None = None,
    memory: Memory | None = None,
) -> EstateJudgement:
    """Read every store once, look for hidden entries where something is missing, prove what is to be proven (``limits``), and judge."""
    computers = inventory_computers(hosts, observations, now=now, requirements=requirements)
    readings = [store.read() for store in stores]
    known = known_computers(computers, readings)
    readings = [_with_hidden(store, reading, owners_to_name(known, reading), say) for store, reading in zip(stores, readings, strict=True)]
    proofs = NO_PROOFS
    if limits is not None and requirements.proof == "live":
        by_name = {reading.store: store for store, reading in zip(stores, readings, strict=True)}
        proofs = prove_fleet(known, readings, by_name, requirements, limits, now=now, say=say, warn=warn or say, memory=memory)
    return judge_estate(known, readings, requirements, now=now, proofs=proofs)


def _with_hidden(store: Store, reading: StoreReading, owners: Sequence[str], say: Callable[[str], None]) -> StoreReading:
    """The reading, with the entries that this account can name but not read."""
    if not owners:
        return reading
    say(f"{reading.store}: looking for unreadable entries under {len(owners)} computers")
    names = store.name_hidden(owners)
    return replace(
        reading, entries=reading.entries + tuple(names.entries), unsearched_owners=names.not_searched, reason=reading.reason or names.reason
    )


def summary_text(report: Mapping[str, Any], files: Sequence[str]) -> str:
    """What the run says on the terminal."""
    return terminal.render(report, files)
