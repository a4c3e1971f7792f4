# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""Audit records to a syslog: a local socket, or RFC 5424 messages over TCP, each with its length before it (RFC 6587 3.4.1).

What this proves: the local socket took the datagram, or the kernel of this machine took the bytes for a connection that was open. Syslog
has no receipt (RFC 6587 says so of TCP), so whether the record was kept, only the log service can tell.
"""

from __future__ import annotations

import errno
import os
import re
import socket
from datetime import UTC, datetime
from time import monotonic
from typing import Final

from . import audit_failures as failures

LOCAL: Final = "/dev/log"
#: facility authpriv (10), severity notice (5): RFC 5424 6.2.1
PRIORITY: Final = 10 * 8 + 5
APPLICATION: Final = "keyward"
SECONDS = 5.0
#: in English, whatever the locale
_MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
_TRUE = frozenset({"true", "yes", "on", "1"})
_FALSE = frozenset({"false", "no", "off", "0", ""})
_TCP = re.compile(r"tcp://(?:\[([0-9A-Fa-f:.]+)\]|([^\[\]/:\s]+)):([0-9]{1,5})/?", re.ASCII)


def syslog_address(option: str | None) -> str | None:
    """Where to send to: None for nowhere, a socket's path, or ``tcp://host:port``.

    Raises:
        AuditError: it is none of them.
    """
    text = (option or "").strip()
    if text.lower() in _FALSE:
        return None
    if text.lower() in _TRUE:
        return LOCAL
    if text.startswith("/") or _target(text) is not None:
        return text
    raise failures.syslog_failure(text[:200], "it is neither true nor the path of a socket nor tcp://host:port")


def _target(address: str) -> tuple[str, int] | None:
    found = _TCP.fullmatch(address)
    return (found[1] or found[2], int(found[3])) if found and 0 < int(found[3]) < 65536 else None


def send(address: str, lines: list[bytes], *, now: datetime) -> None:
    """Send lines, one message each.

    Raises:
        AuditError: not all of them were accepted.
    """
    try:
        target = _target(address)
        if target is None:
            _send_local(address, [_local(line, now) for line in lines])
        else:
            _send_tcp(target, [_framed(line, now) for line in lines])
    except OSError as error:
        raise failures.syslog_failure(address, _meaning(error)) from error


def _meaning(error: OSError) -> str:
    if error.errno in (errno.ENOENT, errno.ECONNREFUSED):
        return "no log service listens there"
    if error.errno == errno.EMSGSIZE:
        return "the record is longer than the log service takes"
    if isinstance(error, TimeoutError) or error.errno in (errno.EAGAIN, errno.ENOBUFS):
        return f"the log service did not take it within {SECONDS:.0f} seconds"
    return error.strerror or type(error).__name__


def _local(line: bytes, now: datetime) -> bytes:
    """As the C library writes it to the local socket: RFC 3164 without a host."""
    moment = now.astimezone()
    time = f"{_MONTHS[moment.month - 1]} {moment.day:2d} {moment:%H:%M:%S}"
    return f"<{PRIORITY}>{time} {APPLICATION}[{os.getpid()}]: ".encode("ascii") + line


def _send_local(path: str, messages: list[bytes]) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as local:
        local.settimeout(SECONDS)
        local.connect(path)
        for message in messages:
            if local.send(message) != len(message):
                raise OSError(errno.EMSGSIZE, "cut")


def _framed(line: bytes, now: datetime) -> bytes:
    """An RFC 5424 message: priority, version, time, host, application, process, message ID, no structured data."""
    host = re.sub(r"[^!-~]", "", socket.gethostname())[:255] or "-"
    time = now.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    message = f"<{PRIORITY}>1 {time} {host} {APPLICATION} {os.getpid()} disclosure - ".encode("ascii") + line
    return f"{len(message)} ".encode("ascii") + message


def _send_tcp(target: tuple[str, int], messages: list[bytes]) -> None:
    with socket.create_connection(target, timeout=SECONDS) as connection:
        connection.sendall(b"".join(messages))
        connection.shutdown(socket.SHUT_WR)
        # the other side's end: a service that drops the connection at once shows here, not always before
        deadline = monotonic() + SECONDS
        while connection.recv(4096):
            if monotonic() > deadline:
                raise TimeoutError
