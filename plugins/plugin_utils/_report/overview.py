# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""What a reader wants to know first, taken from the report document: for the HTML page and the job summary alike. Plain data, no format."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .._core.finding_catalogue import CATALOGUE
from .text import CLASSES, COUNTED, SEVERITIES, VERDICT_WORDS, age, classes_of, counted, percent, spaced, store_names


@dataclass(frozen=True, slots=True, kw_only=True)
class Headline:
    """One of the four numbers: a class of verdicts, how many volumes it has, of how many, and its verdicts with their numbers."""

    name: str
    label: str
    count: int
    whole: int
    verdicts: tuple[tuple[str, int], ...]

    @property
    def share(self) -> str:
        """The part in percent."""
        return percent(self.count, self.whole)


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """All findings of one code: what it is, how often and where, and what to do about it; ``unit`` is what each of them sits on."""

    code: str
    name: str
    severity: str
    count: int
    unit: str
    message: str
    remedy: str
    example: str

    @property
    def where(self) -> str:
        """``24 volumes``."""
        return counted(self.count, self.unit)


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreLine:
    """One store: how far it was searched, and how many of the recovery passwords that hosts listed in scope it holds."""

    name: str
    label: str
    state: str
    entries: int
    reason: str
    required: bool
    held: int
    unknown: int
    asked: int

    @property
    def holding(self) -> str:
        """How many it holds, in a sentence without a subject; empty where nothing is known of any."""
        if self.asked <= self.unknown:
            return ""
        unknown = f", {self.unknown:,} unknown" if self.unknown else ""
        return f"holds {self.held:,} of {counted(self.asked, 'recovery password')} in scope{unknown}."


def judged(document: Mapping[str, Any]) -> int:
    """How many verdicts were given: volumes in scope, and computers that list none."""
    return int(sum(document["summary"]["verdicts"].values()))


def headlines(document: Mapping[str, Any]) -> list[Headline]:
    """The four numbers, passing first."""
    counts, whole = document["summary"]["verdicts"], judged(document)
    belongs = classes_of(document["requirements"])
    out = []
    for name in ("pass", "missing", "attention", "unseen"):
        verdicts = tuple((word, counts[word]) for word in VERDICT_WORDS if word in counts and belongs[word] == name)
        out.append(Headline(name=name, label=CLASSES[name], count=sum(n for _word, n in verdicts), whole=whole, verdicts=verdicts))
    return out


def counted_units(document: Mapping[str, Any]) -> str:
    """What the numbers count, in a sentence: only a volume in scope and a computer that lists no volume have a verdict of their own."""
    bare = sum(not computer["volumes"] and computer["verdict"] is not None for computer in document["computers"])
    volumes = judged(document) - bare
    if not bare:
        return f"Counted: {counted(volumes, 'volume')} in scope."
    return f"Counted: {counted(volumes, 'volume')} in scope, and {counted(bare, 'computer')} without a list of volumes, once each."


def conclusion(document: Mapping[str, Any]) -> tuple[str, str, str]:
    """How the run ended: a class, a word and a sentence."""
    summary = document["summary"]
    if document["passed"] and not judged(document):
        return "pass", "Passed", "Nothing that was found is in scope, so nothing could fail."
    if document["passed"]:
        return "pass", "Passed", "Everything in scope could be looked at, and every key is escrowed."
    number = judged(document)
    sums = (
        f"{summary['passing']:,} of {counted(number, 'verdict')} pass{'es' * (summary['passing'] == 1)}."
        if number
        else "Nothing was found to judge."
    )
    if not document["complete"]:
        return "unseen", "Incomplete", f"Something could not be looked at, so nothing here says that all is well. {sums}"
    return "missing", "Not passed", sums


def coverage(document: Mapping[str, Any]) -> list[str]:
    """How much was looked at, in sentences."""
    summary, needed = document["summary"], document["requirements"]
    seen, known = summary["observed"], summary["computers"]
    age = counted(_whole(needed["max_observation_age"]), "day")
    lines = [f"{seen:,} of {counted(known, 'computer')} ({percent(seen, known)}) observed within {age}."]
    failed = Counter(computer["not_observed"] for computer in document["computers"] if computer["not_observed"])
    if failed:
        ranked = sorted(failed.items(), key=lambda item: (-item[1], item[0]))
        reasons = ", ".join(f"{count:,} {_REASONS.get(word, spaced(word))}" for word, count in ranked)
        lines.append(f"{counted(sum(failed.values()), 'computer')} could not be observed in this run: {reasons}.")
    foreign = summary["findings"].get("KW-HST-009", 0)
    if foreign:
        lines.append(f"{counted(foreign, 'computer')} {'is' if foreign == 1 else 'are'} known to a store but not to the inventory.")
    if needed["min_coverage"]:
        lines.append(f"At least {needed['min_coverage']:.0%} must be.".replace("%", " %"))
    return lines + proofs(document)


def proofs(document: Mapping[str, Any]) -> list[str]:
    """What was proven, by what and how old that is, and what is left, in sentences; none where no proofs were wanted."""
    sums = document["summary"].get("proofs")
    if sums is None:
        return []
    stamps = sorted(proof["made_at"] for proof in _live_proofs(document))
    read = sorted({age(stamp, document["generated_at"]) for stamp in (stamps[:1] + stamps[-1:])}, key=lambda word: word == "today")
    aged = f", taken {' to '.join(read)}" if read else ""
    entries = counted(sums["wanted"], "escrowed password")
    lines = [f"{sums['proven']:,} of {entries} opened the live key package{aged}; {sums['refuted']:,} did not."]
    if sums["remembered"]:
        lines.append(f"{sums['remembered']:,} of these proofs were remembered from earlier runs.")
    if sums["inconclusive"]:
        lines.append(f"{counted(sums['inconclusive'], 'proof')} came to no result.")
    if sums["not_read"]:
        lines.append(f"{counted(sums['not_read'], 'password')} {'was' if sums['not_read'] == 1 else 'were'} not read.")
    if sums["without_package"]:
        lines.append(f"{counted(sums['without_package'], 'protector')} gave no live key package.")
    if sums["days_until_all"] is None:
        lines.append("With this budget and time not all of them will ever be proven.")
    elif sums["days_until_all"]:
        lines.append(f"All are proven within {counted(sums['days_until_all'], 'more day')} of one run each.")
    return lines


def _live_proofs(document: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for computer in document["computers"]:
        for volume in computer["volumes"]:
            for protector in volume["protectors"]:
                for holding in protector.get("stores", {}).values():
                    if "proof" in holding and holding["proof"]["basis"] == "live":
                        yield holding["proof"]


_REASONS = {
    "unreachable": "did not answer",
    "authentication": "refused the login",
    "authorization": "gave no rights",
    "tls": "had no valid certificate",
    "protocol": "answered with an error",
}


def _whole(days: float) -> Any:
    return int(days) if float(days).is_integer() else days


def tasks(document: Mapping[str, Any]) -> list[Task]:
    """What to do, by code: the gravest and most frequent first; findings about the run are not among them."""
    grouped: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for finding in document["findings"]:
        if finding["computer"] is not None:
            grouped[finding["code"]].append(finding)
    ranked = sorted(grouped.items(), key=lambda item: (SEVERITIES.index(item[1][0]["severity"]), -len(item[1]), item[0]))
    return [_task(code, findings) for code, findings in ranked]


def _task(code: str, findings: Sequence[Mapping[str, Any]]) -> Task:
    meaning, first = CATALOGUE.get(code), findings[0]
    # the catalogue's own sentence where it has no blanks to fill in: what exactly was seen differs from place to place
    units = {"volume" if finding["volume"] is not None else "computer" for finding in findings}
    plain = meaning is not None and "{" not in meaning.message
    return Task(
        code=code,
        name=meaning.name if meaning is not None else code,
        severity=first["severity"],
        count=len(findings),
        unit=next(iter(units)) if len(units) == 1 else "place",
        message=f"{meaning.message}." if meaning is not None and plain else first["message"],
        remedy=first["remedy"],
        example=" ".join(part for part in (first["computer"], first["volume"]) if part),
    )


def stores(document: Mapping[str, Any]) -> list[StoreLine]:
    """Every store that was read."""
    states: dict[str, Counter[str]] = defaultdict(Counter)
    for computer in document["computers"]:
        for volume in computer["volumes"]:
            if volume["in_scope"]:
                for protector in volume["protectors"]:
                    for store, holding in protector.get("stores", {}).items():
                        states[store][holding["state"]] += 1
    return [_store(store, facts, states[store], document["requirements"]) for store, facts in document["stores"].items()]


def _store(store: str, facts: Mapping[str, Any], states: Counter[str], requirements: Mapping[str, Any]) -> StoreLine:
    return StoreLine(
        name=store,
        label=store_names(store)[1],
        state=facts["state"],
        entries=facts["entries"],
        reason=facts.get("reason") or "",
        required=store in requirements["stores"],
        held=sum(states[state] for state in COUNTED),
        unknown=states["unknown"],
        asked=states.total(),
    )


def run_findings(document: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The findings about the run itself."""
    return [finding for finding in document["findings"] if finding["computer"] is None]


def worst_computers(document: Mapping[str, Any], number: int) -> tuple[list[Mapping[str, Any]], int]:
    """The worst computers that could be looked at and do not pass, and how many of those there are in all."""
    belongs = classes_of(document["requirements"])
    high = Counter(finding["computer"] for finding in document["findings"] if finding["severity"] == "high")
    bad = [c for c in document["computers"] if c["verdict"] is not None and belongs[c["verdict"]] in ("missing", "attention")]
    bad.sort(key=lambda c: (VERDICT_WORDS.index(c["verdict"]), -high[c["name"]], c["name"]))
    return bad[:number], len(bad)


def requirement_words(document: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What was asked of the volumes, as (name, value)."""
    needed = document["requirements"]
    return [
        ("Stores that count", ", ".join(store_names(store)[1] for store in needed["stores"])),
        ("Copies", str(needed["copies"])),
        ("Proof", "the key must have opened the live volume" if needed["proof"] == "live" else "a matching key ID is enough"),
        ("Volumes in scope", ", ".join(needed["volume_types"])),
        ("Encryption", "required" if needed["encryption"] else "not required"),
        ("Methods allowed", ", ".join(spaced(word).upper().replace("HARDWARE", "hardware") for word in needed["methods"])),
        ("Observations count for", counted(_whole(needed["max_observation_age"]), "day")),
        ("Restarts a suspension may last", str(needed["suspended_reboots_allowed"])),
        ("Coverage required", f"{needed['min_coverage']:.0%}".replace("%", " %")),
    ]
