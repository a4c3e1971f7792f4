# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""Domain controllers of a domain from its SRV records (MS-ADTS 6.3.6.1), for settings that name no server.

DNS is not trusted with credentials: a record whose target lies outside the domain is left out, since a forged record could otherwise lead
to a server with a good certificate of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ..._errors import KeywardError, OptionError, UnreachableError

#: servers tried at most: a dead site must not cost minutes
MAX_SERVERS = 8


@dataclass(frozen=True, slots=True)
class ServiceRecord:
    """One SRV record."""

    priority: int
    weight: int
    target: str


Resolver = Callable[[str, float], Sequence[ServiceRecord]]


def discover(domain: str, timeout: float, resolve: Resolver | None = None) -> tuple[str, ...]:
    """Names of the domain's controllers, best first (priority, then weight, then name), at most :data:`MAX_SERVERS`.

    Raises:
        OptionError: dnspython is not installed.
        UnreachableError: there is no answer, or none that can be used.
    """
    name = f"_ldap._tcp.dc._msdcs.{domain.rstrip('.')}"
    records = sorted((resolve or _resolve)(name, timeout), key=lambda record: (record.priority, -record.weight, record.target.lower()))
    suffix = "." + domain.strip(".").lower()
    targets = dict.fromkeys(record.target.rstrip(".").lower() for record in records)
    inside = [target for target in targets if target.endswith(suffix)]
    if not inside:
        meaning = f"its records name only servers outside {domain}" if targets else "there are no such records"
        raise _failed(name, meaning)
    return tuple(inside[:MAX_SERVERS])


def _resolve(name: str, timeout: float) -> Sequence[ServiceRecord]:
    # here, as a search for one key is over before all of it is imported, and most settings name a server
    try:
        import dns.exception
        import dns.resolver
    except ImportError:
        raise OptionError(
            "find domain controllers by DNS",
            target=name,
            meaning="the Python package dnspython is not installed",
            remedy="Install it, or set server.",
        ) from None
    try:
        answer = dns.resolver.resolve(name, "SRV", lifetime=timeout)
    except (dns.exception.DNSException, OSError) as error:
        raise _failed(name, f"DNS gave no answer ({type(error).__name__})") from error
    return [ServiceRecord(record.priority, record.weight, str(record.target)) for record in answer]


def _failed(name: str, meaning: str) -> KeywardError:
    return UnreachableError(
        "find domain controllers by DNS", target=name, meaning=meaning, remedy="Check domain and the resolver, or set server."
    )
