# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""What comes back from WMI: an instance, a projection of one, or the output of a method, read by local names.

Values are decoded only when they are asked for, each by the type that the caller knows from the class. The forms are those of DSP0230
(WS-CIM Mapping) section 7 and of recorded hosts: NULL as ``xsi:nil`` or as no element at all, arrays as repeated elements, uint8[] as
repeated decimal numbers, datetime in a child element with or without a namespace.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta, timezone
from typing import Final, TypeVar

from ..._errors import BadDataError, LimitError
from .xml_reader import Element

#: members of one array property that are taken
MAX_ARRAY: Final = 4096
#: bytes of one uint8[] property that are taken (DESIGN section 4: a key package has at most 64 KiB)
MAX_OCTETS: Final = 64 * 1024
_LOWEST: Final = -(2**63)
_HIGHEST: Final = 2**64 - 1

_INTEGER: Final = re.compile(r"[+-]?[0-9]{1,20}", re.ASCII)
_OCTET: Final = re.compile(r"[0-9]{1,3}", re.ASCII)
_ISO: Final = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:[.,](\d{1,9}))?(Z|[+-]\d\d:\d\d)?",
    re.ASCII | re.IGNORECASE,
)
_DMTF: Final = re.compile(r"(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)\.(\d{6})([+-])(\d{3})", re.ASCII)
_DURATION: Final = re.compile(
    r"(-?)P(?:(\d{1,8})D)?(?:T(?:(\d{1,8})H)?(?:(\d{1,8})M)?(?:(\d{1,8})(?:\.(\d{1,9}))?S)?)?",
    re.ASCII,
)
_DMTF_INTERVAL: Final = re.compile(r"(\d{8})(\d\d)(\d\d)(\d\d)\.(\d{6}):000", re.ASCII)

T = TypeVar("T")


class Instance:
    """One set of named values. Names are matched without regard to case and namespace, as WMI's own names are.

    Every reader gives None (or an empty tuple or bytes) for a value that is NULL or was not sent, and raises
    :class:`~..._errors.BadDataError` for one that is not of the asked type. ``repr`` shows no value.
    """

    __slots__ = ("_values", "class_name")

    def __init__(self, element: Element | None) -> None:
        #: local name of the element, such as Win32_EncryptableVolume, XmlFragment or GetKeyProtectors_OUTPUT
        self.class_name = element.local if element is not None else ""
        self._values: dict[str, list[Element]] = {}
        if element is not None and not element.is_nil:
            for child in element.children:
                self._values.setdefault(child.local.lower(), []).append(child)

    def __repr__(self) -> str:
        return f"<Instance {self.class_name}: {', '.join(sorted(self._values))}>"

    @property
    def names(self) -> tuple[str, ...]:
        """The names that were sent, in lower case, NULL ones too."""
        return tuple(self._values)

    def has(self, name: str) -> bool:
        """Whether a value was sent that is not NULL."""
        return bool(self._members(name))

    def string(self, name: str) -> str | None:
        """A text exactly as sent; an empty element is an empty text."""
        element = self._single(name, "one text")
        return None if element is None else self._text(name, element)

    def integer(self, name: str, *, minimum: int = _LOWEST, maximum: int = _HIGHEST) -> int | None:
        """A whole number within the bounds of its CIM type (by default those of sint64 and uint64 together)."""
        element = self._single(name, "one number")
        return None if element is None else self._number(name, element, minimum, maximum)

    def boolean(self, name: str) -> bool | None:
        """true or false in any case, or 1 or 0."""
        element = self._single(name, "one boolean")
        if element is None:
            return None
        text = self._text(name, element).strip().lower()
        if text in ("true", "1"):
            return True
        if text in ("false", "0"):
            return False
        raise self._bad(name, "it is neither true nor false")

    def strings(self, name: str) -> tuple[str, ...]:
        """The members of a text array in their order; one element is an array of one."""
        return self._array(name, lambda element: self._text(name, element))

    def integers(self, name: str, *, minimum: int = _LOWEST, maximum: int = _HIGHEST) -> tuple[int, ...]:
        """The members of a number array in their order."""
        return self._array(name, lambda element: self._number(name, element, minimum, maximum))

    def octets(self, name: str, *, limit: int = MAX_OCTETS) -> bytes:
        """A uint8[]: one decimal number of 0 to 255 an element, or (unconfirmed) one element of base64; at most ``limit`` bytes."""
        members = self._members(name)
        if len(members) > limit:
            raise LimitError(f"read {name}", target=self.class_name, meaning=f"it is longer than {limit} bytes")
        if len(members) == 1:
            text = "".join(self._text(name, members[0]).split())
            # no decimal octet has more than three digits and no base64 fewer than four, so the two forms cannot be mixed up
            if len(text) > 3:
                return self._base64(name, text, limit)
        octets = bytearray()
        for element in members:
            digits = self._text(name, element).strip()
            if not _OCTET.fullmatch(digits) or int(digits) > 255:
                raise self._bad(name, "a member is no number of 0 to 255")
            octets.append(int(digits))
        return bytes(octets)

    def timestamp(self, name: str) -> datetime | None:
        """A date and time in UTC: xs:dateTime with 0 to 9 fraction digits, or CIM's own 25 characters; without a zone it counts as UTC."""
        text = self._time_text(name, "Datetime")
        if text is None:
            return None
        try:
            if found := _ISO.fullmatch(text):
                return _iso(found)
            if found := _DMTF.fullmatch(text):
                return _dmtf(found)
        except (ValueError, OverflowError) as cause:
            raise self._bad(name, "it is no date and time") from cause
        raise self._bad(name, "it is no date and time")

    def interval(self, name: str) -> timedelta | None:
        """A length of time: xs:duration without years and months, or CIM's own 25 characters."""
        text = self._time_text(name, "Interval")
        if text is None:
            return None
        if (found := _DURATION.fullmatch(text)) and text.lstrip("-") not in ("P", "PT") and not text.endswith("T"):
            sign, days, hours, minutes, seconds, fraction = found.groups(default="")
            length = timedelta(
                days=int(days or 0),
                hours=int(hours or 0),
                minutes=int(minutes or 0),
                seconds=int(seconds or 0),
                microseconds=_microseconds(fraction),
            )
            return -length if sign else length
        if found := _DMTF_INTERVAL.fullmatch(text):
            days, hours, minutes, seconds, fraction = found.groups()
            return timedelta(days=int(days), hours=int(hours), minutes=int(minutes), seconds=int(seconds), microseconds=int(fraction))
        raise self._bad(name, "it is no length of time")

    def _members(self, name: str) -> list[Element]:
        return [element for element in self._values.get(name.lower(), ()) if not element.is_nil]

    def _single(self, name: str, wanted: str) -> Element | None:
        members = self._members(name)
        if len(members) > 1:
            raise self._bad(name, f"{wanted} was expected and {len(members)} came")
        return members[0] if members else None

    def _array(self, name: str, decode: Callable[[Element], T]) -> tuple[T, ...]:
        members = self._members(name)
        if len(members) > MAX_ARRAY:
            raise LimitError(f"read {name}", target=self.class_name, meaning=f"it has more than {MAX_ARRAY} members")
        return tuple(decode(element) for element in members)

    def _text(self, name: str, element: Element) -> str:
        if element.children:
            raise self._bad(name, "a plain value was expected and a structure came")
        return element.text

    def _number(self, name: str, element: Element, minimum: int, maximum: int) -> int:
        text = self._text(name, element).strip()
        if not _INTEGER.fullmatch(text):
            raise self._bad(name, "it is no whole number")
        number = int(text)
        if not minimum <= number <= maximum:
            raise self._bad(name, f"it is not between {minimum} and {maximum}")
        return number

    def _base64(self, name: str, text: str, limit: int) -> bytes:
        if len(text) > limit * 4 // 3 + 4:
            raise LimitError(f"read {name}", target=self.class_name, meaning=f"it is longer than {limit} bytes")
        if not text.isascii():
            raise self._bad(name, "it is neither a list of bytes nor base64")
        try:
            return base64.b64decode(text, validate=True)
        except binascii.Error as cause:
            raise self._bad(name, "it is neither a list of bytes nor base64") from cause

    def _time_text(self, name: str, wrapper: str) -> str | None:
        element = self._single(name, "one time")
        if element is None:
            return None
        if not element.children:
            text = element.text.strip()
        elif len(element.children) == 1 and element.children[0].local.lower() == wrapper.lower():
            inner = element.children[0]
            if inner.is_nil:
                return None
            text = self._text(name, inner).strip()
        else:
            raise self._bad(name, f"a {wrapper} was expected and another structure came")
        return text or None

    def _bad(self, name: str, meaning: str) -> BadDataError:
        return BadDataError(f"read {name}", target=self.class_name, meaning=meaning)


def instances(container: Element) -> Iterable[Instance]:
    """The instances in an Items element: bare, as fragments, or in the w:Item of an enumeration of objects with addresses."""
    for element in container.children:
        if element.local == "Item" and element.child("EndpointReference") is not None:
            inner = [child for child in element.children if child.local != "EndpointReference"]
            yield Instance(inner[0] if inner else None)
        else:
            yield Instance(element)


def _microseconds(fraction: str | None) -> int:
    return int((fraction or "").ljust(6, "0")[:6])


def _iso(found: re.Match[str]) -> datetime:
    year, month, day, hour, minute, second, fraction, zone = found.groups()
    moment = datetime(int(year), int(month), int(day), int(hour), int(minute), int(second), _microseconds(fraction), tzinfo=UTC)
    if zone and zone.upper() != "Z":
        offset = timedelta(hours=int(zone[1:3]), minutes=int(zone[4:6]))
        moment = moment.replace(tzinfo=timezone(-offset if zone[0] == "-" else offset)).astimezone(UTC)
    return moment


def _dmtf(found: re.Match[str]) -> datetime:
    year, month, day, hour, minute, second, fraction, sign, minutes = found.groups()
    offset = timedelta(minutes=int(minutes))
    zone = timezone(-offset if sign == "-" else offset)
    local = datetime(int(year), int(month), int(day), int(hour), int(minute), int(second), int(fraction), tzinfo=zone)
    return local.astimezone(UTC)
