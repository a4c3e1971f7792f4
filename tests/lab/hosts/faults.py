# SPDX-License-Identifier: GPL-3.0-or-later
"""Faults of a whole endpoint (``LabHost.fault``) and kinds of certificates (``LabHost.certificate``): what they do, what follows from them.

``reason`` is the word with which a client should give the host up (unreachable, authentication, authorization, tls, protocol), None where
it should succeed all the same.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..model import LabHost
from .profiles import WIRE_FORMS

#: seconds by which ``slow`` delays each answer
SLOW_SECONDS = 0.2
#: octets of the answer of ``huge``; above every bound of a client (1 MiB), below what a test machine feels
HUGE_OCTETS = 6 * 1024 * 1024


@dataclass(frozen=True)
class EndpointFault:
    """What the endpoint does, and what a client should conclude from it."""

    meaning: str
    reason: str | None


FAULTS: dict[str, EndpointFault] = {
    "refused": EndpointFault("nothing listens at the address", "unreachable"),
    "blackhole": EndpointFault("accepts the connection and never says anything, not even TLS", "unreachable"),
    "hung": EndpointFault("does TLS, reads the request and never answers", "unreachable"),
    "slow": EndpointFault(f"answers each request {SLOW_SECONDS} s late, and rightly", None),
    "wrong_password": EndpointFault("refuses every credential with 401", "authentication"),
    "not_admin": EndpointFault("the account may use the service but no WMI namespace (Remote Enable is missing)", "authorization"),
    "uac_filtered": EndpointFault(
        "a local administrator whose token UAC filtered: the service denies every operation, code 5", "authorization"
    ),
    "wmi_denied": EndpointFault("only the BitLocker namespace is denied; identity and registry answer", "authorization"),
    "root_sddl": EndpointFault(
        "the service's root SDDL does not name the account: code 5, or 401 in the form root_sddl_401", "authorization"
    ),
    "garbage": EndpointFault("answers octets that are not HTTP, then closes", "protocol"),
    "not_xml": EndpointFault("answers 200 with a web page", "protocol"),
    "truncated": EndpointFault("closes in the middle of the answer's body", "protocol"),
    "huge": EndpointFault(f"answers a well-formed envelope of {HUGE_OCTETS} octets", "protocol"),
    "entity_bomb": EndpointFault("answers XML with a document type whose entities multiply", "protocol"),
    "lying_relates_to": EndpointFault("answers rightly, but relates to another message", "protocol"),
    "wrong_types": EndpointFault("sends words where numbers and booleans belong", "protocol"),
    "http_503": EndpointFault("the HTTP listener is up, the service behind it is stopped", "protocol"),
    "http_404": EndpointFault("the path is not there", "protocol"),
    "empty_500": EndpointFault("answers 500 without a body", "protocol"),
}

CERTIFICATES: dict[str, EndpointFault] = {
    "lab": EndpointFault("of the lab CA, names the host and its address: proves the DNS name", None),
    "address_only": EndpointFault(
        "of the lab CA, names the address alone: verifies when the address is the target, proves no DNS name", None
    ),
    "untrusted": EndpointFault("names the host, of a CA that nobody trusts", "tls"),
    "expired": EndpointFault("names the host, of the lab CA, not valid any more", "tls"),
    "wrong_name": EndpointFault("of the lab CA, names another host and another address", "tls"),
}


def expected_reason(host: LabHost) -> str | None:
    """Why a verifying client with the right credentials should give this host up; None where it should observe it."""
    if host.fault in ("refused", "blackhole"):
        return FAULTS[host.fault].reason
    if host.scheme == "https" and CERTIFICATES[host.certificate].reason:
        return CERTIFICATES[host.certificate].reason
    if host.fault == "root_sddl" and WIRE_FORMS[host.wire_form].root_sddl_401:
        return "authentication"
    return FAULTS[host.fault].reason if host.fault else None
