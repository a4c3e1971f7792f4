# SPDX-License-Identifier: GPL-3.0-or-later
"""The tenant as a process of its own, its faults, and what comes in malformed."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from ansible_collections.keyward.bitlocker.tests.lab.entra.devices import FILTERS, entity_of
from ansible_collections.keyward.bitlocker.tests.lab.entra.odata import FilterError, RefusalError, parse_filter, parse_query
from ansible_collections.keyward.bitlocker.tests.lab.pki import LabCA
from ansible_collections.keyward.bitlocker.tests.lab.serialize import to_json
from ansible_collections.keyward.bitlocker.tests.unit.lab.entra.tenants import Lab, tenant
from hypothesis import given, settings
from hypothesis import strategies as st

MODULE = "ansible_collections.keyward.bitlocker.tests.lab.entra"
TREE = Path(__file__).resolve().parents[4] / ".collections"
Start = Callable[..., tuple[subprocess.Popen[str], dict[str, str]]]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts the process; gives it and what its ready file says."""
    running: list[subprocess.Popen[str]] = []

    def make(*arguments: str) -> tuple[subprocess.Popen[str], dict[str, str]]:
        estate, ready = tmp_path / "estate.json", tmp_path / "ready"
        estate.write_text(to_json(tenant()), encoding="utf-8")
        command = [sys.executable, "-m", MODULE, "--estate", str(estate), "--ca", str(tmp_path / "ca"), "--listen", "127.0.89.1"]
        command += ["--port", "0", "--identity-port", "0", "--logs", str(tmp_path / "logs"), "--ready", str(ready), *arguments]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": str(TREE)})
        running.append(process)
        deadline = time.monotonic() + 30
        while not ready.exists():
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.02)
        said: dict[str, str] = json.loads(ready.read_text(encoding="utf-8"))
        return process, said

    yield make
    for process in running:
        process.kill()
        process.wait()
        if process.stdout:
            process.stdout.close()


def ask(url: str, ca: str | bool = True) -> requests.Response:
    """One GET that the environment has no say in."""
    with requests.Session() as session:
        session.trust_env = False
        return session.get(url, verify=ca, timeout=10)


def test_it_listens_and_stops_when_told(start: Start, tmp_path: Path) -> None:
    process, said = start()
    ca = str(LabCA(tmp_path / "ca").ca_pem)
    assert ask(f"{said['authority']}/v2.0/.well-known/openid-configuration", ca).status_code == 200
    assert ask(f"{said['identity_url']}/metadata/identity/oauth2/token").status_code == 400
    assert (tmp_path / "ready").stat().st_mode & 0o077 == 0
    process.send_signal(signal.SIGTERM)
    assert process.wait(10) == 0
    with pytest.raises(requests.exceptions.ConnectionError):
        ask(said["url"], ca)


def test_a_tenant_that_is_down_refuses_connections(start: Start, tmp_path: Path) -> None:
    process, said = start("--fault", "entra_down")
    with pytest.raises(requests.exceptions.ConnectionError):
        ask(said["url"], str(LabCA(tmp_path / "ca").ca_pem))
    process.send_signal(signal.SIGTERM)
    assert process.wait(10) == 0


def test_a_throttled_tenant_gives_tokens_and_nothing_else(start: Start, tmp_path: Path) -> None:
    _process, said = start("--fault", "entra_throttled")
    ca = str(LabCA(tmp_path / "ca").ca_pem)
    assert ask(f"{said['authority']}/v2.0/.well-known/openid-configuration", ca).status_code == 200
    for _unused in range(3):
        answer = ask(f"{said['url']}/v1.0/devices", ca)
        assert (answer.status_code, answer.headers["Retry-After"]) == (429, "1")


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=80) | st.from_regex(r"(not |\(|displayName |eq |'x' |null |and |or |startsWith\(|in |,|\)){1,12}", fullmatch=True))
def test_any_text_is_a_filter_or_is_none(text: str) -> None:
    try:
        found = parse_filter(text, FILTERS)
    except FilterError:
        return
    assert found.holds(_ROW) in (True, False)


_ROW = entity_of(tenant().entra_devices[0])


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet=st.characters(codec="latin-1"), max_size=60))
def test_any_text_is_a_query_or_is_none(text: str) -> None:
    try:
        found = parse_query(text)
    except RefusalError:
        return
    assert all(isinstance(value, str) for value in found.options.values())


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"GET /v1.0/devices HTTP/1.0\r\n\r\n", 505),
        (b"nonsense\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: HOST\r\nTransfer-Encoding: chunked\r\n\r\n", 411),
        (b"POST / HTTP/1.1\r\nHost: HOST\r\nContent-Length: 99999999999\r\n\r\n", 413),
        (b"GET /nothing HTTP/1.1\r\nHost: HOST\r\n\r\n", 404),
    ],
)
def test_requests_that_are_none(lab: Callable[..., Lab], sent: bytes, status: int) -> None:
    made = lab()
    host = made.endpoint.identity_url.removeprefix("http://").encode()
    with socket.create_connection((made.endpoint.address, made.endpoint.identity_port), timeout=10) as connection:
        connection.sendall(sent.replace(b"HOST", host))
        assert connection.recv(4096).split(b" ")[1] == str(status).encode()


def test_a_batch_of_anything_is_answered(lab: Callable[..., Lab]) -> None:
    made = lab()
    headers = {"Authorization": f"Bearer {made.token()}", "Content-Type": "application/json"}
    bodies: list[Any] = [b"", b"[]", b"null", b'{"requests":{}}', b'{"requests":[null]}', b"\xff", b'{"requests":[{"id":"1","method":"GET"']
    for body in bodies:
        answer = made.session.post(f"{made.endpoint.url}/v1.0/$batch", data=body, headers=headers)
        assert answer.status_code == 400
        assert answer.json()["error"]["code"]
