# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""Found keys as pages for people: what the terminal, the recovery sheet and the list of candidates say of a key, in the same words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from .._core.key_lookup import KeyRecord
from .._core.redaction import Secret
from .._errors import BadDataError
from .._report.sheet import SheetKey
from .._report.terminal import printable
from .._report.text import moment, spaced, store_names
from .base import KeywardAction
from .gate_files import load_report
from .hardening import harden_process
from .inventory import Inventory
from .key_finding import KeyFinder
from .key_sources import KeyOptions, Surroundings

#: what sources call drives that they give no letter
_KINDS = {"os": "operating system drive", "fixed": "fixed data drive", "removable": "removable drive"}
#: places of one key that are named
_MOST_PLACES = 5


def open_finder(action: KeywardAction, params: Mapping[str, Any], task_vars: dict[str, Any], *, values: bool) -> KeyFinder:
    """The search of a task, with its options checked and its libraries there; to be closed.

    Raises:
        OptionError, MissingLibraryError: it cannot be made.
    """
    options = KeyOptions.from_params(params)
    action.require(*options.libraries)
    # a token, or a connection's password, comes into this process even where no option holds a secret
    harden_process()
    host, _variables = action.target(task_vars)
    around = Surroundings(
        inventory=Inventory(task_vars, own=host, connect=lambda: action.connection_settings(task_vars)),
        loader=action._loader,
        say=action.say,
        warn=action.warn,
        values=values,
    )
    return KeyFinder(options, around)


class KnownProofs:
    """What an escrow report says of each key: whether it was proven to open its volume, and which volume that is."""

    def __init__(self, report: object = None) -> None:
        self._protectors = dict(_protectors(report)) if report is not None else {}

    @classmethod
    def of_file(cls, path: str | None) -> KnownProofs:
        """From the file that escrow_report wrote; with None nothing is known.

        Raises:
            OptionError, BadDataError: it cannot be read, or is no report.
        """
        if path is None:
            return cls()
        report = load_report(Path(path), option="report_file")
        if not isinstance(report, Mapping) or not isinstance(report.get("computers"), list):
            raise BadDataError(
                "read the report", target=path, meaning="it is no escrow report", remedy="Give the escrow-report.json of a run."
            )
        return cls(report)

    def proof(self, key_id: str) -> str:
        """A clause about the latest proof of a key."""
        proofs = [
            (str(proof.get("made_at") or ""), store, proof)
            for _volume, held in self._protectors.get(key_id, [])
            for store, holding in held.items()
            if isinstance(holding, Mapping) and isinstance(proof := holding.get("proof"), Mapping)
        ]
        if not proofs:
            return "none is known"
        made_at, store, proof = max(proofs, key=lambda found: found[:2])
        outcome = {"proven": "it opens the volume", "refuted": "it does not open the volume"}.get(str(proof.get("outcome")), "inconclusive")
        basis = {"live": "by the key package of the computer itself"}.get(
            str(proof.get("basis")), f"by a key package of the {spaced(proof.get('basis') or 'unknown')}"
        )
        return f"{outcome}, {basis}, {moment(made_at)} (as {store_names(store)[1]} had it)"

    def volume(self, key_id: str) -> str | None:
        """The volume that a key is for, as its computer told."""
        return next((volume for volume, _held in self._protectors.get(key_id, []) if volume), None)


def _protectors(report: object) -> Iterator[tuple[str, list[tuple[str, Mapping[str, Any]]]]]:
    """Key ID with each volume that has it and what stores hold of it; what is of another shape is left out."""
    found: dict[str, list[tuple[str, Mapping[str, Any]]]] = {}
    for computer in _objects(report, "computers"):
        for volume in _objects(computer, "volumes"):
            for protector in _objects(volume, "protectors"):
                held = protector.get("stores")
                if isinstance(protector.get("key_id"), str) and isinstance(held, Mapping):
                    found.setdefault(protector["key_id"], []).append((str(volume.get("volume") or ""), held))
    yield from found.items()


def _objects(owner: object, name: str) -> Iterator[Mapping[str, Any]]:
    items = owner.get(name) if isinstance(owner, Mapping) else None
    yield from (item for item in items if isinstance(item, Mapping)) if isinstance(items, list) else ()


def page_of(record: KeyRecord, password: Secret[str], proofs: KnownProofs) -> SheetKey:
    """A key as a page."""
    return SheetKey(key_id=record.key_id, password=password, computer=heading(record), facts=tuple(facts_of(record, proofs).items()))


def heading(record: KeyRecord) -> str:
    """What a page is called: the computer's fullest name, else its owner; in one line."""
    owner = record.owner.rpartition("/")[2] if record.owner.startswith("/") else record.owner
    name = max(record.computers, key=lambda name: (name.count("."), len(name)), default="") or owner or "An owner without a name"
    return printable(name)


def facts_of(record: KeyRecord, proofs: KnownProofs) -> dict[str, str]:
    """What is known of a key, by words for people, each in one line, so that no name can put in a line of its own; none of it is secret."""
    facts = {
        "Owner": record.owner if record.owner.lower() != heading(record) else "",
        "Serial number": record.serial or "",
        "Drive": _drive(record, proofs),
        "Volume": record.volume_guid or "",
        "Escrowed": f"{_date(record.created)}" if record.created else "",
        "Found in": _places(record),
        "In use": _use(record),
        "Proof": proofs.proof(record.key_id),
        "Defects": "; ".join(record.defects),
    }
    return {word: printable(fact) for word, fact in facts.items() if fact}


def _drive(record: KeyRecord, proofs: KnownProofs) -> str:
    """A letter or mount point where anybody knows it, else the kind of drive."""
    kind = _KINDS.get(record.volume or "", "")
    return (record.volume or "" if not kind else "") or proofs.volume(record.key_id) or kind


def _places(record: KeyRecord) -> str:
    places = []
    for candidate in record.candidates[:_MOST_PLACES]:
        name = {"host": "the computer itself"}.get(candidate.source) or store_names(candidate.source)[1]
        deleted = ", deleted" if candidate.deleted_owner else ""
        places.append(f"{name}{deleted} ({candidate.location})" if candidate.location else f"{name}{deleted}")
    more = len(record.candidates) - len(places)
    return "; ".join([*places, *([f"and {more} more places"] if more else [])])


def _use(record: KeyRecord) -> str:
    if record.live:
        return f"yes, the computer listed it {_date(record.live_as_of)}"
    if record.live_as_of is not None:
        return f"no, the computer did not list it {_date(record.live_as_of)}"
    return "not known, the computer was not asked"


def _date(time: datetime | None) -> str:
    return "" if time is None else f"{time.astimezone(UTC):%Y-%m-%d %H:%M UTC}"
