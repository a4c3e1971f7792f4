# SPDX-License-Identifier: GPL-3.0-or-later
"""Compare a report with the truth, in both directions: ``python -m …tests.lab.estate.compare report.json truth.json``.

Every verdict, flag, finding code and store state is compared, per volume and computer, what is missing and what is too much; run
findings, ``complete`` and ``passed``; and the counts of the summary, as far as the truth determines them.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

PASSING = {"none": frozenset({"escrowed", "recoverable"}), "live": frozenset({"recoverable"})}
COULD_NOT_LOOK = frozenset({"unknown", "on_file"})
RUN = "the run"


def compare(report: Mapping[str, Any], truth: Mapping[str, Any]) -> list[str]:
    """All differences as sentences; none if the report says exactly what is true. A malformed report is a difference too."""
    try:
        return _compare(report, truth)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        return [f"the report has not the form it should have: {type(error).__name__} {error}"]


def _compare(report: Mapping[str, Any], truth: Mapping[str, Any]) -> list[str]:
    differences: list[str] = []
    said, true = _said(report, differences), _true(truth)
    for place in sorted(true.keys() - said.keys()):
        differences.append(f"{place} is missing in the report")
    for place in sorted(said.keys() - true.keys()):
        differences.append(f"{place} should not be in the report")
    for place in sorted(said.keys() & true.keys()):
        differences += _differences(place, said[place], true[place])
    differences += _differences("summary", report["summary"], _summary(truth, _proof(report)), partial=True)
    return differences


def _proof(report: Mapping[str, Any]) -> str:
    """What the report was asked to prove."""
    return str((report.get("requirements") or {}).get("proof", "none"))


def _said(report: Mapping[str, Any], differences: list[str]) -> dict[str, dict[str, Any]]:
    """What the report says, by place."""
    places: dict[str, dict[str, Any]] = {RUN: {"complete": report["complete"], "passed": report["passed"]}}
    for computer in report["computers"]:
        _add(places, differences, computer["name"], {"verdict": computer["verdict"]})
        for volume in computer["volumes"]:
            content = {"verdict": volume["verdict"], "flags": sorted(volume["flags"]), "protectors": _said_states(volume["protectors"])}
            _add(places, differences, _volume_place(computer["name"], volume["volume"]), content)
            if volume["in_scope"] is not (volume["verdict"] is not None):
                differences.append(
                    f"{computer['name']} {volume['volume']}: in_scope is {volume['in_scope']} with verdict {volume['verdict']}"
                )
    codes: dict[str, list[str]] = {place: [] for place in places}
    for finding in report["findings"]:
        place = _finding_place(finding)
        if place in codes:
            codes[place].append(finding["code"])
        else:
            differences.append(f"{finding['code']} sits on {place}, which the report does not list")
    for place, found in codes.items():
        places[place]["findings"] = sorted(found)
    return places


def _said_states(protectors: Iterable[Mapping[str, Any]]) -> dict[str, dict[str, str]]:
    return {
        protector["key_id"]: {store: held["state"] for store, held in protector["stores"].items()}
        for protector in protectors
        if protector.get("stores") is not None
    }


def _add(places: dict[str, dict[str, Any]], differences: list[str], place: str, content: dict[str, Any]) -> None:
    if place in places:
        differences.append(f"{place} is in the report twice")
    places[place] = content


def _finding_place(finding: Mapping[str, Any]) -> str:
    if finding["computer"] is None:
        return RUN
    return str(finding["computer"]) if finding["volume"] is None else _volume_place(finding["computer"], finding["volume"])


def _volume_place(computer: str, volume: str) -> str:
    return f"{computer} {volume}"


def _true(truth: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    places: dict[str, dict[str, Any]] = {
        RUN: {"complete": truth["complete"], "passed": truth["passed"], "findings": sorted(truth["run_findings"])},
    }
    for computer in truth["computers"]:
        places[computer["computer"]] = {"verdict": computer["verdict"], "findings": sorted(computer["findings"])}
    for volume in truth["volumes"]:
        places[_volume_place(volume["computer"], volume["volume"])] = {
            "verdict": volume["verdict"],
            "flags": sorted(volume["flags"]),
            "findings": sorted(volume["findings"]),
            "protectors": volume["protectors"],
        }
    return places


def _summary(truth: Mapping[str, Any], proof: str) -> dict[str, Any]:
    """The counts that follow from the truth: volumes in scope, and each computer without volumes once; what passes depends on ``proof``."""
    listed = {volume["computer"] for volume in truth["volumes"]}
    units = [volume["verdict"] for volume in truth["volumes"] if volume["verdict"] is not None]
    units += [
        computer["verdict"] for computer in truth["computers"] if computer["computer"] not in listed and computer["verdict"] is not None
    ]
    findings = [*truth["run_findings"], *(code for place in (*truth["volumes"], *truth["computers"]) for code in place["findings"])]
    return {
        "computers": len(truth["computers"]),
        "volumes": len(truth["volumes"]),
        "verdicts": dict(Counter(units)),
        "flags": dict(Counter(flag for volume in truth["volumes"] for flag in volume["flags"])),
        "findings": dict(Counter(findings)),
        "passing": sum(verdict in PASSING[proof] for verdict in units),
        "could_not_look": sum(verdict in COULD_NOT_LOOK for verdict in units),
    }


def _differences(place: str, said: Any, true: Any, *, partial: bool = False) -> list[str]:
    """Differences below one place; ``partial`` lets the report say more than the truth, and counts that are 0 be said or not."""
    if not isinstance(said, Mapping) or not isinstance(true, Mapping):
        return _list_differences(place, said, true) if said != true or isinstance(said, bool) is not isinstance(true, bool) else []
    differences: list[str] = []
    for key in sorted({*said, *true}, key=str):
        if key not in true:
            # counts of the inner mappings are complete: only a zero may be said beyond them
            if not partial or (said[key] != 0 and place != "summary"):
                differences.append(f"{place}: {key} should not be there (said {said[key]!r})")
        elif key not in said:
            differences.append(f"{place}: {key} is missing (true {true[key]!r})")
        else:
            differences += _differences(f"{place}: {key}", said[key], true[key], partial=partial)
    return differences


def _list_differences(place: str, said: Any, true: Any) -> list[str]:
    if not isinstance(said, list) or not isinstance(true, list):
        return [f"{place} is {said!r}, true is {true!r}"]
    surplus, lacking = Counter(said) - Counter(true), Counter(true) - Counter(said)
    found = [f"{place}: {item} should not be there" for item in surplus.elements()]
    return found + [f"{place}: {item} is missing" for item in lacking.elements()]


def main(arguments: list[str] | None = None) -> int:
    """Compare two files; print the differences; 0 if there are none, 1 if there are, 2 if a file cannot be read."""
    parser = argparse.ArgumentParser(description="Compare an escrow report with the truth of the lab.")
    parser.add_argument("report", type=Path)
    parser.add_argument("truth", type=Path)
    options = parser.parse_args(arguments)
    try:
        report, truth = (json.loads(path.read_text(encoding="utf-8")) for path in (options.report, options.truth))
    except (OSError, ValueError) as error:
        print(f"Could not read what is to be compared: {error}", file=sys.stderr)
        return 2
    differences = compare(report, truth)
    for difference in differences:
        print(difference.encode("unicode_escape").decode("ascii"))
    print(f"{len(truth['computers'])} computers, {len(truth['volumes'])} volumes: {len(differences)} difference(s)")
    return 1 if differences else 0


if __name__ == "__main__":
    sys.exit(main())
