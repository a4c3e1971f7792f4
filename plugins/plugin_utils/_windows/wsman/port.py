# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""The port between the session and a socket: one SOAP exchange, and what can go wrong in it."""

from __future__ import annotations

from typing import Final, Protocol

from ..._errors import UnreachableError

#: largest SOAP envelope that is taken from a peer, in bytes (DESIGN section 4)
MAX_ENVELOPE: Final = 1024 * 1024


class Transport(Protocol):
    """One conversation with one host over one TCP connection; not safe to share between threads."""

    def send(self, envelope: bytes) -> bytes:
        """Carry one SOAP exchange and return the body of an HTTP 200, or of an HTTP 500 that holds a SOAP fault.

        Everything else raises: :class:`UnreachableError` (and its two kinds below), ``TlsError``, ``AuthenticationError``,
        ``AuthorizationError``, ``ProtocolError``, ``LimitError``. After an error the next call starts over with a new connection.
        """

    def close(self) -> None:
        """Let the connection go; may be called twice."""

    @property
    def authenticated_names(self) -> tuple[str, ...]:
        """DNS names in lower case that the channel proved in the first exchange; empty where nothing was verified."""


class ConnectionLostError(UnreachableError):
    """The connection ended before an answer; whether the request was carried out is not known."""


class TruncatedAnswerError(ConnectionLostError):
    """The connection ended in the middle of an answer: a conversation took place, and it broke."""

    reason = "protocol"


class AnswerTimeoutError(UnreachableError):
    """A request was sent and no complete answer came in time; whether it was carried out is not known."""
