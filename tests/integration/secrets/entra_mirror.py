# SPDX-License-Identifier: GPL-3.0-or-later
"""A token service, Graph and managed identity endpoint that say back what they were told in confidence, wherever they can.

The tenant that is asked for is the way it is done: ``words.lab.example`` gets ``words``. Tokens carry the way on to Graph. What came in
(client secrets, assertions, identity headers) and what was given out (tokens, device codes) is written down, for the scanner to look for.
"""

from __future__ import annotations

import base64
import http.server
import itertools
import json
import secrets
import ssl
import threading
import uuid
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import parse_qs, parse_qsl, quote, urlsplit

from ansible_collections.keyward.bitlocker.tests.lab.pki import LabCA

DOMAIN = "mirror.example"
CLIENT_ID = "6f1b2a9c-0d3e-4f58-9b7a-1c2d3e4f5a6b"
#: made-up recovery passwords, sound ones, that stand where names, IDs and codes belong
RECOVERY = "112233-223344-334455-445566-556677-667788-112233-223355"
HIDDEN = "334455-445566-556677-667788-112233-223344-334466-445577"
#: the key that a reveal gets, also in every other member of the answer
REVEALED = "556677-667788-112233-223344-334455-445566-556688-667799"
#: what an App Service's endpoint is sent, by the environment
IDENTITY_HEADER = "0f1e2d3c-Mirror-Identity-8848"
KEY_ID = "1a2b3c4d-0000-4000-8000-00000000beef"
DEVICE_ID = "d0000000-0000-4000-8000-00000000cafe"

#: what the token service does, Graph being ordinary: never reached
SIGN_IN = ("refusal", "words", "page", "status", "redirect", "busy", "no_token", "lifetime", "list", "discovery")
#: what Graph does, tokens being given to everybody
GRAPH = (
    *("names", "links", "web", "away", "forms", "stream"),
    *(f"http{status}" for status in (400, 401, 403, 404, 429, 500)),
    *(f"word{status}" for status in (400, 401, 403, 500)),
)
#: what a reveal meets: the key among other things, another key, none, a refusal
REVEALS = ("key", "other", "nokey", "nothing")


def kinds_of_tenant(kind: str) -> str:
    """The tenant to name for a way."""
    return f"{kind.replace('_', '-')}.{DOMAIN}"


class EntraMirror:
    """Listening while it is a context manager; ``address`` is where, ``told`` what was said in confidence, by names for the scanner."""

    def __init__(self, authority: LabCA, address: str) -> None:
        self.address = address
        self.told: dict[str, str | bytes] = {}
        self.asked: list[tuple[str, str]] = []
        chain, key = authority.issue(addresses=[address])
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(chain, key)
        self._server = _Server((address, 443), _Conversation)
        self._server.mirror = self
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)
        self._numbers = itertools.count()
        self._lock = threading.Lock()

    @property
    def url(self) -> str:
        """Root of the token service and of Graph."""
        return f"https://{self.address}"

    def options(self, kind: str, **more: Any) -> dict[str, Any]:
        """Options of a task that meets this way; the credential is for the caller to add."""
        root = {"authority": self.url, "graph_url": self.url, "proxy": "none", "throttle_wait": 0}
        return {**root, "tenant": kinds_of_tenant(kind), "client_id": CLIENT_ID, **more}

    def note(self, what: str, value: str) -> str:
        """Write a secret down; the value, for use at once."""
        with self._lock:
            if len(value) >= 16 and value not in self.told.values():
                self.told[f"mirror's {what} {next(self._numbers)}"] = value
        return value

    def __enter__(self) -> EntraMirror:
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._server.shutdown()
        self._server.server_close()


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    mirror: EntraMirror

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that go away in the middle are part of the tests."""


def _spellings(values: Mapping[str, str]) -> str:
    """Everything that was said, in the spellings that a service might repeat it in, without a line break."""
    said = []
    for value in values.values():
        said += [value, quote(value, safe=""), base64.b64encode(value.encode()).decode(), json.dumps(value)[1:-1]]
    return " ".join(dict.fromkeys(said))


class _Conversation(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1
    server: _Server

    def log_message(self, format: str, *arguments: object) -> None:
        """Say nothing here."""

    def do_GET(self) -> None:
        """Discovery, Graph or a managed identity."""
        self._answer()

    def do_POST(self) -> None:
        """A token, or the begin of a sign-in by device code."""
        self._answer()

    def _answer(self) -> None:
        self._body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode("ascii", "replace")
        path = urlsplit(self.path).path
        said = dict(self._said())
        if path.startswith("/v1.0/"):
            kind = said["token"].split(".")[1] if said.get("token", "").count(".") == 2 else "names"
            self._note(f"graph {kind}")
            self._graph(kind, said)
        elif path.startswith("/identity"):
            self._note("identity")
            self._refuse(_spellings(said), 400, said.get("x-identity-header", ""))
        else:
            kind = path.split("/")[1].partition(".")[0].replace("-", "_")
            self._note(f"login {kind}")
            self._login(kind, path, said)

    def _note(self, what: str) -> None:
        self.server.mirror.asked.append((what, self.path))

    def _said(self) -> Iterator[tuple[str, str]]:
        """What came in confidence, written down."""
        note = self.server.mirror.note
        if bearer := self.headers.get("Authorization", "").removeprefix("Bearer "):
            yield "token", note("token", bearer)
        if header := self.headers.get("X-IDENTITY-HEADER", ""):
            yield "x-identity-header", note("identity header", header)
        for name, values in parse_qs(self._body).items():
            if name in ("client_secret", "client_assertion", "device_code", "refresh_token"):
                yield name, note(name, values[0])

    # --- the token service ----------------------------------------------------------------------------------------------------------

    def _login(self, kind: str, path: str, said: dict[str, str]) -> None:
        root = f"{self.server.mirror.url}/{path.split('/')[1]}"
        if path.endswith("/openid-configuration"):
            found = {"issuer": f"{root}/v2.0", "authorization_endpoint": f"{root}/authorize", "token_endpoint": f"{root}/token"}
            found["device_authorization_endpoint"] = f"{root}/devicecode"
            self._json(200, found | ({"token_endpoint": "https://elsewhere.example/token"} if kind == "discovery" else {}))
        elif path.endswith("/devicecode"):
            code = self.server.mirror.note("device code", f"kwlabdevice.{secrets.token_urlsafe(30)}")
            page = {"user_code": "ABCD1234", "verification_uri": "https://login.example/device", "message": f"enter {code}"}
            self._json(200, page | {"device_code": code, "expires_in": 60, "interval": 1})
        elif kind not in SIGN_IN:
            self._json(200, {"token_type": "Bearer", "expires_in": 3600, "access_token": self._token(kind)})
        else:
            self._refuse_sign_in(kind, _spellings(said), next(iter(said.values()), ""))

    def _token(self, kind: str) -> str:
        """Short enough to pass for a code or a request ID, which real ones are not."""
        return self.server.mirror.note("token", f"kwlabtoken.{kind}.{secrets.token_hex(16)}"[:64])

    def _refuse_sign_in(self, kind: str, said: str, plain: str) -> None:
        refusal: dict[str, Any] = {"error": plain, "error_description": f"AADSTS7000215: {said}", "correlation_id": plain}
        refusal |= {"error_codes": [said], "timestamp": said, "trace_id": plain, "suberror": plain, "error_uri": f"https://x/{said}"}
        answers: dict[str, Callable[[], None]] = {
            "refusal": lambda: self._refuse(said, 401, said),
            "words": lambda: self._json(400, refusal, {"x-ms-request-id": plain}),
            "page": lambda: self._send(200, f"<html><body>{said}</body></html>", "text/html"),
            "status": lambda: self._send(418, said, "text/plain", reason=said),
            "redirect": lambda: self._send(302, said, "text/html", {"Location": f"https://elsewhere.example/?{said}"}),
            "busy": lambda: self._send(429, said, "text/plain", {"Retry-After": plain}),
            "no_token": lambda: self._json(200, {"token_type": said, "access_token": said, "expires_in": 3600}),
            "lifetime": lambda: self._json(200, {"token_type": "Bearer", "access_token": self._token("names"), "expires_in": said}),
            "list": lambda: self._send(200, json.dumps([said]), "application/json"),
        }
        answers[kind]()

    def _refuse(self, said: str, status: int, plain: str) -> None:
        self._json(status, {"error": plain, "error_description": said, "message": said, "correlation_id": plain, "error_codes": [plain]})

    # --- Graph ----------------------------------------------------------------------------------------------------------------------

    def _graph(self, kind: str, said: dict[str, str]) -> None:
        plain, every = said.get("token", ""), _spellings(said)
        if kind.startswith(("http", "word")):
            self._refuse_request(int(kind[4:]), every if kind.startswith("http") else plain, every)
        elif kind == "web":
            self._send(200, f"<html><body>{every} {RECOVERY}</body></html>", "text/html")
        elif kind == "away":
            self._send(307, every, "text/html", {"Location": f"https://elsewhere.example/?{every}"})
        elif kind == "stream":
            self._send(200, f'{{"value": [{{"id": "{every} {RECOVERY}"', "application/json")
        elif KEY_ID in self.path:
            self._one_key(kind, plain)
        else:
            self._list(kind, plain, every)

    def _refuse_request(self, status: int, code: str, said: str) -> None:
        inner = {"request-id": code, "client-request-id": said, "date": said}
        error = {"code": code, "message": f"{said} {RECOVERY}", "innerError": inner, "target": said, "details": [{"code": said}]}
        claims = base64.b64encode(json.dumps({"access_token": {"nbf": {"essential": True, "value": said}}}).encode()).decode()
        headers = {"request-id": code, "x-ms-request-id": RECOVERY, "WWW-Authenticate": f'Bearer error="{code}", claims="{claims}"'}
        self._json(status, {"error": error}, headers | ({"Retry-After": code} if status == 429 else {}))

    def _list(self, kind: str, plain: str, every: str) -> None:
        page: dict[str, Any] = {"@odata.context": every, "value": []}
        if "/devices" in self.path:
            named = (plain, f"PC of {every}"[:1000], RECOVERY, HIDDEN.replace("-", ""), HIDDEN.replace("-", " "))
            page["value"] = [self._device(number, name) for number, name in enumerate(named)]
        elif "/recoveryKeys" in self.path:
            odd = [{"id": value, "deviceId": DEVICE_ID, "volumeType": value} for value in (RECOVERY, plain, HIDDEN.replace("-", ""))]
            key = {"id": KEY_ID, "deviceId": DEVICE_ID, "createdDateTime": RECOVERY, "volumeType": HIDDEN, "key": HIDDEN}
            page["value"] = [key, *(odd if kind in ("names", "forms") else [])]
        if kind == "links":
            token = dict(parse_qsl(urlsplit(self.path).query)).get("$skiptoken", "")
            page["@odata.nextLink"] = f"https://elsewhere.example/v1.0/devices?{plain}" if token else f"{self._here()}?$skiptoken={plain}"
        if kind == "forms":
            page["value"].append(every)
        self._json(200, page)

    def _here(self) -> str:
        return f"{self.server.mirror.url}{urlsplit(self.path).path}"

    def _device(self, number: int, name: str) -> dict[str, Any]:
        device_id = DEVICE_ID if number == 0 else str(uuid.UUID(int=number, version=4))
        object_id = str(uuid.UUID(int=number + 100, version=4))
        system = {"operatingSystem": "Windows", "trustType": "AzureAd", "accountEnabled": True}
        times = {"approximateLastSignInDateTime": "2026-11-20T00:00:00Z", "registrationDateTime": name}
        return {"id": object_id, "deviceId": device_id, "displayName": name, **system, **times, "extra": name}

    def _one_key(self, kind: str, plain: str) -> None:
        answer = {"id": KEY_ID, "deviceId": DEVICE_ID, "createdDateTime": "2026-11-20T00:00:00Z", "volumeType": REVEALED}
        if "select=key" in self.path and kind != "nokey":
            answer["key"] = REVEALED if kind != "nothing" else ""
        if kind == "other" and "select=key" in self.path:
            answer["id"] = REVEALED
        self._json(200, answer | {"note": f"{plain} {REVEALED}"}, {"request-id": REVEALED})

    # --- the wire -------------------------------------------------------------------------------------------------------------------

    def _json(self, status: int, body: Any, headers: Mapping[str, str] | None = None) -> None:
        self._send(status, json.dumps(body), "application/json", headers)

    def _send(self, status: int, text: str, kind: str, headers: Mapping[str, str] | None = None, *, reason: str | None = None) -> None:
        content = text.encode()
        self.send_response_only(status, reason)
        given = {"Content-Type": kind, "Content-Length": str(len(content)), **(headers or {})}
        for name, value in given.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)


#: secrets that the mirror has from the beginning
OWN = {"mirror's name": RECOVERY, "mirror's hidden name": HIDDEN, "mirror's key": REVEALED, "mirror's identity header": IDENTITY_HEADER}
