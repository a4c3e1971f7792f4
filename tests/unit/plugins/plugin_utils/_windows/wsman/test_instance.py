# SPDX-License-Identifier: GPL-3.0-or-later
"""Decoding of values in every form that a host may send."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from xml.sax.saxutils import escape

import pytest
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._errors import BadDataError, LimitError
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._windows.wsman import answer as answers
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._windows.wsman.instance import Instance
from ansible_collections.keyward.bitlocker.tests.unit.plugins.plugin_utils._windows.wsman.answers import frozen, names, tree

XSI = 'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'


def read(inner: str) -> Instance:
    return Instance(tree(f"<C {XSI}>{inner}</C>".encode()))


def page(name: str) -> answers.Page:
    return answers.page(answers.read_answer(frozen(name), attempted="read"), attempted="read")


def output(name: str, method: str = "GetKeyProtectors") -> Instance:
    return answers.output(answers.read_answer(frozen(name), attempted="read"), method)


def test_whole_instance() -> None:
    got = answers.instance(answers.read_answer(frozen("get_whole"), attempted="read"), attempted="read")
    assert got.class_name == "Win32_OperatingSystem"
    assert got.string("Caption") == "Microsoft Windows 11 Enterprise"
    assert got.string("Description") == ""
    assert got.string("CSDVersion") is None
    assert got.has("Description")
    assert not got.has("CSDVersion")
    assert not got.has("Nothing")
    assert "csdversion" in got.names
    assert got.integer("CurrentTimeZone") == -480
    assert got.integer("FreePhysicalMemory") == 2**64 - 1
    assert got.boolean("Debug") is False
    assert got.boolean("Primary") is True
    assert got.strings("MUILanguages") == ("en-US", "de-DE")
    assert got.timestamp("InstallDate") == datetime(2025, 1, 9, 2, 57, 32, 123456, tzinfo=UTC)
    assert got.timestamp("LastBootUpTime") == datetime(2026, 11, 20, 7, 41, 39, 500000, tzinfo=UTC)
    assert got.interval("UpTime") == timedelta(days=1, hours=2, minutes=3, seconds=4.5)


def test_projection_has_unqualified_names_and_times() -> None:
    (got,) = page("enumerate_projection").items
    assert got.class_name == "XmlFragment"
    assert got.string("SystemDrive") == "C:"
    assert got.integer("ProductType") == 3
    assert not got.has("CSDVersion")
    assert got.timestamp("InstallDate") == datetime(2013, 3, 9, 2, 57, 32, tzinfo=UTC)
    assert got.timestamp("LastBootUpTime") == datetime(2026, 11, 20, 7, 41, 39, 500000, tzinfo=UTC)


@pytest.mark.parametrize("name", ["enumerate_complete", "enumerate_one_item", "enumerate_object_and_address", "enumerate_other_prefixes"])
def test_first_volume_in_every_form(name: str) -> None:
    got = page(name).items[0]
    assert got.string("DeviceID") == "\\\\?\\Volume{0f1e2d3c-4b5a-4697-8877-665544332211}\\"
    assert got.string("driveletter") == "C:"
    assert got.integer("ProtectionStatus") == 1
    assert got.boolean("IsVolumeInitializedForProtection") is True


@pytest.mark.parametrize(
    "name", ["invoke_output", "invoke_output_untyped", "invoke_without_suffix", "invoke_bare_body", "invoke_unqualified"]
)
def test_output_in_every_form(name: str) -> None:
    got = output(name)
    assert got.integer("ReturnValue") == 0
    assert got.strings("VolumeKeyProtectorID") == (
        "{A0000000-0000-4000-8000-00000000000A}",
        "{B0000000-0000-4000-8000-00000000000B}",
    )


@pytest.mark.parametrize("name", ["invoke_empty_array", "invoke_nil_array"])
def test_null_and_empty_arrays(name: str) -> None:
    got = output(name)
    assert got.integer("ReturnValue") == 0
    assert got.strings("VolumeKeyProtectorID") == ()
    assert not got.has("VolumeKeyProtectorID")


@pytest.mark.parametrize("name", ["invoke_nil_output", "invoke_empty_body"])
def test_missing_output_has_no_return_value(name: str) -> None:
    got = output(name)
    assert got.integer("ReturnValue") is None
    assert got.strings("VolumeKeyProtectorID") == ()


@pytest.mark.parametrize("name", ["invoke_locked", "invoke_locked_negative"])
def test_hresult_as_return_value(name: str) -> None:
    value = output(name, "GetConversionStatus").integer("ReturnValue")
    assert value is not None
    assert value & 0xFFFFFFFF == 0x80310000


@pytest.mark.parametrize("name", ["invoke_octets", "invoke_octets_base64"])
def test_octets(name: str) -> None:
    assert output(name, "GetKeyPackage").octets("KeyPackage") == bytes([0, 1, 127, 128, 255])


def test_every_frozen_answer_that_is_no_fault_is_read() -> None:
    for name in names("enumerate") + names("pull"):
        page(name)
    for name in names("invoke"):
        assert isinstance(output(name), Instance)


@pytest.mark.parametrize(
    ("inner", "value"),
    [("TRUE", True), ("False", False), (" true ", True), ("1", True), ("0", False)],
)
def test_booleans_in_any_case(inner: str, value: bool) -> None:
    assert read(f"<B>{inner}</B>").boolean("B") is value


@pytest.mark.parametrize("text", ["", "yes", "2", "tru", "truee", "<x/>"])
def test_what_is_no_boolean(text: str) -> None:
    with pytest.raises(BadDataError):
        read(f"<B>{text}</B>").boolean("B")


@pytest.mark.parametrize(
    "text", ["", "1.0", "0x10", "1e3", "--1", "٣", "1_0", "99999999999999999999999", "18446744073709551616", "-9223372036854775809"]
)
def test_what_is_no_number(text: str) -> None:
    with pytest.raises(BadDataError):
        read(f"<N>{text}</N>").integer("N")


def test_numbers_are_bounded_by_their_type() -> None:
    assert read("<N>255</N>").integer("N", minimum=0, maximum=255) == 255
    with pytest.raises(BadDataError):
        read("<N>256</N>").integer("N", minimum=0, maximum=255)
    assert read("<N>1</N><N>-2</N>").integers("N") == (1, -2)


def test_scalar_that_comes_twice_is_refused() -> None:
    two = read("<N>1</N><N>2</N>")
    for reader in (two.string, two.integer, two.boolean, two.timestamp, two.interval):
        with pytest.raises(BadDataError):
            reader("N")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("2013-03-09T02:57:32Z", datetime(2013, 3, 9, 2, 57, 32, tzinfo=UTC)),
        ("2013-03-09T02:57:32", datetime(2013, 3, 9, 2, 57, 32, tzinfo=UTC)),
        ("2013-03-09T02:57:32.1234567+01:30", datetime(2013, 3, 9, 1, 27, 32, 123456, tzinfo=UTC)),
        ("20130309025732.500000-060", datetime(2013, 3, 9, 3, 57, 32, 500000, tzinfo=UTC)),
    ],
)
def test_times(text: str, value: datetime) -> None:
    assert read(f"<T>{text}</T>").timestamp("T") == value
    assert read(f"<T><Datetime>{text}</Datetime></T>").timestamp("T") == value
    assert read(f'<T><x:Datetime xmlns:x="urn:any">{text}</x:Datetime></T>').timestamp("T") == value


@pytest.mark.parametrize("inner", ["", "<Datetime></Datetime>", '<Datetime xsi:nil="true"/>'])
def test_empty_times_are_null(inner: str) -> None:
    assert read(f"<T>{inner}</T>").timestamp("T") is None


@pytest.mark.parametrize(
    "text",
    [
        "yesterday",
        "2013-13-09T02:57:32Z",
        "0001-01-01T00:00:00+12:00",
        "9999-12-31T23:59:59-12:00",
        "2013-03-09",
        "2013-03-09T02:57:60Z",
        "2013-03-09T02:57:32+99:00",
    ],
)
def test_what_is_no_time(text: str) -> None:
    with pytest.raises(BadDataError):
        read(f"<T>{text}</T>").timestamp("T")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("PT0S", timedelta()),
        ("-P1D", timedelta(days=-1)),
        ("P1DT2H3M4.5S", timedelta(days=1, hours=2, minutes=3, seconds=4.5)),
        ("00000001020304.500000:000", timedelta(days=1, hours=2, minutes=3, seconds=4.5)),
    ],
)
def test_intervals(text: str, value: timedelta) -> None:
    assert read(f"<T>{text}</T>").interval("T") == value
    assert read(f"<T><Interval>{text}</Interval></T>").interval("T") == value


@pytest.mark.parametrize("text", ["P", "PT", "P1DT", "P1Y", "1", "99999999235959.999999:000", "<Datetime>2013-03-09T02:57:32Z</Datetime>"])
def test_what_is_no_interval(text: str) -> None:
    got = read(f"<T>{text}</T>")
    if text.startswith("9999"):
        assert got.interval("T") is not None
    else:
        with pytest.raises(BadDataError):
            got.interval("T")


@pytest.mark.parametrize(
    "inner", ["<O>256</O>", "<O>-1</O>", "<O></O>", "<O>1</O><O>x</O>", "<O>====</O>", "<O>äöüß</O>", "<O>AAF</O><O>gP8=</O>"]
)
def test_what_are_no_octets(inner: str) -> None:
    with pytest.raises(BadDataError):
        read(inner).octets("O")


def test_octets_and_arrays_are_bounded() -> None:
    assert read("<O>1</O>" * 10).octets("O", limit=10) == b"\x01" * 10
    with pytest.raises(LimitError):
        read("<O>1</O>" * 11).octets("O", limit=10)
    with pytest.raises(LimitError):
        read("<O>" + "AAAA" * 100 + "</O>").octets("O", limit=10)
    with pytest.raises(LimitError):
        read("<O>1</O>" * 4097).strings("O")


def test_text_is_kept_as_it_is() -> None:
    text = "  a & b <c> \u00e4\u2028 "
    assert read(f"<S>{escape(text)}</S>").string("S") == text


def test_repr_and_errors_show_no_value() -> None:
    secret = "111111-222222-333333-444444-555555-666666-777777-888888"
    got = read(f"<NumericalPassword>{secret}</NumericalPassword>")
    assert secret not in repr(got)
    for reader in (got.integer, got.boolean, got.timestamp, got.interval, got.octets):
        with pytest.raises(BadDataError) as caught:
            reader("NumericalPassword")
        told: BaseException | None = caught.value
        while told is not None:
            assert "111111" not in str(told)
            assert "111111" not in repr(getattr(told, "args", ()))
            told = told.__cause__
