# SPDX-License-Identifier: GPL-3.0-or-later
"""PDF files: read in a process with bounds; one that is damaged, hostile or protected is told of."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import time
import zlib
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.key_search import SourceAnswer, parse_term
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.model import StoreState
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.redaction import Secret
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._stores.files import pdf
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._stores.files.pdf import PdfError, pdf_texts
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._stores.files.source import FileSettings, FileSource
from ansible_collections.keyward.bitlocker.tests.lab.key_files.texts import lab_key

pytest.importorskip("pypdf")
KEY = lab_key("pdf")


def document(*pages: str, bomb: int = 0) -> bytes:
    """A small PDF with a line of text on each page; ``bomb``: megabytes of blanks that the pages' streams unpack to."""
    count = len(pages)
    kids = " ".join(f"{4 + 2 * number} 0 R" for number in range(count))
    objects = [b"<< /Type /Catalog /Pages 2 0 R >>", f"<< /Type /Pages /Kids [{kids}] /Count {count} >>".encode()]
    objects.append(b"<< /Type /Font /Subtype /Type1 /BaseFont /Courier >>")
    for number, text in enumerate(pages):
        lines = " T* ".join(f"({line}) Tj" for line in text.split("\n"))
        stream = zlib.compress(f"BT /F1 9 Tf 12 TL 20 700 Td {lines} ET".encode() + b" " * (bomb * 1024 * 1024), 9)
        resources = "<< /Font << /F1 3 0 R >> >>"
        objects.append(
            f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 600 800] /Resources {resources} /Contents {5 + 2 * number} 0 R >>".encode()
        )
        objects.append(f"<< /Length {len(stream)} /Filter /FlateDecode >>\nstream\n".encode() + stream + b"\nendstream")
    data, offsets = b"%PDF-1.4\n", []
    for number, content in enumerate(objects, 1):
        offsets.append(len(data))
        data += f"{number} 0 obj\n".encode() + content + b"\nendobj\n"
    table = "".join(f"{offset:010} 00000 n \n" for offset in offsets)
    return (
        data
        + (
            f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n{table}trailer\n<< /Size {len(objects) + 1} /Root 1 0 R >>\n"
            f"startxref\n{len(data)}\n%%EOF\n"
        ).encode()
    )


def read(content: bytes, *, pages: int = 10, seconds: float = 20) -> list[str]:
    return pdf_texts(Secret(content), pages=pages, seconds=seconds)


def find(path: Path, **options: Any) -> tuple[FileSource, SourceAnswer]:
    source = FileSource(FileSettings.from_options({"paths": [str(path)], **options}))
    return source, source.find([parse_term(KEY.key_id)])


def test_pages_are_read_one_by_one(tmp_path: Path) -> None:
    (tmp_path / "print.pdf").write_bytes(document("cover", f"ID\n{KEY.key_id}\nkey\n{KEY.password}"))
    source, answer = find(tmp_path)
    (candidate,) = answer.found[KEY.key_id]
    assert candidate.location == f"{tmp_path / 'print.pdf'}, page 2"
    (given,) = source.values([candidate])
    assert given.value is not None
    assert given.value.reveal() == KEY.password


def test_damaged_ones_are_told_of_and_hide_nothing(tmp_path: Path) -> None:
    good = document(f"{KEY.key_id}\n{KEY.password}")
    (tmp_path / "good.pdf").write_bytes(good)
    (tmp_path / "cut.pdf").write_bytes(good[:200])
    (tmp_path / "noise.pdf").write_bytes(b"%PDF-1.7\n" + bytes(range(256)) * 40)
    _source, answer = find(tmp_path)
    assert len(answer.found[KEY.key_id]) == 1
    assert answer.state is StoreState.PARTIAL
    assert {Path(problem.where).name for problem in answer.problems} <= {"cut.pdf", "noise.pdf"}
    assert "of a kind that pypdf cannot read" in answer.reason


def test_too_many_pages() -> None:
    with pytest.raises(PdfError, match=r"more than 2 pages \(max_pages\)"):
        read(document("a", "b", "c"), pages=2)


def test_a_stream_that_unpacks_to_anything_is_bounded() -> None:
    content = document("x", bomb=400)
    assert len(content) < 1024 * 1024
    started = time.monotonic()
    with pytest.raises(PdfError):
        read(content)
    assert time.monotonic() - started < 20


def test_the_clock_bounds_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pdf, "_PROGRAM", "import time; time.sleep(60)")
    started = time.monotonic()
    with pytest.raises(PdfError, match="within 1 seconds"):
        read(document("x"), seconds=0)
    assert time.monotonic() - started < 10


@pytest.mark.parametrize("output", ["", "{}", "[1]", "null", '{"pages": 1, "problem": ""}', "[" * 100_000])
def test_a_worker_that_says_nothing_sensible(monkeypatch: pytest.MonkeyPatch, output: str) -> None:
    def run(*_arguments: Any, **_more: Any) -> subprocess.CompletedProcess[bytes]:
        return subprocess.CompletedProcess([], 0, output.encode())

    monkeypatch.setattr(subprocess, "run", run)
    with pytest.raises(PdfError, match="ended without an answer"):
        read(document("x"))


def test_without_pypdf_the_library_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(pdf, "find_spec", lambda name: None if name == "pypdf" else importlib.util.find_spec(name))
    (tmp_path / "good.pdf").write_bytes(document(KEY.key_id))
    _source, answer = find(tmp_path)
    assert answer.state is StoreState.PARTIAL
    assert "the Python library pypdf, which reads them, is not installed" in answer.problems[0].text


def test_neither_path_nor_content_is_in_the_workers_arguments(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Any] = []
    real = subprocess.run

    def run(command: list[str], **more: Any) -> Any:
        seen.append((command, more["env"]))
        return real(command, check=more.pop("check", False), **more)

    monkeypatch.setattr(subprocess, "run", run)
    assert KEY.password in read(document(KEY.password))[0]
    assert KEY.password not in repr(seen)
    assert seen[0][1] == {}


@pytest.mark.skipif(sys.platform != "linux", reason="prctl is Linux's")
def test_the_worker_leaves_no_core_dump_even_to_a_pipe(monkeypatch: pytest.MonkeyPatch) -> None:
    told = "import ctypes; pdf_worker.texts = lambda *_all: {'pages': [str(ctypes.CDLL(None).prctl(3, 0, 0, 0, 0))], 'problem': ''}; "
    monkeypatch.setattr(pdf, "_PROGRAM", pdf._PROGRAM.replace("pdf_worker.main()", told + "pdf_worker.main()"))
    assert read(document("x")) == ["0"], "PR_GET_DUMPABLE"
