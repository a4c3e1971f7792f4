# SPDX-License-Identifier: GPL-3.0-or-later
"""The stamp of a recovery password out of an object's replication metadata: one text for one writing, whatever else comes."""

from __future__ import annotations

import base64
import struct
from dataclasses import dataclass, replace

import pytest
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._stores.active_directory import parse
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._stores.active_directory.message import RawEntry
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._stores.active_directory.replication import password_version
from hypothesis import given, settings
from hypothesis import strategies as st

PASSWORD = 0x000907AC
#: what a Samba 4.17 said of a recovery object whose password was written twice
RECORDED = base64.b64decode(
    "AQAAAAAAAAAMAAAAAAAAAAAAAAABAAAAKD8UIQMAAADLA62InOwcQLs1vTQoh9fvcA8AAAAAAABwDwAAAAAAAAMAAAABAAAAKD8UIQMAAADLA62InOwcQLs1"
    "vTQoh9fvcA8AAAAAAABwDwAAAAAAAAEAAgABAAAAKD8UIQMAAADLA62InOwcQLs1vTQoh9fvcA8AAAAAAABwDwAAAAAAAAIAAgACAAAAKD8UIQMAAADLA62I"
    "nOwcQLs1vTQoh9fveg8AAAAAAAB6DwAAAAAAAKkAAgABAAAAKD8UIQMAAADLA62InOwcQLs1vTQoh9fvcA8AAAAAAABwDwAAAAAAABkBAgABAAAAKD8UIQMA"
    "AADLA62InOwcQLs1vTQoh9fvcA8AAAAAAABwDwAAAAAAAAEACQABAAAAKD8UIQMAAADLA62InOwcQLs1vTQoh9fvcA8AAAAAAABwDwAAAAAAAA4DCQABAAAA"
    "KD8UIQMAAADLA62InOwcQLs1vTQoh9fvcA8AAAAAAABwDwAAAAAAAKwHCQACAAAAWT8UIQMAAADLA62InOwcQLs1vTQoh9fviw8AAAAAAACLDwAAAAAAAK0H"
    "CQABAAAAKD8UIQMAAADLA62InOwcQLs1vTQoh9fvcA8AAAAAAABwDwAAAAAAAM4HCQABAAAAKD8UIQMAAADLA62InOwcQLs1vTQoh9fvcA8AAAAAAABwDwAA"
    "AAAAAM8HCQABAAAAKD8UIQMAAADLA62InOwcQLs1vTQoh9fvcA8AAAAAAABwDwAAAAAAAA=="
)


@dataclass(frozen=True, slots=True)
class Stamp:
    attribute: int = PASSWORD
    version: int = 1
    seconds: int = 13408398504
    invocation: bytes = bytes(range(16))
    sequence: int = 3952
    local: int = 3952

    def packed(self) -> bytes:
        head = struct.pack("<IIq", self.attribute, self.version, self.seconds)
        return head + self.invocation + struct.pack("<qq", self.sequence, self.local)


def blob(*stamps: Stamp, kind: int = 1, count: int | None = None) -> bytes:
    head = struct.pack("<IIII", kind, 0, len(stamps) if count is None else count, 0)
    return head + b"".join(stamp.packed() for stamp in stamps)


def test_what_samba_said() -> None:
    assert password_version(RECORDED) == "repl:2:13439876953:cb03ad889cec1c40bb35bd342887d7ef:3979"


def test_an_entry_bears_it() -> None:
    raw = RawEntry("CN=x,CN=PC01,DC=lab,DC=example", {"replpropertymetadata": [blob(Stamp())]})
    assert parse.parse_entry(raw, "owner").version == password_version(blob(Stamp()))
    assert parse.parse_entry(RawEntry(raw.dn, {}), "owner").version is None


@pytest.mark.parametrize("change", [{"version": 2}, {"seconds": 1}, {"invocation": bytes(16)}, {"sequence": 1}])
def test_another_writing_has_another_version(change: dict[str, int]) -> None:
    other = replace(Stamp(), **change)  # type: ignore[arg-type]  # one field each
    assert password_version(blob(other)) not in (None, password_version(blob(Stamp())))


def test_what_differs_from_controller_to_controller_makes_no_other_version() -> None:
    around = [Stamp(attribute=3, version=9), Stamp(attribute=0x907AD, version=7)]
    assert password_version(blob(around[0], Stamp(local=99), around[1])) == password_version(blob(Stamp()))


@pytest.mark.parametrize(
    "data",
    [
        None,
        b"",
        blob(),
        blob(Stamp(attribute=3)),  # a controller that never holds the password
        blob(Stamp(), Stamp(version=2)),
        blob(Stamp(), kind=2),
        blob(Stamp(), count=2),
        blob(Stamp(), count=0),
        blob(Stamp(), count=2**32 - 1),
        blob(Stamp())[:-1],
        blob(Stamp(), *[Stamp(attribute=3)] * 1000),
    ],
    ids=["none", "empty", "no_stamps", "of_others", "twice", "kind", "too_many", "too_few", "enormous", "cut", "too_long"],
)
def test_nothing_to_be_read(data: bytes | None) -> None:
    assert password_version(data) is None


def test_the_attributes_number_inside_another_stamp_is_none() -> None:
    number = struct.pack("<I", PASSWORD)
    assert password_version(blob(Stamp(attribute=3, invocation=number * 4))) is None
    assert password_version(blob(Stamp(attribute=3, invocation=number * 4), Stamp())) == password_version(blob(Stamp()))


_STAMPS = st.builds(
    Stamp,
    attribute=st.sampled_from([0, 3, 0x20001, 0x907AD, PASSWORD]),
    version=st.integers(0, 2**32 - 1),
    seconds=st.integers(-(2**63), 2**63 - 1),
    invocation=st.binary(min_size=16, max_size=16),
    sequence=st.integers(-(2**63), 2**63 - 1),
)


@settings(max_examples=200)
@given(st.lists(_STAMPS, max_size=20), st.binary(max_size=40))
def test_it_is_the_one_stamp_of_the_password(stamps: list[Stamp], after: bytes) -> None:
    own = [s for s in stamps if s.attribute == PASSWORD]
    expected = f"repl:{own[0].version}:{own[0].seconds}:{own[0].invocation.hex()}:{own[0].sequence}" if len(own) == 1 else None
    assert password_version(blob(*stamps) + after) == expected


def _flipped(at: int, bit: int) -> bytes:
    changed = bytearray(RECORDED)
    changed[at] ^= 1 << bit
    return bytes(changed)


@settings(max_examples=200)
@given(st.one_of(st.binary(max_size=400), st.builds(_flipped, st.integers(0, len(RECORDED) - 1), st.integers(0, 7))))
def test_whatever_comes_it_is_a_short_plain_text_or_none(data: bytes) -> None:
    found = password_version(data)
    assert found is None or (found.isascii() and len(found) <= 120 and found.startswith("repl:"))
