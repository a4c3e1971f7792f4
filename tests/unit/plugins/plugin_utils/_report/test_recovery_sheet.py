# SPDX-License-Identifier: GPL-3.0-or-later
"""The recovery sheet as a page and as a PDF: what is on it, that nothing on it commands, and that nothing keeps its digits in the open.

That scanners read its codes is shown by the integration tests, from pictures of both.
"""

from __future__ import annotations

import io
import re
from html.parser import HTMLParser
from pathlib import Path

import pypdf
import pytest
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.redaction import Secret
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._report import html, key_codes, sheet_html, sheet_pdf
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._report.sheet import Sheet, SheetKey

#: published test keys (cryptsetup's BitLocker test images), and the one that has only zeros
PUBLISHED = "042647-302313-590458-071500-554323-116567-412181-516978"
ZEROS = "-".join(["000000"] * 8)
KEY_ID = "0123abcd-1111-2222-3333-444444444444"
STYLE = (Path(html.__file__).with_name("assets") / sheet_html.STYLE).read_text(encoding="utf-8")
HOSTILE = '"><script>alert(1)</script><img src=x onerror=alert(1)>\u202e&amp;</style>\x1b[2J'


def key(password: str = PUBLISHED, computer: str = "pc01.corp.example", **facts: str) -> SheetKey:
    return SheetKey(key_id=KEY_ID, password=Secret(password), computer=computer, facts=tuple(facts.items()))


def sheet(*keys: SheetKey, reason: str = "for the safe") -> Sheet:
    return Sheet(keys=keys or (key(),), made_at="2026-11-23 03:20 UTC", made_by="ops", reason=reason)


class Read(HTMLParser):
    """Elements with their attributes, and the text outside of style."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self._inside = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self._inside = tag

    def handle_data(self, data: str) -> None:
        if self._inside != "style":
            self.words.append(data)


def page_text(rendered: Secret[bytes], number: int = 0) -> str:
    return pypdf.PdfReader(io.BytesIO(rendered.reveal())).pages[number].extract_text()


def test_a_sheet_and_its_codes_show_no_digit_by_accident() -> None:
    made = sheet()
    shown = repr(made) + str(made) + repr(key_codes.square_of(made.keys[0].password)) + repr(key_codes.bars_of(made.keys[0].password))
    assert not any(group in shown for group in PUBLISHED.split("-"))
    assert "runs" not in shown
    assert isinstance(sheet_html.render(made, STYLE), Secret)
    assert isinstance(sheet_pdf.render(made), Secret)


@pytest.mark.parametrize("password", [PUBLISHED, ZEROS])
def test_the_page_has_the_key_its_id_and_both_codes(password: str) -> None:
    read = Read(sheet_html.render(sheet(key(password, Drive="C:")), STYLE).reveal().decode())
    words = " ".join(" ".join(read.words).split())
    assert " ".join(password.split("-")) in words
    assert "0123ABCD -1111-2222-3333-444444444444" in words
    assert "Drive C:" in words
    assert "for the safe. Page 1 of 1." in words
    drawn = [attributes["aria-label"] for tag, attributes in read.elements if tag == "svg"]
    assert drawn == ["QR code of the 48 digits", "Bar code (Code 128) of the 48 digits"]


def test_the_page_asks_for_nothing_and_runs_nothing() -> None:
    hostile = key(computer=HOSTILE, **{HOSTILE: HOSTILE})
    text = sheet_html.render(sheet(hostile, reason=HOSTILE), STYLE).reveal().decode()
    read = Read(text)
    policy = next(a["content"] or "" for _tag, a in read.elements if a.get("http-equiv") == "Content-Security-Policy")
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "unsafe" not in policy
    assert "script-src" not in policy
    assert {tag for tag, _attributes in read.elements}.isdisjoint({"script", "img", "link", "iframe", "object", "form", "a"})
    assert not [
        name for _tag, attributes in read.elements for name in attributes if name.startswith("on") or name in {"style", "src", "href"}
    ]
    assert "\u202e" not in text
    assert "\x1b" not in text
    assert "url(" not in STYLE
    assert "@import" not in STYLE


def test_the_pdf_has_a_page_for_each_key() -> None:
    made = sheet(key(Drive="C:"), key(ZEROS, computer="pc02"))
    rendered = sheet_pdf.render(made)
    assert len(pypdf.PdfReader(io.BytesIO(rendered.reveal())).pages) == 2
    first, second = (" ".join(page_text(rendered, number).split()) for number in (0, 1))
    assert [group for group in PUBLISHED.split("-") if group not in first] == []
    assert second.count("000000") == 8
    assert "0123ABCD-1111" in first.replace(" -", "-")
    assert "Page 2 of 2" in second


def test_what_stands_in_the_pdf_about_itself_tells_nothing() -> None:
    data = sheet_pdf.render(sheet()).reveal()
    about = pypdf.PdfReader(io.BytesIO(data)).metadata
    assert about is not None
    assert about.title == "BitLocker recovery key"
    assert not any(group in str(dict(about)) for group in PUBLISHED.split("-"))


def test_letters_that_the_fonts_of_a_pdf_do_not_have_are_named() -> None:
    text = page_text(sheet_pdf.render(sheet(key(computer="PC-Zürich-コ", Path=HOSTILE))))
    assert "PC-Zürich-[U+30B3]" in text
    assert "[U+202E]" in text
    assert "[U+001B]" in text


def test_the_facts_of_an_ordinary_key_are_whole_in_the_pdf() -> None:
    facts = {
        "Computer": "desktop-0123456789ab.clients.corp.example",
        "Also known as": "DESKTOP-0123456789AB, inventory name desktop47",
        "Drive": "C: (operating system), volume 5d2e7c1a-0000-4000-8000-000000000001",
        "Serial number": "5CD1234XYZ",
        "Created": "2026-01-02 03:04 UTC",
        "Found in": "Active Directory (CN=DESKTOP-0123456789AB,OU=Clients,DC=corp,DC=example) and Entra ID (DESKTOP-0123456789AB)",
        "Proof": "opened the live volume's key on 2026-11-22 10:00 UTC",
        "State": "the computer lists this protector now",
    }
    text = page_text(sheet_pdf.render(sheet(key(**facts))))
    assert "\u2026" not in text
    plain = "".join(text.split())
    for fact in facts.values():
        assert "".join(fact.split()) in plain, fact
    assert "for the safe" in text


def test_facts_without_end_leave_room_for_what_matters() -> None:
    facts = {f"Fact {number}": f"{number}" + "x" * 3000 for number in range(8)}
    rendered = sheet_pdf.render(sheet(key(computer="y" * 400, **facts), reason="z " * 500))
    document = pypdf.PdfReader(io.BytesIO(rendered.reveal()))
    assert len(document.pages) == 1
    text = document.pages[0].extract_text()
    assert all(name in text for name in facts)
    assert "Afterwards have the key changed" in text
    positions: dict[str, float] = {}

    def visit(text: str, _matrix: object, place: list[float], _font: object, _size: object) -> None:
        positions.update({text.strip(): place[5]} if text.strip() else {})

    document.pages[0].extract_text(visitor_text=visit)
    last = next(at for words, at in positions.items() if words.startswith("Afterwards"))
    first = max(at for words, at in positions.items() if words.startswith("Made 2026"))
    assert last > first > 0


def test_a_qr_code_has_its_three_eyes_and_a_size_that_exists() -> None:
    code = key_codes.square_of(Secret(PUBLISHED))
    assert (code.size - 17) % 4 == 0
    dark = {(row, column + offset) for row, column, length in code.runs for offset in range(length)}
    for row, column in ((0, 0), (0, code.size - 7), (code.size - 7, 0)):
        assert {(row, column + at) for at in range(7)} <= dark


def test_a_bar_code_has_two_digits_in_a_symbol() -> None:
    code = key_codes.bars_of(Secret(PUBLISHED))
    # start, 24 pairs and the check symbol of eleven modules each, the stop of thirteen (ISO/IEC 15417)
    assert code.width == 26 * 11 + 13
    assert len(code.runs) == 26 * 3 + 4
    assert re.fullmatch(r"[1-4]+", "".join(str(width) for _at, width in code.runs))
