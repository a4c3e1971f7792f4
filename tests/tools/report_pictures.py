# SPDX-License-Identifier: GPL-3.0-or-later
"""Pictures of a report's page, for looking at it and for the README.

Usage, from the checkout, after make demo:
PYTHONPATH=.collections .venv/bin/python tests/tools/report_pictures.py build/demo/escrow-report.html build/pictures
Makes report-<width>-<light|dark>.png, computer-…, table-… at three widths, what fits into the window, and report.pdf.
"""

from __future__ import annotations

import sys
from pathlib import Path

from ansible_collections.keyward.bitlocker.tests.integration.chromium import Chromium

WINDOWS = ((390, 844), (1024, 768), (1600, 1000))
SETTLED = "new Promise((done) => requestAnimationFrame(() => setTimeout(done, 50)))"


def pictures(page: Path, folder: Path) -> list[Path]:
    """Make them all; returns where they are."""
    folder.mkdir(parents=True, exist_ok=True)
    made = []
    with Chromium() as browser:
        browser.open(page.resolve().as_uri() + "#verdict=class:missing")
        browser.evaluate(SETTLED)
        name = browser.evaluate("document.querySelector('.rows a').textContent")
        computer = browser.evaluate(f"new URLSearchParams({{computer: {name!r}}}).toString()")
        for width, height in WINDOWS:
            browser.size(width, height)
            for scheme in ("light", "dark"):
                browser.media(prefers_color_scheme=scheme)
                for what, fragment in (("report", ""), ("table", "#verdict=class:missing"), ("computer", f"#{computer}")):
                    browser.open(page.resolve().as_uri() + fragment)
                    browser.evaluate(SETTLED)
                    made.append(browser.screenshot(folder / f"{what}-{width}-{scheme}.png"))
        browser.media()
        browser.open(page.resolve().as_uri())
        made.append(folder / "report.pdf")
        made[-1].write_bytes(browser.pdf())
    return made


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    for path in pictures(Path(sys.argv[1]), Path(sys.argv[2])):
        print(path)
