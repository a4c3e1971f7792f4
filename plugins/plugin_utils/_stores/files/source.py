# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""Files as a source of recovery passwords: saved keys, printouts, exports, pages of an account, drives with .BEK files."""

from __future__ import annotations

import hashlib
import os
import secrets
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from ..._core.key_files.contents import EXTERNAL_KEY, FileContents, FoundKey, Reading, cross_checked, is_pdf, of_pages, recognise
from ..._core.key_search import Candidate, CandidateValue, SourceAnswer, SourceProblem, Term, TermKind
from ..._core.model import StoreState
from ..._core.redaction import Secret, without_recovery_passwords
from ..._errors import BadDataError, KeywardError
from .pdf import PdfError, pdf_texts
from .settings import FileSettings
from .walk import Found, Walk, read_bounded

__all__ = ["FileSettings", "FileSource"]

SOURCE = "file"
#: problems that are told one by one
MOST_PROBLEMS = 200
_DEFECT = "it could not be taken apart, which is a defect of keyward.bitlocker: please report it"
_REMEDY = "Read the file again where it came from, or take the key from another source."


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a candidate's value is read again: the file, and the mark of the value in it."""

    found: Found
    key: FoundKey


class FileSource:
    """Reads the files once for all terms and keeps what they say, without a value; a value is read from its file again."""

    name = SOURCE

    def __init__(self, settings: FileSettings, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._settings = settings
        self._clock = clock
        self._reading = Reading(salt=secrets.token_bytes(32), columns=settings.columns)
        self._known: list[Candidate] | None = None
        self._problems: list[SourceProblem] = []
        self._state, self._reason = StoreState.SEARCHED, ""

    def find(self, terms: Sequence[Term]) -> SourceAnswer:
        """Whatever the files hold for the terms: by key ID or its beginning, and by the computer, serial and volume that they name."""
        known = self._candidates()
        found = {term.text: tuple(candidate for candidate in known if matches(candidate, term)) for term in terms}
        return SourceAnswer(source=SOURCE, found=found, state=self._state, reason=self._reason, problems=tuple(self._problems))

    def everything(self) -> SourceAnswer:
        """All that the files hold, under the empty text."""
        found = {"": tuple(self._candidates())}
        return SourceAnswer(source=SOURCE, found=found, state=self._state, reason=self._reason, problems=tuple(self._problems))

    def values(self, candidates: Sequence[Candidate]) -> Iterator[CandidateValue]:
        """The recovery passwords, each read from its file again."""
        contents: dict[str, FileContents | KeywardError] = {}
        for candidate in candidates:
            yield self._value(candidate, contents)

    def close(self) -> None:
        """Forget what was read."""
        self._known = None

    def _candidates(self) -> list[Candidate]:
        if self._known is None:
            self._known = self._read()
        return self._known

    def _read(self) -> list[Candidate]:
        walk = Walk(self._settings, clock=self._clock)
        places: list[_Place] = []
        lost = ""
        self._problems = []
        for found in walk.files():
            content = walk.read(found)
            if content is None:
                continue
            try:
                contents = self._contents(content, found, walk.seconds_left())
            except PdfError as error:
                lost = lost or f"{found.path}: {error}"
                self._tell(found.path, str(error))
                continue
            except Exception as error:  # noqa: BLE001 (whatever one file brings about must not hide the others; its text may hold a key)
                lost = lost or f"{found.path}: {_DEFECT} ({type(error).__name__})"
                self._tell(found.path, f"{_DEFECT} ({type(error).__name__})")
                continue
            places += [_Place(found, replace(key, value=None)) for key in contents.keys]
            for problem in contents.problems:
                self._tell(found.path, problem)
        for trouble in walk.troubles:
            self._tell(trouble.path, f"could not be read: {trouble.text}")
            lost = lost or (f"{trouble.path} could not be read: {trouble.text}" if trouble.lost else "")
        self._judge(walk, walk.stopped or lost)
        keys = cross_checked([place.key for place in places])
        return [_candidate(place, key) for place, key in zip(places, keys, strict=True)]

    def _judge(self, walk: Walk, reason: str) -> None:
        self._state, self._reason = StoreState.SEARCHED, without_recovery_passwords(reason)
        if reason:
            self._state = StoreState.PARTIAL if walk.usable else StoreState.DOWN

    def _contents(self, content: Secret[bytes], found: Found, seconds: float) -> FileContents:
        name = os.path.basename(found.path)
        if is_pdf(content):
            return of_pages(pdf_texts(content, pages=self._settings.max_pages, seconds=seconds), name, self._reading)
        return recognise(content, name, self._reading)

    def _tell(self, where: str, text: str) -> None:
        if len(self._problems) < MOST_PROBLEMS:
            self._problems.append(SourceProblem(where=_shown(where), text=text))

    def _value(self, candidate: Candidate, contents: dict[str, FileContents | KeywardError]) -> CandidateValue:
        place = candidate.handle
        if not isinstance(place, _Place):
            return CandidateValue(candidate=candidate, problem=_problem(candidate, "it is not this source's"))
        if place.key.type == EXTERNAL_KEY:
            return CandidateValue(candidate=candidate, problem=_external(candidate))
        if not place.key.mark:
            return CandidateValue(candidate=candidate, problem=_problem(candidate, "; ".join(candidate.defects)))
        path = place.found.path
        if path not in contents:
            contents[path] = self._again(candidate, place.found)
        read = contents[path]
        if isinstance(read, KeywardError):
            return CandidateValue(candidate=candidate, problem=read)
        same = [key.value for key in read.keys if key.mark == place.key.mark and key.key_id == place.key.key_id]
        if not same or same[0] is None:
            return CandidateValue(candidate=candidate, problem=_problem(candidate, "the file has changed since it was searched"))
        return CandidateValue(candidate=candidate, value=same[0])

    def _again(self, candidate: Candidate, found: Found) -> FileContents | KeywardError:
        try:
            content = read_bounded(found.path, self._settings.max_file_mb * 1024 * 1024, follow=found.named)
            return self._contents(content, found, self._settings.timeout)
        except (OSError, ValueError) as error:
            return _problem(candidate, (getattr(error, "strerror", None) or "it cannot be read").lower())
        except PdfError as error:
            return _problem(candidate, str(error))


def matches(candidate: Candidate, term: Term) -> bool:
    """Whether a term may name this key; a key ID of which the file shows only the beginning fits a longer one that begins like it."""
    digits = candidate.key_id.replace("-", "")
    if term.has_key_id(candidate.key_id) or (term.means(TermKind.KEY_ID) and term.digits is not None and term.digits.startswith(digits)):
        return True
    word = term.word.casefold()
    if term.means(TermKind.HOST) and any(_same_host(word.rstrip("."), name) for name in candidate.computers):
        return True
    if term.means(TermKind.SERIAL) and candidate.serial is not None and candidate.serial.casefold() == word:
        return True
    return term.means(TermKind.VOLUME) and term.guid is not None and term.guid == candidate.volume_guid


def _same_host(one: str, other: str) -> bool:
    """Equal names; or a bare one and a full one that begins with it."""
    if "." in one and "." in other:
        return one == other
    return one.partition(".")[0] == other.partition(".")[0]


def _shown(text: str) -> str:
    """A name or a cell as it may be shown: people name files after the key in them, and a mapping may take the wrong column.

    Two that differ in what is masked stay two: beside the mask stands a digest, of which as little is kept as of a mark (an eighth).
    """
    masked = without_recovery_passwords(text)
    return text if masked == text else f"{masked} #{hashlib.sha256(text.encode('utf-8', 'surrogatepass')).hexdigest()[:8]}"


def _candidate(place: _Place, key: FoundKey) -> Candidate:
    path = _shown(place.found.path)
    return Candidate(
        key_id=key.key_id,
        source=SOURCE,
        owner=path,
        owner_id=path,
        location=f"{path}, {key.place}",
        computers=(_shown(key.computer.lower()),) if key.computer else (),
        serial=None if key.serial is None else _shown(key.serial),
        created=key.created,
        volume=None if key.volume is None else _shown(key.volume),
        volume_guid=key.volume_guid,
        readable=bool(key.mark),
        defects=key.defects,
        type=key.type,
        handle=place,
    )


def _problem(candidate: Candidate, meaning: str) -> BadDataError:
    return BadDataError(f"read the recovery password of key {candidate.key_id}", target=candidate.location, meaning=meaning, remedy=_REMEDY)


def _external(candidate: Candidate) -> BadDataError:
    return BadDataError(
        f"read the recovery password of key {candidate.key_id}",
        target=candidate.location,
        meaning="it is an external key (.BEK), which has no 48 digits",
        remedy="Put the file on a USB drive at the locked computer; module key_proof says whether it opens the disk.",
    )
