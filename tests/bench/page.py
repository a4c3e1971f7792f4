# SPDX-License-Identifier: GPL-3.0-or-later
"""How quick the report's page is in a real browser, told by the page itself; also what the page's tests hold it to."""

from __future__ import annotations

import json

from ansible_collections.keyward.bitlocker.tests.integration.chromium import Chromium

#: the rows of the table that are elements now
ROWS = "[...document.querySelectorAll('.rows [role=row]')]"
#: a promise of the next painted frame
FRAME = "new Promise((done) => requestAnimationFrame(() => setTimeout(done, 0)))"
#: what a user may do to the table of a large fleet: (control, value), in this order
CHANGES = (("verdict", "unescrowed"), ("verdict", ""), ("q", "pc0001"), ("q", "pc"), ("q", ""), ("group", "computer"), ("group", ""))


def first_paint_ms(browser: Chromium) -> float:
    """From the start of loading until the table's rows are painted."""
    return float(browser.evaluate(f"{FRAME}.then(() => {ROWS}.length ? performance.getEntriesByName('rows-drawn')[0].startTime : NaN)"))


def filter_ms(browser: Chromium, name: str, value: str) -> float:
    """From a change of a control until the next frame is painted."""
    event = "input" if name == "q" else "change"
    return float(
        browser.evaluate(
            f"(() => {{ const c = document.querySelector('[name={name}]'); c.value = {json.dumps(value)}; const from = performance.now(); "
            f"c.dispatchEvent(new Event('{event}')); return {FRAME}.then(() => performance.now() - from); }})()"
        )
    )
