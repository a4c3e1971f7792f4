# SPDX-License-Identifier: GPL-3.0-or-later
"""Records to a syslog: which addresses there are, what is sent, and what happens where it is not taken."""

from __future__ import annotations

import json
import re
import socket
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._ansible import audit_syslog, disclosure
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._ansible.audit_failures import AuditError
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._ansible.audit_syslog import send, syslog_address
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._ansible.disclosure import Disclosure
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.audit_reading import ChainReader
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.redaction import Secret

NOW = datetime(2026, 3, 2, 20, 0, tzinfo=UTC)
VALUE = "111111-222222-333333-444444-555555-666666-111111-222222"
ABOUT = {"key_id": "00000000-0000-4000-8000-000000000001", "owner": "PC01", "source": "ad"}


@pytest.fixture(autouse=True)
def _nothing_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("KEYWARD_AUDIT_FILE", "KEYWARD_AUDIT_SYSLOG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(disclosure, "_FILES", {})


@pytest.fixture
def service(tmp_path: Path) -> Iterator[tuple[str, socket.socket]]:
    """A local log service."""
    path = tmp_path / "log"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as made:
        made.bind(str(path))
        made.settimeout(5)
        yield str(path), made


class Receiver:
    """A log service over TCP that keeps what comes; ``abrupt``: it drops each connection at once."""

    def __init__(self, *, abrupt: bool = False) -> None:
        self.received: list[bytes] = []
        self._abrupt = abrupt
        self._server = socket.create_server(("127.0.0.1", 0))
        self.address = f"tcp://127.0.0.1:{self._server.getsockname()[1]}"
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _peer = self._server.accept()
            except OSError:
                return
            with connection:
                if self._abrupt:
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                    continue
                parts = []
                while part := connection.recv(65536):
                    parts.append(part)
                self.received.append(b"".join(parts))

    def close(self) -> None:
        self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        self._thread.join(5)


def gate(**more: Any) -> Disclosure:
    return Disclosure(**({"reason": "INC-1", "who": "operator", "task": "T", "clock": lambda: NOW} | more))


@pytest.mark.parametrize(
    ("option", "address"),
    [
        (None, None),
        ("", None),
        ("false", None),
        ("True", "/dev/log"),
        ("yes", "/dev/log"),
        ("/run/log/keyward", "/run/log/keyward"),
        ("tcp://log.corp.example:6514", "tcp://log.corp.example:6514"),
        ("tcp://[2001:db8::1]:601", "tcp://[2001:db8::1]:601"),
    ],
)
def test_addresses(option: str | None, address: str | None) -> None:
    assert syslog_address(option) == address


@pytest.mark.parametrize("option", ["log.corp.example", "udp://x:1", "tcp://x", "tcp://x:0", "tcp://x:70000", "tcp://a b:1", "http://x:1"])
def test_what_is_no_address_gives_no_key(option: str) -> None:
    with pytest.raises(AuditError, match=r"neither true nor the path of a socket nor tcp://host:port; no key was handed out"):
        gate(audit_syslog=option).disclose(Secret(VALUE), **ABOUT)


def test_a_local_service_gets_each_record_before_the_key_is_given(service: tuple[str, socket.socket]) -> None:
    path, receiver = service
    made = gate(audit_syslog=path)
    assert made.disclose(Secret(VALUE), **ABOUT) == VALUE
    assert made.disclose(Secret(VALUE), **ABOUT) == VALUE
    messages = [receiver.recv(65536) for _number in range(3)]
    heads = [re.fullmatch(rb"(<85>Mar  2 \d\d:00:00 keyward\[\d+\]: )(.*)", message) for message in messages]
    lines = [head[2] + b"\n" for head in heads if head]
    assert len(lines) == 3
    reading = ChainReader().read(lines)
    assert (reading.intact, reading.records) == (True, 3)
    assert VALUE.encode() not in b"".join(messages)


def test_tcp_messages_are_framed_as_rfc_6587_has_it() -> None:
    receiver = Receiver()
    try:
        assert gate(audit_syslog=receiver.address).disclose(Secret(VALUE), **ABOUT) == VALUE
    finally:
        receiver.close()
    (stream,) = receiver.received
    messages = []
    while stream:
        length, _space, stream = stream.partition(b" ")
        messages.append(stream[: int(length)])
        stream = stream[int(length) :]
    assert len(messages) == 2
    for message in messages:
        head = re.match(rb"<85>1 2026-03-02T20:00:00\.000Z [!-~]+ keyward \d+ disclosure - ", message)
        assert head
        assert json.loads(message[head.end() :])["schema_version"] == 1


def test_a_service_that_drops_the_connection_took_nothing() -> None:
    receiver = Receiver(abrupt=True)
    try:
        # whether the reset comes while sending or while waiting for the end is up to the kernel
        with pytest.raises(AuditError, match="no key was handed out"):
            send(receiver.address, [b"x" * 100_000], now=NOW)
    finally:
        receiver.close()


def test_a_service_that_never_ends_the_conversation_is_not_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit_syslog, "SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent, pytest.raises(AuditError, match="did not take it within"):
        send(f"tcp://127.0.0.1:{silent.getsockname()[1]}", [b"{}"], now=NOW)


def test_where_nobody_listens_there_is_no_key(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    for address in (str(tmp_path / "none"), f"tcp://127.0.0.1:{port}"):
        with pytest.raises(AuditError, match="no log service listens there; no key was handed out"):
            gate(audit_syslog=address).disclose(Secret(VALUE), **ABOUT)


def test_a_record_that_is_too_long_for_the_service_gives_no_key(service: tuple[str, socket.socket]) -> None:
    path, _receiver = service
    with pytest.raises(AuditError, match="longer than the log service takes"):
        send(path, [b"x" * 10_000_000], now=NOW)


def test_beside_a_file_a_service_that_is_down_is_a_warning(tmp_path: Path) -> None:
    said: list[str] = []
    path = tmp_path / "audit.jsonl"
    made = gate(audit_file=str(path), audit_syslog=str(tmp_path / "none"), warn=said.append)
    assert made.disclose(Secret(VALUE), **ABOUT) == VALUE
    assert said == [f"The audit record is in {path}, but not in syslog ({tmp_path / 'none'}): no log service listens there."]


def test_a_file_that_fails_is_not_made_good_by_a_service(tmp_path: Path, service: tuple[str, socket.socket]) -> None:
    address, _receiver = service
    with pytest.raises(AuditError, match="it is a folder; no key was handed out"):
        gate(audit_file=str(tmp_path), audit_syslog=address).disclose(Secret(VALUE), **ABOUT)


def test_beside_a_file_the_service_gets_the_same_lines(tmp_path: Path, service: tuple[str, socket.socket]) -> None:
    address, receiver = service
    path = tmp_path / "audit.jsonl"
    gate(audit_file=str(path), audit_syslog=address).disclose(Secret(VALUE), **ABOUT)
    sent = [receiver.recv(65536).partition(b": ")[2] for _number in range(2)]
    assert sent == path.read_bytes().splitlines()


def test_without_a_file_a_gate_counts_its_own_keys(service: tuple[str, socket.socket]) -> None:
    now = [NOW]
    made = gate(audit_syslog=service[0], max_reveals=2, clock=lambda: now[0])
    for _number in range(2):
        made.disclose(Secret(VALUE), **ABOUT)
    with pytest.raises(AuditError, match="2 keys were handed out to operator within an hour, by this task, and max_reveals is 2"):
        made.disclose(Secret(VALUE), **ABOUT)
    now[0] = NOW + timedelta(hours=1)
    assert made.disclose(Secret(VALUE), **ABOUT) == VALUE


def test_without_a_file_the_lookups_of_a_task_count_together(service: tuple[str, socket.socket], monkeypatch: pytest.MonkeyPatch) -> None:
    """Each item of a loop makes a lookup, and each lookup a gate."""
    monkeypatch.setattr(disclosure, "_OF_LOOKUPS", {})
    params = {"reason": "INC-1", "audit_syslog": service[0], "max_reveals": 2}
    for _item in range(2):
        disclosure.lookup_disclosure({}, params, "recovery_key").disclose(Secret(VALUE), **ABOUT)
    with pytest.raises(AuditError, match="2 keys were handed out"):
        disclosure.lookup_disclosure({}, params, "recovery_key").prepare(1)
    with pytest.raises(AuditError, match="2 keys were handed out"):
        disclosure.lookup_disclosure({}, params, "recovery_key").disclose(Secret(VALUE), **ABOUT)
    sent = [service[1].recv(65536).partition(b": ")[2] + b"\n" for _message in range(3)]
    assert ChainReader().read(sent).intact, "one chain"


def test_a_service_that_talks_without_end_is_not_listened_to_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit_syslog, "SECONDS", 0.2)
    over = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:

        def babble() -> None:
            connection, _peer = server.accept()
            with connection:
                while not over.wait(0.02):
                    connection.sendall(b"x")

        speaker = threading.Thread(target=babble, daemon=True)
        speaker.start()
        watchdog = threading.Timer(5, over.set)
        watchdog.start()
        try:
            with pytest.raises(AuditError, match="did not take it within"):
                send(f"tcp://127.0.0.1:{server.getsockname()[1]}", [b"{}"], now=NOW)
        finally:
            watchdog.cancel()
            over.set()
            speaker.join(5)
