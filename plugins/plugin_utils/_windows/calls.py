# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""Calls of WMI methods, and what their result codes mean: the one place that looks at ReturnValue.

A method that fails inside its provider is no SOAP fault but a ReturnValue other than 0 (MS-WSMV 3.1.4.8, WMI's model of methods).
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final, TypeVar, cast

from .._core.redaction import Secret
from .._errors import BadDataError, KeywardError, LimitError, ProtocolError
from . import hresults
from .wsman.faults import FaultError
from .wsman.instance import Instance
from .wsman.session import Session, Value

T = TypeVar("T")

#: longest text taken from a host; the reader of observations has the same bound
MAX_TEXT: Final = 4096
#: key packages and external keys are far smaller (DESIGN section 4)
MAX_OCTETS: Final = 64 * 1024

_NOT_OFFERED: Final = frozenset(
    {
        hresults.ERROR_NOT_SUPPORTED,
        hresults.E_NOT_SUPPORTED,
        hresults.E_NOTIMPL,
        hresults.WBEM_E_NOT_SUPPORTED,
        hresults.WBEM_E_INVALID_METHOD,
        hresults.WBEM_E_METHOD_NOT_IMPLEMENTED,
        hresults.WBEM_E_METHOD_DISABLED,
    }
)


class MethodFailedError(ProtocolError):
    """A provider ran a method and returned something else than success; ``result`` is the unsigned 32-bit code."""

    def __init__(self, attempted: str, *, target: str, result: int) -> None:
        self.result = hresults.unsigned(result)
        super().__init__(
            attempted,
            target=target,
            code=hresults.code_text(result),
            name=hresults.name_of(result),
            meaning=hresults.meaning_of(result),
        )


@dataclass(frozen=True, slots=True)
class Face:
    """One WMI class, or one instance of it, whose methods can be called.

    ``label`` is how error texts name it; ``selectors`` are the key properties of an instance, None for static methods and singletons.
    """

    session: Session
    namespace: str
    class_name: str
    label: str
    selectors: Mapping[str, str] | None = None

    def read(self, method: str, **arguments: Value) -> Instance:
        """Call a method that changes nothing (so it may be repeated) and return its output when ReturnValue is 0.

        Errors: :class:`MethodFailedError` for another ReturnValue, :class:`BadDataError` for none, and what the session raises.
        """
        return self._call(method, arguments, repeatable=True)

    def change(self, method: str, **arguments: Value) -> Instance:
        """Call a method that changes something: sent once and never repeated by itself.

        Errors: as :meth:`read`. After a lost connection or a time-out nobody knows whether it was done: look before anything else.
        """
        return self._call(method, arguments, repeatable=False)

    def _call(self, method: str, arguments: Mapping[str, Value], *, repeatable: bool) -> Instance:
        out = self.session.invoke(
            self.namespace, self.class_name, method, selectors=self.selectors, arguments=arguments or None, repeatable=repeatable
        )
        result = needed_integer(out, "ReturnValue", method)
        if hresults.unsigned(result) != hresults.S_OK:
            protector = arguments.get("VolumeKeyProtectorID")
            target = f"{self.label}, protector {protector}" if protector else self.label
            raise MethodFailedError(f"call {self.class_name}.{method}", target=target, result=result)
        return out

    def number(self, method: str, name: str, **arguments: Value) -> int:
        """One number that a method must give."""
        return needed_integer(self.read(method, **arguments), name, method)

    def truth(self, method: str, name: str, **arguments: Value) -> bool:
        """One boolean that a method must give."""
        value = self.read(method, **arguments).boolean(name)
        if value is None:
            raise missing(method, name)
        return value

    def text(self, method: str, name: str, **arguments: Value) -> str | None:
        """One text that a method may give."""
        return bounded(self.read(method, **arguments).string(name), name)

    def secret_octets(self, method: str, name: str, **arguments: Value) -> Secret[bytes]:
        """Bytes that must not be shown, at most 64 KiB of them."""
        octets = self.read(method, **arguments).octets(name)
        if not octets:
            raise missing(method, name)
        if len(octets) > MAX_OCTETS:
            raise LimitError(f"take {name} of {method}", target=self.label, meaning=f"it is longer than {MAX_OCTETS} bytes")
        return Secret(octets)


def is_not_offered(error: KeywardError) -> bool:
    """Whether a failure says that this Windows has no such method, or that it does not apply here: in a fault or as a ReturnValue.

    The form is unconfirmed for every method of these classes, so each plausible one counts: a fault about the action, the method, the
    resource as a whole or the shape of the body; ERROR_NOT_SUPPORTED as 50 or as an HRESULT; E_NOTIMPL; WMI's own codes.
    """
    if isinstance(error, MethodFailedError):
        return error.result in _NOT_OFFERED
    if not isinstance(error, FaultError) or error.is_access_denied or error.is_timeout or error.is_throttled:
        return False
    if error.is_missing_method or error.subcode in ("SchemaValidationError", "InvalidParameter"):
        return True
    return error.is_missing_resource and not error.is_missing_instance


def if_offered(call: Callable[[], T]) -> T | None:
    """What the call brings, None where this Windows does not offer it (:func:`is_not_offered`)."""
    try:
        return call()
    except KeywardError as error:
        if is_not_offered(error):
            return None
        raise


def is_absent(error: FaultError) -> bool:
    """Whether a fault of an enumeration says that the namespace or the class does not exist on this host, in any plausible form."""
    return error.is_missing_namespace or error.is_missing_class or error.is_missing_resource


def take(found: Iterator[Instance], limit: int) -> list[Instance]:
    """The first instances of an enumeration, which is then ended, so that the host keeps nothing open."""
    # the session's iterators are generators; closing one releases what the host still holds
    with closing(cast(Generator[Instance, Any, None], found)):
        return list(islice(found, limit))


def missing(read: str, name: str) -> BadDataError:
    """The error for an output that a method or class owes and did not give."""
    return BadDataError(f"read {name} of {read}", meaning="the host's answer does not hold it")


def needed_integer(source: Instance, name: str, read: str) -> int:
    """A number that must be there, in Windows' unsigned 32-bit sense."""
    value = source.integer(name)
    if value is None:
        raise missing(read, name)
    return hresults.unsigned(value)


def bounded(text: str | None, name: str) -> str | None:
    """A text of tolerable length; LimitError for a longer one (a cut text would be another text)."""
    if text is not None and len(text) > MAX_TEXT:
        raise LimitError(f"take {name}", meaning=f"it is longer than {MAX_TEXT} characters")
    return text
