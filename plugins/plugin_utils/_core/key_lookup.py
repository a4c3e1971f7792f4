# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""From what the sources have to the one key that was asked for: merging, preference, ambiguity, disagreement; pure.

The rules, which the guide "Finding a key" tells users:

- Candidates of one key ID are one record, whatever source, owner or term they came by.
- A computer may have many keys of former protectors. What the computer itself lists now (the source ``host``, or an observation) is
  preferred; without that an entry whose owner is deleted yields to one whose owner is there. Nothing else is preferred: two keys that fit
  are an error that lists them. Keys that were asked for by their ID are never preferred over each other, not even the newest.
- The newest is the newest of one owner. A name says nothing of which owner is meant: whoever may register a device may choose its name.
- Keys are ordered by the dates that directories gave them, the first of a key's dates counting: a copy that is made later does not make a
  key newer. What a name or a file says of a date counts only where no directory says anything.
- Nothing found is "not there" only where every source was searched to its end. Otherwise nobody knows.
- Values that differ between sources, or between entries of one key ID, are an error, and none of them is handed out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from .._errors import BadDataError, KeywardError, StoreDownError
from .key_search import Candidate, CandidateValue, SourceAnswer, Term, TermKind
from .model import StoreState
from .redaction import Secret

#: the sources whose dates are a directory's own, which nobody who writes an entry can choose
DIRECTORIES = frozenset({"ad", "entra"})
#: candidates that an error lists
_LISTED = 10
_ATTEMPTED = "find the recovery key"
RECOVERY_PASSWORD = "recovery_password"
_GUID_LENGTH = 36
_NOT_ASKED = "no computer was asked, as the term names none of the inventory"


class Match(StrEnum):
    """How many keys a term may stand for: one or an error, the newest, all."""

    SINGLE = "single"
    NEWEST = "newest"
    ALL = "all"


class Search(StrEnum):
    """Which sources are asked: in order until one has a key, or all of them."""

    FIRST = "first"
    ALL = "all"


class NoSuchKeyError(KeywardError):
    """Every source was searched to its end, and none has such a key."""


class CouldNotLookError(StoreDownError):
    """Nothing was found, and not every source could be searched: whether there is such a key, nobody knows."""


class AmbiguousKeyError(KeywardError):
    """Several keys fit; ``records`` are all of them."""

    def __init__(self, term: Term, records: Sequence[KeyRecord], *, meaning: str = "", remedy: str = "") -> None:
        self.records = tuple(records)
        listed = "; ".join(record.told for record in self.records[:_LISTED])
        more = f"; and {len(self.records) - _LISTED} more" if len(self.records) > _LISTED else ""
        super().__init__(
            "choose one recovery key",
            target=shown(term),
            meaning=f"{meaning or f'{len(self.records)} keys fit'}: {listed}{more}",
            remedy=remedy or "Ask for one of them by its key ID, or set match to newest or all.",
        )


class DisagreementError(BadDataError):
    """One key ID has different recovery passwords in different places."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProtectorList:
    """The recovery passwords that a computer itself lists: now, or when it was observed.

    ``computers`` are its names in lower case, the inventory's among them, ``key_ids`` all of its recovery passwords.
    """

    computers: frozenset[str]
    key_ids: frozenset[str]
    as_of: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyRecord:
    """One recovery key: every candidate of its key ID, in the order of the sources.

    ``live``: the computer itself lists it, as of ``live_as_of``. With ``live`` False that time says when the computer did not list it; None
    that its list is not known. ``key_id`` is empty where no ID can be read.
    """

    key_id: str
    candidates: tuple[Candidate, ...]
    live: bool = False
    live_as_of: datetime | None = None

    @property
    def first(self) -> Candidate:
        """The candidate that describes it: of the first source, one whose owner is there before one whose owner is deleted."""
        return next((candidate for candidate in self.candidates if not candidate.deleted_owner), self.candidates[0])

    @property
    def sources(self) -> tuple[str, ...]:
        """The names of the sources that have it, each once."""
        return tuple(dict.fromkeys(candidate.source for candidate in self.candidates))

    @property
    def owner(self) -> str:
        """What people call its owner."""
        return self.first.owner

    @property
    def computers(self) -> tuple[str, ...]:
        """The names of the computers that it may belong to, in lower case."""
        return tuple(dict.fromkeys(name for candidate in self.candidates for name in candidate.computers))

    @property
    def serial(self) -> str | None:
        """The computer's serial number, where a source says it."""
        return next((candidate.serial for candidate in self.candidates if candidate.serial), None)

    @property
    def volume(self) -> str | None:
        """The volume's letter, mount point or type, where a source says it: a name rather than a type."""
        told = [candidate.volume for candidate in self.candidates if candidate.volume]
        return next((name for name in told if name not in ("os", "fixed", "removable")), told[0] if told else None)

    @property
    def volume_guid(self) -> str | None:
        """The volume's GUID, where a source says it."""
        return next((candidate.volume_guid for candidate in self.candidates if candidate.volume_guid), None)

    @property
    def deleted_owner(self) -> bool:
        """Whether it lies under deleted owners alone."""
        return all(candidate.deleted_owner for candidate in self.candidates)

    @property
    def readable(self) -> bool:
        """Whether some source may give its value."""
        return any(candidate.readable for candidate in self.candidates)

    @property
    def defects(self) -> tuple[str, ...]:
        """What is broken in its entries."""
        return tuple(dict.fromkeys(defect for candidate in self.candidates for defect in candidate.defects))

    @property
    def escrowed(self) -> datetime | None:
        """The first date that a directory gave it."""
        return min((found.created for found in self.candidates if found.created and found.source in DIRECTORIES), default=None)

    @property
    def created(self) -> datetime | None:
        """:attr:`escrowed`, else the first date that anything says."""
        return self.escrowed or min((found.created for found in self.candidates if found.created), default=None)

    @property
    def told(self) -> str:
        """One clause about it: key ID, owner, date, sources, marks; never a value."""
        since = f", {self.created.astimezone(UTC):%Y-%m-%d}" if self.created else ", no date"
        marks = [
            *(["listed by the computer itself"] if self.live else []),
            *(["owner deleted"] if self.deleted_owner else []),
            *([] if self.readable else ["not readable by this account"]),
        ]
        tail = f" ({', '.join(marks)})" if marks else ""
        return f"{self.key_id or 'no key ID'} of {self.owner or 'an owner without a name'}{since}, in {' and '.join(self.sources)}{tail}"


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundKey:
    """A key that a term stands for. ``unsearched``: sources that could not be searched while this was found, by name with the reason."""

    term: Term
    record: KeyRecord
    unsearched: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class AgreedValue:
    """A key's one recovery password, the candidates that gave it, and those that could not be read with why."""

    secret: Secret[str]
    given: tuple[Candidate, ...]
    problems: tuple[CandidateValue, ...] = ()

    @property
    def sources(self) -> tuple[str, ...]:
        """The names of the sources that it was read from, each once."""
        return tuple(dict.fromkeys(candidate.source for candidate in self.given))


def shown(term: Term) -> str:
    """A term as an error may repeat it: short, in one line."""
    text = " ".join(term.text.split())
    return text if len(text) <= 80 else text[:79] + "…"


def merge(term: Term, answers: Sequence[SourceAnswer], lists: Sequence[ProtectorList] = ()) -> tuple[KeyRecord, ...]:
    """What the sources have for a term as records, the preferred ones first.

    Args:
        answers: in the order of the sources; what they found under the term's text.
        lists: what computers list themselves; each marks the records of its key IDs, and those of the computer that it no longer lists.
    """
    found = [candidate for answer in answers for candidate in answer.found.get(term.text, ()) if candidate.type == RECOVERY_PASSWORD]
    whole = _whole_ids(found)
    grouped: dict[tuple[str, ...], dict[tuple[str, str, str], Candidate]] = {}
    for candidate in found:
        key_id = whole.get(candidate.key_id, candidate.key_id)
        # what has no ID is nobody else's copy
        group = (key_id,) if key_id else ("", candidate.source, candidate.location)
        place = (candidate.source, candidate.owner_id, candidate.location)
        grouped.setdefault(group, {}).setdefault(place, candidate)
    records = [_marked(KeyRecord(key_id=group[0], candidates=tuple(own.values())), term, lists) for group, own in grouped.items()]
    return tuple(sorted(records, key=_order))


def _whole_ids(found: Iterable[Candidate]) -> dict[str, str]:
    """The whole ID for each beginning of one, where exactly one begins so: some files show no more."""
    known = {candidate.key_id for candidate in found if len(candidate.key_id) == _GUID_LENGTH}
    short = {candidate.key_id for candidate in found if 0 < len(candidate.key_id) < _GUID_LENGTH}
    meant = {key_id: [guid for guid in known if guid.startswith(key_id)] for key_id in short}
    return {key_id: guids[0] for key_id, guids in meant.items() if len(guids) == 1}


def _marked(record: KeyRecord, term: Term, lists: Sequence[ProtectorList]) -> KeyRecord:
    names = set(record.computers)
    if not term.has_key_id(record.key_id):
        names.add(term.word.lower())
    live: datetime | None = None
    gone: datetime | None = None
    for listed in lists:
        if record.key_id and record.key_id in listed.key_ids:
            live = max(live or listed.as_of, listed.as_of)
        elif names & listed.computers:
            gone = max(gone or listed.as_of, listed.as_of)
    # a newer list is the better one: what was removed since is listed no more
    is_live = live is not None and (gone is None or gone <= live)
    return KeyRecord(key_id=record.key_id, candidates=record.candidates, live=is_live, live_as_of=live if is_live else gone)


def _order(record: KeyRecord) -> tuple[bool, bool, float, str]:
    """Live before others, deleted owners last, the newest first."""
    return not record.live, record.deleted_owner, -(record.created.timestamp() if record.created else float("-inf")), record.key_id


def choose(term: Term, records: Sequence[KeyRecord], answers: Sequence[SourceAnswer], match: Match) -> tuple[FoundKey, ...]:
    """The keys that a term stands for; at least one.

    Raises:
        NoSuchKeyError: there is none in any source.
        CouldNotLookError: nothing was found, and a source could not be searched.
        AmbiguousKeyError: ``match`` does not decide between several.
    """
    unsearched = {answer.source: answer.reason or str(answer.state) for answer in answers if answer.state is not StoreState.SEARCHED}
    if not records:
        raise _nothing(term, answers, unsearched)
    if match is Match.ALL:
        chosen = list(records)
    else:
        chosen = _preferred(term, records)
        if match is Match.NEWEST and len(chosen) > 1:
            _refuse_to_guess(term, chosen)
            chosen = [_newest(term, chosen)]
        if len(chosen) > 1:
            raise AmbiguousKeyError(term, chosen)
    return tuple(FoundKey(term=term, record=record, unsearched=unsearched) for record in chosen)


def _preferred(term: Term, records: Sequence[KeyRecord]) -> list[KeyRecord]:
    if any(term.has_key_id(record.key_id) for record in records):
        return list(records)
    return [record for record in records if record.live] or [record for record in records if not record.deleted_owner] or list(records)


def _refuse_to_guess(term: Term, records: Sequence[KeyRecord]) -> None:
    """Raise where a date says nothing: between keys whose IDs begin alike, and between owners that share a name."""
    if any(term.has_key_id(record.key_id) for record in records):
        raise AmbiguousKeyError(term, records, remedy="Read more of the key ID, name the kind of the term, or set match to all.")
    # a hybrid joined device has the ID of its computer object, so that both directories name one owner (DESIGN, "Trust")
    owners = {
        found.owner_id for record in records for found in record.candidates if found.source in DIRECTORIES and not found.deleted_owner
    }
    if len(owners) > 1 and not all(record.live for record in records):
        raise AmbiguousKeyError(
            term,
            records,
            meaning=f"{len(records)} keys of more than one owner fit, and the newest of them may be another computer's",
            remedy="Ask for one of them by its key ID, name host in sources, or set match to all.",
        )


def _newest(term: Term, records: Sequence[KeyRecord]) -> KeyRecord:
    """The newest by the dates of directories, or where there are none by what else is said; one without a date never is."""
    dates = {record: record.escrowed for record in records}
    if not any(dates.values()):
        dates = {record: record.created for record in records}
    latest = max((date for date in dates.values() if date), default=None)
    newest = [record for record, date in dates.items() if date == latest]
    if latest is None or len(newest) > 1:
        meaning = "several keys fit, and no date says which one is the newest"
        raise AmbiguousKeyError(term, newest, meaning=meaning, remedy="Ask for one of them by its key ID, or set match to all.")
    return newest[0]


def _nothing(term: Term, answers: Sequence[SourceAnswer], unsearched: Mapping[str, str]) -> KeywardError:
    silent = {answer.source: _NOT_ASKED for answer in answers if not answer.asked}
    if unsearched or (silent and len(silent) == len(answers)):
        unsearched = {**unsearched, **silent}
        searched = [answer.source for answer in answers if answer.source not in unsearched]
        told = "; ".join(f"{source}: {reason.rstrip('. ')}" for source, reason in unsearched.items())
        nowhere = f"nothing was found in {' and '.join(searched)}, and " if searched else ""
        return CouldNotLookError(
            _ATTEMPTED,
            target=shown(term),
            meaning=f"{nowhere}it is not known whether there is one, as not every source could be searched ({told})",
            remedy="Try again when it can be searched, or ask another source.",
        )
    others = [found for answer in answers for found in answer.found.get(term.text, ()) if found.type != RECOVERY_PASSWORD]
    if others:
        places = ", ".join(dict.fromkeys(found.location or found.owner for found in others[:_LISTED]))
        return NoSuchKeyError(
            _ATTEMPTED,
            target=shown(term),
            meaning=f"there is only an external key (.BEK), which has no 48 digits: {places}",
            remedy="Put the file on a USB drive at the locked computer.",
        )
    beside = _problems(answers)
    return NoSuchKeyError(
        _ATTEMPTED,
        target=shown(term),
        meaning=f"there is none in {' or '.join(answer.source for answer in answers if answer.asked) or 'no source'}{beside}",
        remedy=_remedy(term),
    )


def _problems(answers: Iterable[SourceAnswer]) -> str:
    """What could not be used beside it, as the key may be in there."""
    silent = "".join(f"; {answer.source}: {_NOT_ASKED}" for answer in answers if not answer.asked)
    found = [f"{problem.where}: {problem.text}" for answer in answers for problem in answer.problems]
    if not found:
        return silent
    more = f", and {len(found) - 3} more" if len(found) > 3 else ""
    return f"{silent}; {len(found)} things could not be used ({'; '.join(found[:3])}{more})"


def _remedy(term: Term) -> str:
    if term.kind is TermKind.KEY_ID or (term.guid is None and term.digits is not None):
        return "Compare the key ID with the screen, and look whether another domain, tenant or file has it."
    return (
        "Look for a typing error, for the name that the device itself bears there (Entra ID), and whether another domain, tenant or file"
        " has it; or ask by the key ID on the screen."
    )


def agree(record: KeyRecord, values: Sequence[CandidateValue]) -> AgreedValue:
    """The one recovery password of a record, from what was read of its candidates.

    Raises:
        DisagreementError: they have different ones.
        KeywardError: not one could be read: the first one's reason, with the others' sources named.
    """
    read = [(value.candidate, value.value) for value in values if value.value is not None]
    problems = tuple(value for value in values if value.value is None)
    if not read:
        raise _unread(record, problems)
    if any(secret != read[0][1] for _candidate, secret in read[1:]):
        places = list(dict.fromkeys(f"{found.source} ({found.location or found.owner})" for found, _secret in read))
        raise DisagreementError(
            "hand out a recovery key",
            target=record.key_id or record.owner,
            meaning=f"the sources do not agree on it: {' and '.join(places)} hold different passwords, and none was handed out",
            remedy=f"Prove which one opens the disk (keyward.bitlocker.key_proof), or {_way_out([found for found, _secret in read])}.",
        )
    return AgreedValue(secret=read[0][1], given=tuple(candidate for candidate, _secret in read), problems=problems)


def _way_out(found: Sequence[Candidate]) -> str:
    """Whoever may write under one computer object may put any key ID there: then it is the owner that tells them apart."""
    if len({candidate.source for candidate in found}) == 1 and len({candidate.owner_id for candidate in found}) > 1:
        return "ask by the name of the computer, which leaves other owners out"
    return "name the source to trust in the option sources"


def _unread(record: KeyRecord, problems: Sequence[CandidateValue]) -> KeywardError:
    first = next((value.problem for value in problems if value.problem is not None), None)
    if first is not None and len(problems) == 1:
        return first
    told = "; ".join(f"{value.candidate.source}: {value.problem}" for value in problems[:_LISTED])
    kind = type(first) if first is not None and type(first).__init__ is KeywardError.__init__ else BadDataError
    return kind(
        "read the recovery password",
        target=record.key_id or record.owner,
        meaning=f"no source gives it ({told})" if told else "no source gives it",
        remedy=first.remedy if first is not None else "Ask for the key in another source.",
    )
