# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""What somebody asks for when a key is needed, what a source may answer, and the port that every source of keys offers; pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from .._errors import KeywardError, OptionError
from .model import StoreState
from .redaction import Secret, without_recovery_passwords

#: the recovery screen shows the first eight digits of the key ID
LEAST_DIGITS = 8
MAX_TERM = 512
_DIGITS = re.compile(r"[0-9a-f]{8,32}", re.ASCII)
_GUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.ASCII)
_KIND = re.compile(r"(key_id|host|device_id|serial|volume):(.*)", re.DOTALL)


class TermKind(StrEnum):
    """What a term names. ANY: the text alone does not say, so whatever it can mean is looked for."""

    ANY = "any"
    KEY_ID = "key_id"
    HOST = "host"
    DEVICE_ID = "device_id"
    SERIAL = "serial"
    VOLUME = "volume"


@dataclass(frozen=True, slots=True, kw_only=True)
class Term:
    """One thing that was asked for.

    ``text`` is as it was given; ``word`` what is left without the kind that may stand before it (``serial:5CD1234``). ``guid`` is set
    where it is a whole GUID (lower case, no braces), ``digits`` where it can be the beginning of a key ID (8 to 32 hexadecimal digits,
    hyphens left out, lower case). A host may be called ``deadbeef``: ANY with digits is also a name.
    """

    text: str
    word: str
    kind: TermKind = TermKind.ANY
    guid: str | None = None
    digits: str | None = None

    def means(self, kind: TermKind) -> bool:
        """Whether it may name something of this kind."""
        return self.kind in (TermKind.ANY, kind)

    def has_key_id(self, key_id: str) -> bool:
        """Whether a key ID (a GUID in lower case) is the one asked for, or begins as asked for."""
        return self.means(TermKind.KEY_ID) and self.digits is not None and key_id.replace("-", "").startswith(self.digits)


def parse_term(text: str) -> Term:
    """Read one term.

    Raises:
        OptionError: it is empty, too long, a ``key_id:`` of less than eight digits or with something that is no digit, or a password.
    """
    if without_recovery_passwords(text) != text:
        # whatever was mixed up, it must not be repeated in messages and rows
        raise _refusal(without_recovery_passwords(text), "it holds a recovery password, and a key is looked for by what names it")
    given = _KIND.fullmatch(text.strip())
    kind, word = (TermKind(given[1]), given[2].strip()) if given else (TermKind.ANY, text.strip())
    if not word or len(text) > MAX_TERM or "\0" in word:
        raise _refusal(text, "it is empty" if not word else "it is no name and no ID")
    bare = word.lower().strip("{}")
    guid = bare if _GUID.fullmatch(bare) else None
    squeezed = bare.replace("-", "")
    digits = squeezed if _DIGITS.fullmatch(squeezed) else None
    if kind is TermKind.KEY_ID and digits is None:
        raise _refusal(text, f"a key ID has {LEAST_DIGITS} to 32 hexadecimal digits")
    return Term(text=text, word=word, kind=kind, guid=guid, digits=digits)


def _refusal(text: str, meaning: str) -> OptionError:
    return OptionError(
        "look for a recovery key",
        target=text[:80],
        meaning=meaning,
        remedy="Give a host name, a key ID (its first 8 digits or more), an Entra device ID, a serial number or a volume's GUID.",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """One recovery password that a source has, or says it has; its value is read on its own.

    ``key_id`` is the protector's GUID. ``owner`` is what people call it (a computer, a device, a file), ``owner_id`` the source's own ID of
    the owner, ``location`` where exactly it lies (a DN, a device ID, a path). ``computers`` are names of the computer that it belongs to,
    as far as the source says (lower case). ``volume`` is a letter, mount point or os|fixed|removable where known. ``deleted_owner``: its
    owner was deleted. ``live``: the computer itself lists this protector now. ``readable`` False: its value cannot be had by this account.
    ``type`` ``external_key``: a .BEK file, listed so that it is known of; it has no recovery password. A file may show no more of a key
    ID than its first eight digits: ``key_id`` is those.
    ``handle`` is for the source that made it and for nobody else.
    """

    key_id: str
    source: str
    owner: str
    owner_id: str = ""
    location: str = ""
    computers: tuple[str, ...] = ()
    serial: str | None = None
    created: datetime | None = None
    volume: str | None = None
    volume_guid: str | None = None
    deleted_owner: bool = False
    live: bool = False
    readable: bool = True
    defects: tuple[str, ...] = ()
    type: str = "recovery_password"
    handle: object = field(default=None, repr=False, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceProblem:
    """Something in a source that could not be used while the rest could: ``where`` (a path, an object), and why; never a key's digit."""

    where: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceAnswer:
    """What one source has for the terms, by their ``text``.

    ``state`` and ``reason`` as in a :class:`~.model.StoreReading`: with anything but searched, what was not found is unknown.
    ``asked`` False: the terms name nothing that this source could be asked about (a computer, for the source host), so it says nothing.
    """

    source: str
    found: Mapping[str, tuple[Candidate, ...]] = field(default_factory=dict)
    state: StoreState = StoreState.SEARCHED
    reason: str = ""
    problems: tuple[SourceProblem, ...] = ()
    asked: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class CandidateValue:
    """A candidate with its recovery password, in the canonical form; or why it could not be had."""

    candidate: Candidate
    value: Secret[str] | None = None
    problem: KeywardError | None = None


class KeySource(Protocol):
    """A source of recovery passwords: host, ad, entra, file, vault. Metadata first; a value only by its exact candidate."""

    name: str

    def find(self, terms: Sequence[Term]) -> SourceAnswer:
        """Whatever the terms may mean here. A source that is down is a state, not an exception."""

    def values(self, candidates: Sequence[Candidate]) -> Iterator[CandidateValue]:
        """The values of these, in order; one that cannot be read never takes the others along."""

    def close(self) -> None:
        """Let connections and values go; may be called twice."""
