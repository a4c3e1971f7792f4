# SPDX-License-Identifier: GPL-3.0-or-later
"""What a lab host saw, as JSON lines: one for each connection and one for each exchange. Never a body, never a credential."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any


@dataclass
class Exchange:
    """One HTTP request with its answer; sizes are in octets and include the HTTP heads, not TLS.

    ``operation`` is Enumerate, Pull, Release, Get, Invoke, or the shell's Create, Command, Send, Receive, Signal, Delete.
    ``auth_exchange``: this exchange only negotiated (401, or an empty message); it carried no SOAP message that was answered.
    ``fault`` is the code of the fault answered with, ``query`` the WQL text of an Enumerate.
    """

    connection: int
    request: int
    http_method: str = ""
    path: str = ""
    status: int = 0
    operation: str | None = None
    action: str | None = None
    resource: str | None = None
    class_name: str | None = None
    method: str | None = None
    query: str | None = None
    selectors: list[str] = field(default_factory=list)
    fault: int | None = None
    bytes_in: int = 0
    bytes_out: int = 0
    auth_exchange: bool = False
    encrypted: bool = False
    account: str | None = None


class Recorder:
    """Writes one host's log; shared by the threads of its connections."""

    def __init__(self, path: Path, host: str) -> None:
        self._host = host
        self._lock = threading.Lock()
        self._stream = path.open("a", encoding="utf-8")
        self._connections = 0

    def connected(self) -> int:
        """Note a TCP connection; its number, from 1."""
        with self._lock:
            self._connections += 1
            number = self._connections
        self._write({"event": "connection", "connection": number})
        return number

    def tls_failed(self, connection: int, why: str) -> None:
        """Note a TLS handshake that did not succeed."""
        self._write({"event": "tls_failed", "connection": connection, "why": why})

    def exchange(self, exchange: Exchange) -> None:
        """Note an exchange."""
        self._write({"event": "exchange", **asdict(exchange)})

    def close(self) -> None:
        """Close the file; later notes are dropped."""
        with self._lock:
            self._stream.close()

    def _write(self, row: dict[str, Any]) -> None:
        line = json.dumps({"time": datetime.now(UTC).isoformat(), "host": self._host, **row}) + "\n"
        with self._lock:
            if not self._stream.closed:
                self._stream.write(line)
                self._stream.flush()


def read_log(log_dir: Path, host: str) -> Iterator[dict[str, Any]]:
    """The lines of one host's log (inventory name); nothing where it was never spoken to."""
    path = log_path(log_dir, host)
    if path.exists():
        with path.open(encoding="utf-8") as stream:
            yield from map(json.loads, stream)


def log_path(log_dir: Path, host: str) -> Path:
    """Where the log of a host lies."""
    return log_dir / f"{host}.jsonl"


@dataclass
class Summary:
    """What one host saw in all; ``requests`` counts SOAP messages (authentication exchanges apart), octets count every exchange."""

    connections: int = 0
    tls_failures: int = 0
    requests: int = 0
    auth_exchanges: int = 0
    shells: int = 0
    bytes_in: int = 0
    bytes_out: int = 0
    operations: Counter[str] = field(default_factory=Counter)
    methods: Counter[str] = field(default_factory=Counter)
    faults: Counter[int] = field(default_factory=Counter)


def summarize(log_dir: Path, host: str) -> Summary:
    """Count one host's log."""
    found = Summary()
    for row in read_log(log_dir, host):
        if row["event"] == "connection":
            found.connections += 1
        elif row["event"] == "tls_failed":
            found.tls_failures += 1
        else:
            _count(found, row)
    return found


def _count(found: Summary, row: dict[str, Any]) -> None:
    found.bytes_in += row["bytes_in"]
    found.bytes_out += row["bytes_out"]
    if row["auth_exchange"]:
        found.auth_exchanges += 1
        return
    found.requests += 1
    found.shells += row["operation"] == "Create"
    if row["operation"]:
        found.operations[row["operation"]] += 1
    if row["method"]:
        found.methods[row["method"]] += 1
    if row["fault"] is not None:
        found.faults[row["fault"]] += 1
