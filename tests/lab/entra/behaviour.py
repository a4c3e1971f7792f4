# SPDX-License-Identifier: GPL-3.0-or-later
"""How the service behaves: one setting for every form that the documentation leaves open, and faults that some answers show."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

NEXT_LINKS = ("normal", "loop", "foreign", "http", "other_port", "other_version", "credentials", "relative", "number", "endless")
FAULT_KINDS = (
    "status",
    "expired",
    "html",
    "truncated",
    "empty",
    "not_json",
    "array",
    "wrong_types",
    "bomb",
    "endless",
    "slow",
    "hang",
    "reset",
    "redirect",
)
_CHOICES = {
    "volume_type": ("name", "digit", "number"),
    "single_get": ("flat", "wrapped"),
    "read_basic_select": ("forbidden", "without_key"),
    "select_key": ("everything", "alone"),
    "mixed_select": ("without_key", "with_key"),
    "unsupported_query": ("refuse", "ignore"),
    "ocp_headers": ("required", "optional"),
    "unknown_device": ("empty", "refuse"),
    "next_link": NEXT_LINKS,
    "device_code": ("approve", "decline", "expire", "never"),
}


@dataclass(kw_only=True)
class Fault:
    """Answers that go wrong: those whose path holds ``match``, from the one after ``after``, every ``every``-th, ``times`` in all.

    ``kind``: ``status`` answers ``status`` with ``retry_after`` (``"3"`` seconds, ``"date:3"`` an HTTP date so far ahead, None no header)
    and Graph's code for it, ``expired`` 401; ``html`` a gateway's page with status 502 (or ``status``), ``truncated`` a body that ends
    early, ``empty`` no body, ``not_json``, ``array`` another JSON value, ``wrong_types`` members of other types, ``bomb`` a small body
    that unpacks into 64 MiB, ``endless`` one that never ends, ``slow`` waits ``seconds``, ``hang`` never answers, ``reset`` closes the
    connection, ``redirect`` 307 to another host.
    """

    kind: str
    match: str = ""
    after: int = 0
    every: int = 1
    times: int | None = None
    status: int = 429
    retry_after: str | None = None
    seconds: float = 0.0
    #: of the error body, where Graph's usual one is not meant
    code: str | None = None
    seen: int = 0
    shown: int = 0

    def strikes(self, path: str) -> bool:
        """Count a request; whether this one shows the fault."""
        if self.match not in path:
            return False
        self.seen += 1
        due = self.seen > self.after and (self.seen - self.after - 1) % self.every == 0
        if not due or (self.times is not None and self.shown >= self.times):
            return False
        self.shown += 1
        return True


@dataclass(kw_only=True)
class Behaviour:
    """The settings; the defaults are the strictest forms, and the most usual one where nothing is stricter."""

    #: recovery keys a page: not documented
    key_page: int = 100
    #: devices a page where $top does not say (documented: 100, at most 999)
    device_page: int = 100
    managed_page: int = 1000
    audit_page: int = 100
    #: of volumeType: a member's name, its number in quotes, or bare
    volume_type: str = "name"
    #: one recovery key as the body itself, or below ``value`` as an example shows
    single_get: str = "flat"
    #: $select=key without BitlockerKey.Read.All
    read_basic_select: str = "forbidden"
    #: what $select=key brings: every property, as it was seen to, or that one, as $select is meant
    select_key: str = "everything"
    #: $select=key and more
    mixed_select: str = "without_key"
    #: metadata says ``"key": null``
    null_key: bool = False
    #: $top, $orderby and so on for recovery keys
    unsupported_query: str = "refuse"
    #: ocp-client-name and ocp-client-version for recovery keys
    ocp_headers: str = "required"
    #: a deviceId in $filter that is no GUID
    unknown_device: str = "empty"
    #: code of 403 where the endpoint's usual one is not meant; may be empty
    forbidden_code: str | None = None
    #: as the OpenAPI description has it: ``@odata.type`` on every object, an error's date with its zone; else as the service was seen
    typed: bool = True
    #: members that no description knows, and annotations
    extra_members: bool = False
    #: the misspelling of older documentation
    lower_innererror: bool = False
    #: after every page one without entries; pages shorter than they might be
    empty_pages: bool = False
    #: the last entry of a page comes again on the next
    duplicates: bool = False
    next_link: str = "normal"
    #: the foreign host of next_link and of redirects
    foreign_host: str = "graph.attacker.example"
    gzip: bool = True
    token_lifetime: int = 3599
    #: tokens without answered claims are refused with a challenge
    claims_challenge: bool = False
    device_code: str = "approve"
    #: polls that are told to wait
    device_code_polls: int = 1
    device_code_interval: int = 1
    #: requests in ten seconds that audit queries may make for one application (documented: 5)
    audit_limit: int = 5
    duplicate_audit: bool = False
    #: seconds until a read shows in the audit log: minutes, as a rule, and not documented
    audit_delay: float = 0.0
    #: recovery keys that a device may have (200, see the reference of Entra); the next one is refused
    key_limit: int = 200
    #: seconds until a key that was escrowed is listed and found
    key_delay: float = 0.0
    #: keys of soft-deleted devices are listed: not documented
    keys_of_deleted: bool = True
    faults: list[Fault] = field(default_factory=list)

    def __post_init__(self) -> None:
        for name, choices in _CHOICES.items():
            if getattr(self, name) not in choices:
                raise ValueError(f"{name} is none of {', '.join(choices)}")
        for fault in self.faults:
            if fault.kind not in FAULT_KINDS:
                raise ValueError(f"fault {fault.kind} is none of {', '.join(FAULT_KINDS)}")
        if min(self.key_page, self.device_page, self.managed_page, self.audit_page) < 1:
            raise ValueError("a page holds at least one entry")
        self._lock = threading.Lock()

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> Behaviour:
        """The behaviour of an estate's settings.

        Raises:
            ValueError: a setting or a value of one is unknown.
        """
        unknown = set(settings) - {item.name for item in dataclasses.fields(cls)}
        if unknown:
            raise ValueError(f"unknown settings: {', '.join(sorted(unknown))}")
        try:
            faults = [fault if isinstance(fault, Fault) else Fault(**fault) for fault in settings.get("faults", ())]
            return cls(**{**settings, "faults": faults})
        except TypeError as error:
            raise ValueError(f"a fault of another form: {error}") from error

    def strike(self, path: str) -> Fault | None:
        """The first fault that this request shows; every fault counts it."""
        with self._lock:
            struck = [fault for fault in self.faults if fault.strikes(path)]
        return struck[0] if struck else None


def throttled() -> Iterable[Fault]:
    """Graph that refuses everything for being asked too much: LAB_FAULT=entra_throttled. Tokens are still issued."""
    return [Fault(kind="status", match=f"/{version}/", status=429, retry_after="1") for version in ("v1.0", "beta")]
