# SPDX-License-Identifier: GPL-3.0-or-later
"""Any bytes: read, or told of, in bounded time; and whatever is returned is sound."""

from __future__ import annotations

import random
import time

import pytest
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core import recovery_password
from ansible_collections.keyward.bitlocker.tests.lab.key_files import pages, tables, texts
from ansible_collections.keyward.bitlocker.tests.lab.key_files.texts import encoded, lab_key
from ansible_collections.keyward.bitlocker.tests.lab.key_files.wording import WORDINGS
from ansible_collections.keyward.bitlocker.tests.unit.plugins.plugin_utils._core.key_files.reading import read
from hypothesis import given, settings
from hypothesis import strategies as st

KEYS = [lab_key(f"fuzz {number}") for number in range(3)]
SEEDS = [
    *(encoded(texts.saved(KEYS[0], language), encoding) for language in ("en-US", "ja-JP") for encoding in ("utf-16", "utf-8")),
    texts.manage_bde(KEYS[:2], KEYS[2].key_id).encode(),
    tables.export(KEYS, delimiter=";", excel=True).encode(),
    *(pages.account_page(KEYS, form).encode() for form in pages.FORMS),
    pages.pasted(KEYS).encode(),
]
NAMES = st.sampled_from(["a.txt", "a.bek", texts.saved_name(KEYS[0]), "\n\0.html", ""])
PIECES = st.sampled_from(
    [
        KEYS[0].key_id,
        KEYS[1].key_id,
        KEYS[0].password,
        KEYS[1].password,
        texts.damaged(KEYS[2].password, 4),
        "\n",
        " ",
        "\t",
        ",",
        "-",
        "<td>",
    ]
)


def check(content: bytes, name: str) -> None:
    contents = read(content, name)
    for key in contents.keys:
        assert key.value is None or recovery_password.is_valid(key.value)
        assert len(key.key_id) in (8, 36)
        assert key.key_id == key.key_id.lower()
        assert key.value is not None or key.defects or key.type == "external_key"
    told = " ".join((*contents.problems, *(defect for key in contents.keys for defect in key.defects)))
    assert not any(group in told for key in KEYS for group in key.password.split("-") if group != "000000")


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=600), NAMES)
def test_any_bytes(content: bytes, name: str) -> None:
    check(content, name)


@settings(max_examples=100, deadline=None)
@given(st.lists(PIECES, max_size=30), NAMES)
def test_any_order_of_the_pieces(pieces: list[str], name: str) -> None:
    check("".join(pieces).encode(), name)


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(SEEDS), st.integers(0, 2**32), NAMES)
def test_damaged_files(seed: bytes, number: int, name: str) -> None:
    rng = random.Random(number)
    data = bytearray(seed)
    for _unused in range(rng.randrange(1, 6)):
        place = rng.randrange(len(data))
        match rng.randrange(3):
            case 0:
                data[place] = rng.randrange(256)
            case 1:
                del data[place : place + rng.randrange(1, 60)]
            case _:
                data[place:place] = data[rng.randrange(len(data)) :][: rng.randrange(1, 200)]
        if not data:
            break
    check(bytes(data), name)


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(sorted(WORDINGS)), st.integers(0, 10**9), st.sampled_from(["utf-16", "utf-16-le", "utf-8", "code page"]))
def test_every_key_survives_its_file(language: str, seed: int, encoding: str) -> None:
    key = lab_key(seed)
    codec = WORDINGS[language].code_page if encoding == "code page" else encoding
    (found,) = read(encoded(texts.saved(key, language), codec), texts.saved_name(key)).keys
    assert found.key_id == key.key_id
    assert found.value is not None
    assert found.value.reveal() == key.password


@pytest.mark.parametrize(
    "content",
    [
        b"1" * 200_000,
        b"123456-" * 300_000,
        b"123456 " * 300_000,
        b"123456\n" * 300_000,
        b"1 " * 100_000,
        b" " * 200_000,
        b"\n" * 200_000,
        b"-" * 200_000,
        b"a-" * 100_000,
        b"abcdef01-" * 200_000,
        b"abcdef01-0123-" * 150_000,
        b"<table>" * 100_000 + b"<tr>" * 100_000,
        b"<div role=row>" * 100_000,
        b'"' * 100_000,
        b"a,b\n" * 400_000,
        b"a" * 1_000_000 + b",b\n",
        (b"x" * 12 + b"   -   ") * 100_000,
        b"Computer:" + b"\n" * 100_000,
        b"Volume" + b" " * 100_000,
        b"<!--" * 200_000,
        b"<a " * 300_000,
        b"&" * 100_000,
        b"\xff\xfe" + b"1\0" * 100_000,
        (KEYS[0].password + "\n").encode() * 20_000,
        f"{KEYS[0].key_id} {KEYS[0].password}\n".encode() * 10_000,
        texts.damaged(KEYS[0].password, 2).encode() * 20_000,
    ],
    ids=range(26),
)
def test_enormous_files_are_read_in_bounded_time(content: bytes) -> None:
    started = time.process_time()
    read(content)
    assert time.process_time() - started < 10
