# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""The one error tree: every failure says what was attempted, against what, what came back, what it means and what to do.

No error ever carries a secret: fields hold names, addresses, codes and our own words.
"""

from __future__ import annotations

from typing import ClassVar


class KeywardError(Exception):
    """Base of all errors raised by the shared code; the fields are facts, the text is derived from them.

    Args:
        attempted: what was being done, as a clause ("read the volumes").
        target: against what (an endpoint, a server, a file, an option).
        code: what came back, as a code ("0x80310000", "HTTP 401", "LDAP 49"), empty where there is none.
        name: the code's name ("FVE_E_LOCKED_VOLUME"), empty where there is none.
        meaning: what that means, one clause or sentence.
        remedy: what to do about it, one sentence.
    """

    #: the word for this failure in an observation (DESIGN section 8), empty where a host is not concerned
    reason: ClassVar[str] = ""

    def __init__(self, attempted: str, *, target: str = "", code: str = "", name: str = "", meaning: str = "", remedy: str = "") -> None:
        super().__init__(attempted)
        self.attempted = attempted
        self.target = target
        self.code = code
        self.name = name
        self.meaning = meaning
        self.remedy = remedy

    def __str__(self) -> str:
        came_back = " ".join(part for part in (self.code, self.name) if part)
        text = f"Could not {self.attempted}"
        if self.target:
            text += f" ({self.target})"
        if came_back:
            text += f": {came_back}"
        if self.meaning:
            text += f": {self.meaning}" if not came_back else f", {self.meaning}"
        text = text.rstrip(". ") + "."
        return f"{text} {self.remedy}".rstrip()


class OptionError(KeywardError):
    """An option, or the combination of several, cannot be used."""


class BadDataError(KeywardError):
    """A peer or a file sent something that breaks its own format; never trusted, never guessed at."""

    reason = "protocol"


class UnreachableError(KeywardError):
    """No conversation took place: name, route, port, time-out before an answer."""

    reason = "unreachable"


class TlsError(KeywardError):
    """The peer was reached but its certificate or TLS itself was refused."""

    reason = "tls"


class AuthenticationError(KeywardError):
    """The peer refused the credentials."""

    reason = "authentication"


class AuthorizationError(KeywardError):
    """The peer knows the account and refuses the operation."""

    reason = "authorization"


class ProtocolError(KeywardError):
    """The peer answered with a fault, or with something that is not an answer."""

    reason = "protocol"


class LimitError(ProtocolError):
    """What the peer sent passes a bound of this client."""


class StoreDownError(KeywardError):
    """A store could not be searched; nothing it may hold is known."""
