# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""A conversation with the WMI of one host over WS-Management: query, enumerate, get, invoke."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from ..._errors import KeywardError, LimitError, ProtocolError, UnreachableError
from . import answer as answers
from .answer import Answer, Page
from .envelope import ENUMERATE, GET, PULL, RELEASE, WMI, EnvelopeWriter, Value, resource_uri
from .faults import FaultError, Seen, read_fault
from .instance import Instance
from .port import AnswerTimeoutError, ConnectionLostError, Transport

__all__ = ["Instance", "Limits", "Session", "Value"]

#: the default limit of Windows itself since 2012 (MS-WSMV 2.2.4.10); larger offers are cut to it
DEFAULT_ENVELOPE: Final = 512_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How long one enumeration may go on: answers, items, answers in a row without items, seconds over all."""

    pages: int = 2000
    items: int = 10_000
    empty_pages: int = 10
    seconds: float = 300.0


def _message_id() -> str:
    return f"uuid:{str(uuid.uuid4()).upper()}"


class Session:
    """Reads and calls WMI over a transport; not safe to share between threads.

    Every method raises :class:`FaultError` for a fault of the host (also an ``AuthorizationError`` where it denies access),
    ``ProtocolError``, ``BadDataError`` or ``LimitError`` for an answer that cannot be used, and what the transport raises.

    A request is repeated once where that is safe (enumerate, query, get, and invoke with ``repeatable``): at once after a lost connection
    or a time-out before the answer (time-outs once a session, and never the first request: a host that hangs costs one wait),
    after ``retry_delay`` seconds when the host says that it is too busy.

    Args:
        target: how errors name the host, normally its endpoint.
        username: only to give the right remedy when access is denied (a local account, or one of a domain).
    """

    def __init__(
        self,
        transport: Transport,
        *,
        operation_timeout: float = 20.0,
        max_envelope_size: int = DEFAULT_ENVELOPE,
        target: str = "",
        username: str = "",
        limits: Limits | None = None,
        retry_delay: float = 1.0,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
        new_id: Callable[[], str] = _message_id,
    ) -> None:
        self._transport = transport
        self._writer = EnvelopeWriter(operation_timeout=operation_timeout, max_envelope_size=max_envelope_size)
        self._target = target
        self._username = username
        self._limits = limits or Limits()
        self._retry_delay = retry_delay
        self._sleep = sleep
        self._clock = clock
        self._new_id = new_id
        self._timeout_retries = 1
        #: namespaces that answered, which tells why another one is denied
        self._answering: set[str] = set()
        #: exchanges sent so far, repeated ones too
        self.requests = 0

    @property
    def authenticated_names(self) -> tuple[str, ...]:
        """What the transport proved (see the port)."""
        return self._transport.authenticated_names

    def close(self) -> None:
        """Let the connection go."""
        self._transport.close()

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    def query(self, namespace: str, wql: str) -> Iterator[Instance]:
        """Run a WQL query in a namespace such as ``root/cimv2``. Nothing is sent before the first item is asked for."""
        return self._items(resource_uri(namespace, "*"), f"query {namespace}", wql)

    def enumerate(self, namespace: str, class_name: str) -> Iterator[Instance]:
        """All instances of a class and its subclasses. Nothing is sent before the first item is asked for."""
        return self._items(resource_uri(namespace, class_name), f"list {class_name}", None)

    def get(self, namespace: str, class_name: str, selectors: Mapping[str, str]) -> Instance:
        """One instance by its key properties."""
        uri = resource_uri(namespace, class_name)
        attempted = f"read {class_name}"
        answer = self._exchange(
            uri, lambda message_id: self._writer.get(uri, message_id, selectors), f"{GET}Response", attempted, repeatable=True
        )
        return answers.instance(answer, attempted=attempted, target=self._target)

    def invoke(
        self,
        namespace: str,
        class_name: str,
        method: str,
        *,
        selectors: Mapping[str, str] | None = None,
        arguments: Mapping[str, Value] | None = None,
        repeatable: bool = False,
    ) -> Instance:
        """Call a method and return its outputs, ``ReturnValue`` among them; a provider's failure is such a value and no error here.

        ``repeatable``: the method changes nothing, or the same however often it runs. Arguments never appear in an error.
        """
        uri = resource_uri(namespace, class_name)
        action = f"{uri}/{method}"
        answer = self._exchange(
            uri,
            lambda message_id: self._writer.invoke(uri, message_id, method, selectors, arguments),
            f"{action}Response",
            f"call {class_name}.{method}",
            repeatable=repeatable,
        )
        return answers.output(answer, method)

    def _items(self, uri: str, attempted: str, wql: str | None) -> Iterator[Instance]:
        """All items of an enumeration, page by page; releases it when the reader stops early or an answer cannot be used."""
        limits = self._limits
        context: str | None = None
        pages = items = empty = 0
        seconds = 0.0
        alive = True
        try:
            began = self._clock()
            page = self._first_page(uri, attempted, wql)
            while True:
                # the reader's own time between two items does not count
                seconds += self._clock() - began
                pages += 1
                empty = 0 if page.items else empty + 1
                items += len(page.items)
                context = _next_context(page, context)
                if context == "":
                    raise self._broken(attempted, "an answer has neither an end nor a way to go on")
                if items > limits.items or pages > limits.pages or empty > limits.empty_pages or seconds > limits.seconds:
                    raise self._endless(attempted, items, pages)
                yield from page.items
                if context is None:
                    return
                began = self._clock()
                page = self._next_page(uri, attempted, context)
        except UnreachableError:
            alive = False
            raise
        finally:
            # what is still open here was abandoned: by the reader (GeneratorExit), by a bound, or by an answer that cannot be used
            if context and alive:
                self._release(uri, context)

    def _first_page(self, uri: str, attempted: str, wql: str | None) -> Page:
        answer = self._exchange(
            uri,
            lambda message_id: self._writer.enumerate(uri, message_id, wql=wql),
            f"{ENUMERATE}Response",
            attempted,
            repeatable=True,
        )
        return answers.page(answer, attempted=attempted, target=self._target)

    def _next_page(self, uri: str, attempted: str, context: str) -> Page:
        answer = self._exchange(
            uri, lambda message_id: self._writer.pull(uri, message_id, context), f"{PULL}Response", attempted, repeatable=False
        )
        return answers.page(answer, attempted=attempted, target=self._target)

    def _release(self, uri: str, context: str) -> None:
        # the enumeration is over for us whatever comes back, and an error here must not hide the one that led here
        with suppress(KeywardError):
            self._exchange(
                uri,
                lambda message_id: self._writer.release(uri, message_id, context),
                f"{RELEASE}Response",
                "end an enumeration",
                repeatable=False,
            )

    def _exchange(self, uri: str, write: Callable[[str], bytes], expected: str, attempted: str, *, repeatable: bool) -> Answer:
        """One request to a resource and its answer, with the one repetition that is allowed."""
        try:
            return self._once(uri, write, expected, attempted)
        except ConnectionLostError:
            if not repeatable:
                raise
        except AnswerTimeoutError:
            if not repeatable or self._timeout_retries < 1 or self.requests < 2:
                raise
            self._timeout_retries -= 1
        except FaultError as fault:
            if not repeatable or not fault.is_throttled:
                raise
            self._sleep(self._retry_delay)
        return self._once(uri, write, expected, attempted)

    def _once(self, uri: str, write: Callable[[str], bytes], expected: str, attempted: str) -> Answer:
        namespace = uri[len(WMI) + 1 :].rpartition("/")[0].lower()
        message_id = self._new_id()
        envelope = write(message_id)
        self.requests += 1
        answer = answers.read_answer(self._transport.send(envelope), attempted=attempted, target=self._target)
        if answer.relates_to and answer.relates_to.lower() != message_id.lower():
            raise self._broken(attempted, "the answer belongs to another request")
        fault = answer.fault
        if fault is not None:
            seen = Seen(namespace=namespace, elsewhere=bool(self._answering - {namespace}))
            raise read_fault(fault, attempted=attempted, target=self._target, username=self._username, seen=seen)
        # the case of a URI's namespace is the request's own or the host's
        if answer.action.lower() != expected.lower():
            raise self._broken(attempted, "the answer has the action of another operation")
        self._answering.add(namespace)
        return answer

    def _broken(self, attempted: str, meaning: str) -> ProtocolError:
        return ProtocolError(attempted, target=self._target, meaning=meaning)

    def _endless(self, attempted: str, items: int, pages: int) -> LimitError:
        return LimitError(attempted, target=self._target, meaning=f"the host's answer does not end ({items} items in {pages} answers)")


def _next_context(page: Page, context: str | None) -> str | None:
    """What to pull with: None at the end; the newest context; the old one where an answer names none (WS-Enumeration 3.2); else empty."""
    if page.ended:
        return None
    return (page.context if page.context is not None else context) or ""
