# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever a host sends: an observation that the reader takes, no traceback, and the sound neighbour as it was."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.observation import parse_observation
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._errors import ProtocolError, UnreachableError
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._windows import hresults, words
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._windows.observe import SUBSETS, observe
from ansible_collections.keyward.bitlocker.tests.unit.plugins.plugin_utils._windows.fake_host import (
    DATA_DEVICE,
    OS_DEVICE,
    FakeHost,
    access_denied,
    fault,
    missing_method,
    missing_namespace,
    with_data_volume,
)
from hypothesis import given, settings
from hypothesis import strategies as st

NOW = datetime(2026, 11, 22, 20, 0, tzinfo=UTC)
FVE = r"SOFTWARE\Policies\Microsoft\FVE"

#: characters that XML can carry
text = st.text(st.characters(min_codepoint=32, max_codepoint=0xD7FF), max_size=20)
scalar = st.none() | st.just(...) | st.integers(-(2**33), 2**65) | st.integers(-2, 12) | st.booleans() | text
value = scalar | st.lists(scalar.filter(lambda item: item is not ...), max_size=4)
failure = st.sampled_from(
    [
        fault("InternalError", 0x80041001),
        fault("TimedOut", 0x80338029),
        missing_method(),
        missing_namespace(),
        access_denied(),
        ProtocolError("read the answer"),
        UnreachableError("read the answer"),
    ]
) | st.sampled_from([1, 5, 50, 0x80310000, 0x80310008, 0x80070032, 0x80070057, 0xFFFFFFFF, 2**32 + 5])


@st.composite
def broken_volume(draw: st.DrawFn, host: FakeHost) -> None:
    """Anything may be wrong with the data volume; its DeviceID alone stays, since the fake host finds it by that."""
    found = host.volumes[DATA_DEVICE]
    for name in draw(st.sets(st.sampled_from(sorted(set(found["properties"]) - {"DeviceID"})))):
        found["properties"][name] = draw(value)
    for method in draw(st.sets(st.sampled_from(sorted(found["methods"])))):
        answer = found["methods"][method]
        for parts in answer.values() if all(isinstance(part, dict) for part in answer.values()) else [answer]:
            for name in parts:
                parts[name] = (
                    draw(value) if name != "VolumeKeyProtectorID" or method != "GetKeyProtectors" else draw(st.permutations(parts[name]))
                )


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_a_broken_volume_never_loses_its_neighbour(data: st.DataObject) -> None:
    sound = observe(with_data_volume(), subsets=SUBSETS, now=lambda: NOW, host="pc01")
    host = with_data_volume()
    data.draw(broken_volume(host))
    observation = observe(host, subsets=SUBSETS, now=lambda: NOW, host="pc01")
    parse_observation("pc01", observation)
    assert observation["state"] == "observed"
    assert observation["volumes"][0] == sound["volumes"][0]
    assert observation["computer"] == sound["computer"]
    assert len(observation["volumes"]) == 2
    assert observation["volumes"][1]["device_id"] == DATA_DEVICE


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_failing_reads_anywhere_give_an_observation(data: st.DataObject) -> None:
    host = with_data_volume()
    host.registry[FVE] = {"OSRecovery": (4, 1), "Text": (1, "x")}
    names = [*host.volumes[OS_DEVICE]["methods"], *host.classes, "EnumKey", "EnumValues", "GetDWORDValue", "IsReadyInformation", "Pull"]
    for name in data.draw(st.sets(st.sampled_from(sorted(names)), max_size=6)):
        host.failures[name] = data.draw(failure)
    observation = observe(host, subsets=SUBSETS, now=lambda: NOW, host="pc01")
    parsed = parse_observation("pc01", observation)
    if observation["state"] == "failed":
        assert observation["message"]
        return
    assert parsed.reason is None
    if not set(host.failures) & {"Pull"}:
        assert [item["device_id"] for item in observation["volumes"]] == [OS_DEVICE, DATA_DEVICE]
    for name, error in host.failures.items():
        if name in ("GetLockStatus", "GetKeyProtectors") and observation["volumes"] and error != 0x80310008:
            assert name in {item["read"] for item in observation["volumes"][0]["errors"]}, "a failed read is an item"


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_any_identity_gives_an_observation(data: st.DataObject) -> None:
    host = with_data_volume()
    for rows in host.classes.values():
        for name, known in rows[0].items():
            if data.draw(st.booleans()):
                rows[0][name] = dict.fromkeys(known, data.draw(value)) if isinstance(known, dict) else data.draw(value)
    host.registry[FVE] = {
        name: (data.draw(st.integers(-1, 12)), data.draw(value.filter(lambda item: item is not ...)))
        for name in data.draw(st.sets(text.filter(bool), max_size=4))
    }
    observation = observe(host, subsets=SUBSETS, now=lambda: NOW, host="pc01")
    parse_observation("pc01", observation)
    if observation["state"] == "observed":
        assert len(observation["volumes"]) == 2


@given(st.integers(-(2**40), 2**40))
@settings(max_examples=200)
def test_any_number_has_a_word_and_any_code_a_text(number: int) -> None:
    for table in (words.CONVERSION, words.METHOD, words.PROTECTOR_TYPE, words.DOMAIN_ROLE):
        word = words.word(table, number)
        assert word in table.values() or word == f"unknown_{number}"
    assert len(words.bits(words.BACKUP, number)) <= 32
    assert len(hresults.code_text(number)) == 10


@pytest.mark.parametrize(
    ("code", "name"),
    [
        (2150694912, "FVE_E_LOCKED_VOLUME"),
        (-2144272384, "FVE_E_LOCKED_VOLUME"),
        (0x803100CF, "FVE_E_BUFFER_TOO_LARGE"),
        (0x803100D0, ""),
        (50, "ERROR_NOT_SUPPORTED"),
        (0x80070057, "E_INVALIDARG"),
        (12345, ""),
    ],
)
def test_names_of_codes(code: int, name: str) -> None:
    assert hresults.name_of(code) == name
