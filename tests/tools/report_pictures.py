# SPDX-License-Identifier: GPL-3.0-or-later
"""Pictures of a report's page, for looking at it and for the README.

Usage, from the checkout, after make demo:

PYTHONPATH=.collections .venv/bin/python tests/tools/report_pictures.py --readme
    docs/images/report.png and computer.png, which the README shows, from the demo's report.
PYTHONPATH=.collections .venv/bin/python tests/tools/report_pictures.py build/demo/escrow-report.html build/pictures
    report-<width>-<light|dark>.png, table-…, computer-… at three widths, what fits into the window, and report.pdf.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from ansible_collections.keyward.bitlocker.tests.integration.chromium import Chromium

WINDOWS = ((390, 844), (820, 1180), (1440, 900))
SETTLED = "new Promise((done) => requestAnimationFrame(() => setTimeout(done, 50)))"
DEMO = Path("build/demo")
IMAGES = Path("docs/images")
#: what the README's pictures are wide, and how many dots make one of their pixels
README_WIDTH, README_SCALE = 1120, 1.25
#: a name that an ordinary computer has: the demo has others too
ORDINARY = re.compile(r"[a-z]+\d+\.lab\.example")


def show(browser: Chromium, page: Path, fragment: str) -> None:
    """Open a view of the page and let it settle."""
    browser.open(page.resolve().as_uri() + fragment)
    browser.evaluate(SETTLED)


def pictures(page: Path, folder: Path) -> list[Path]:
    """Make every picture for looking; returns where they are."""
    folder.mkdir(parents=True, exist_ok=True)
    made = []
    with Chromium() as browser:
        show(browser, page, "#verdict=class:missing")
        name = browser.evaluate("document.querySelector('.rows a').textContent")
        views = {"report": "", "table": "#verdict=class:missing", "computer": "#" + urlencode({"computer": name})}
        for width, height in WINDOWS:
            browser.size(width, height)
            for scheme in ("light", "dark"):
                browser.media(prefers_color_scheme=scheme)
                for what, fragment in views.items():
                    show(browser, page, fragment)
                    made.append(browser.screenshot(folder / f"{what}-{width}-{scheme}.png"))
        browser.media()
        show(browser, page, "")
        made.append(folder / "report.pdf")
        made[-1].write_bytes(browser.pdf())
    return made


def telling(report: Mapping[str, Any]) -> str:
    """The computer that the README shows: in every store, one key in one store and not in another, one in none, and not much besides."""
    others = {finding["computer"] for finding in report["findings"] if finding["volume"] is None}

    def value(computer: Mapping[str, Any]) -> tuple[bool, bool, bool, int, int]:
        held = [
            {holding["state"] for holding in protector["stores"].values()}
            for volume in computer["volumes"]
            for protector in volume["protectors"]
            if "stores" in protector
        ]
        everywhere = len(computer["identities"]["joins"]) == len(report["stores"])
        parted, missing = {"present", "absent"} in held, {"absent"} in held
        return everywhere, parted or missing, computer["name"] not in others, parted + missing, -len(computer["volumes"])

    return str(max((c for c in report["computers"] if c["volumes"] and ORDINARY.fullmatch(c["name"])), key=value)["name"])


def readme_pictures(demo: Path, folder: Path) -> list[Path]:
    """Make the pictures that the README shows; returns where they are."""
    folder.mkdir(parents=True, exist_ok=True)
    name = telling(json.loads((demo / "escrow-report.json").read_text(encoding="utf-8")))
    made = []
    with Chromium() as browser:
        browser.media(prefers_color_scheme="light")
        for what, fragment, end in (
            ("report", "", "document.querySelector('.tasks li:nth-child(2)')"),
            ("computer", "#" + urlencode({"computer": name}), "document.querySelector('#computer .sheet')"),
        ):
            browser.size(README_WIDTH, 900)
            show(browser, demo / "escrow-report.html", fragment)
            height = round(browser.evaluate(f"{end}.getBoundingClientRect().bottom")) + 12
            settings = {"width": README_WIDTH, "height": height, "deviceScaleFactor": README_SCALE, "mobile": False}
            browser.command("Emulation.setDeviceMetricsOverride", **settings)
            browser.evaluate(SETTLED)
            made.append(browser.screenshot(folder / f"{what}.png"))
    return made


def main(arguments: list[str]) -> int:
    """Make what was asked for."""
    if arguments == ["--readme"]:
        made = readme_pictures(DEMO, IMAGES)
    elif len(arguments) == 2:
        made = pictures(Path(arguments[0]), Path(arguments[1]))
    else:
        print(__doc__, file=sys.stderr)
        return 2
    for path in made:
        print(path)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
