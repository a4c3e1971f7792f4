# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever is sent, a lab host answers with an envelope; whatever is read, its parsers end in their own error."""

from __future__ import annotations

import pytest
from ansible_collections.keyward.bitlocker.tests.lab.hosts import encryption, wql
from ansible_collections.keyward.bitlocker.tests.unit.lab.hosts.raw import BITLOCKER, Direct, Message, make_host
from hypothesis import given, settings
from hypothesis import strategies as st

DIRECT = Direct(make_host())
SEEDS = [
    Message.query(BITLOCKER, "SELECT * FROM Win32_EncryptableVolume"),
    Message.volume("GetKeyProtectors", "<p:KeyProtectorType>3</p:KeyProtectorType>"),
    Message.pull(f"{BITLOCKER}/*", "uuid:0"),
    Message.build(
        "http://schemas.xmlsoap.org/ws/2004/09/transfer/Create", "http://schemas.microsoft.com/wbem/wsman/1/windows/shell/cmd", "<x/>"
    ),
]


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(SEEDS), st.integers(0, 4000), st.integers(0, 60), st.binary(max_size=40))
def test_a_damaged_message_is_answered(seed: bytes, start: int, length: int, junk: bytes) -> None:
    assert DIRECT.send(seed[:start] + junk + seed[start + length :]).status in (200, 500)


@settings(max_examples=200, deadline=None)
@given(
    st.one_of(
        st.text(max_size=60),
        st.lists(st.sampled_from(["SELECT", "*", "FROM", "a", "WHERE", "b", "=", "'c\\", "'", "AND", "IS", "NULL", ",", "1", "<>"])).map(
            " ".join
        ),
    )
)
def test_wql_parses_or_says_so(text: str) -> None:
    try:
        query = wql.parse(text)
    except wql.WqlError:
        return
    assert text.lower().lstrip().startswith("select")
    assert query.class_name


def test_wql_literals() -> None:
    query = wql.parse(r"""select * from A where P='\\\\?\\x\\' and Q = "it\"s" AND R=-5 AND S = true AND T<>'u'""")
    assert [condition.literal for condition in query.conditions] == ["\\\\?\\x\\", 'it"s', -5, True, "u"]
    assert query.matches({"p": "\\\\?\\X\\", "Q": 'IT"S', "R": -5, "S": True, "T": "v"})
    assert not query.matches({"p": "\\\\?\\X\\", "Q": 'IT"S', "R": -5, "S": True, "T": None})


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=200))
def test_an_unsealable_message_is_refused(data: bytes) -> None:
    class NoContext:
        def unwrap_winrm(self, header: bytes, data: bytes) -> bytes:
            raise ValueError("no")

    with pytest.raises(encryption.SealError):
        encryption.unseal(NoContext(), b"--Encrypted Boundary" + data)  # type: ignore[arg-type]  # only this method is used
