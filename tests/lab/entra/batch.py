# SPDX-License-Identifier: GPL-3.0-or-later
"""POST /$batch: up to twenty requests in one, answered in another order, each with its own status and headers (Graph's "JSON batching")."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from typing import Any

from ..hosts.http import HttpRequest
from .odata import Query, bad_request, not_allowed
from .request import GraphRequest
from .tokens import Token
from .wire import Answer, json_answer

MOST = 20
_METHODS = frozenset({"GET", "POST", "PATCH", "PUT", "DELETE"})
_MEMBERS = frozenset({"id", "method", "url", "headers", "body", "dependsOn"})
Serve = Callable[[GraphRequest, str], Answer]


class Batch:
    """Takes a batch apart.

    Args:
        serve: answers one entry; gets the request and its query as it came. Raises nothing.
    """

    def __init__(self, serve: Serve) -> None:
        self._serve = serve
        self._rng = random.Random("batch")

    def handle(self, request: HttpRequest, version: str, token: Token) -> Answer:
        """The answer to an envelope.

        Raises:
            RefusalError: the envelope is malformed, which refuses all of it.
        """
        if request.method != "POST":
            raise not_allowed("POST")
        entries = _entries(request)
        done: dict[str, int] = {}
        responses = []
        for entry in entries:
            answer = self._one(entry, version, token, done)
            done[entry["id"].lower()] = answer["status"]
            responses.append(answer)
        self._rng.shuffle(responses)
        return json_answer(200, {"responses": responses}, content_type="application/json")

    def _one(self, entry: dict[str, Any], version: str, token: Token, done: dict[str, int]) -> dict[str, Any]:
        failed = [name for name in entry.get("dependsOn", ()) if done[name.lower()] >= 400]
        if failed:
            return {"id": entry["id"], "status": 424, "headers": {}, "body": _error("FailedDependency", f"Request {failed[0]} failed.")}
        url = entry["url"] if entry["url"].startswith("/") else "/" + entry["url"]
        path, _unused, query = url.partition("?")
        made = GraphRequest(
            method=entry["method"],
            version=version,
            path=path.removesuffix("/"),
            query=Query({}),
            # headers of the envelope do not count for an entry
            headers={name.lower(): str(value) for name, value in entry.get("headers", {}).items()},
            token=token,
            batch=entry["id"],
        )
        answer = self._serve(made, query.replace(" ", "%20"))
        headers = {"Content-Type": answer.content_type, **answer.headers}
        return {"id": entry["id"], "status": answer.status, "headers": headers, "body": json.loads(answer.body) if answer.body else None}


def _error(code: str, message: str) -> dict[str, Any]:
    return {"error": {"code": code, "message": message}}


def _entries(request: HttpRequest) -> list[dict[str, Any]]:
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise bad_request("A batch needs the content type application/json.")
    try:
        envelope = json.loads(request.body)
    except ValueError as error:
        raise bad_request("The batch is no JSON.") from error
    entries = envelope.get("requests") if isinstance(envelope, dict) else None
    if not isinstance(entries, list) or not 1 <= len(entries) <= MOST:
        raise bad_request(f"A batch has a list of 1 to {MOST} requests.")
    known: set[str] = set()
    for entry in entries:
        _check(entry, known)
        known.add(entry["id"].lower())
    return entries


def _check(entry: Any, known: set[str]) -> None:
    if not isinstance(entry, dict) or not _MEMBERS.issuperset(entry):
        raise bad_request("An entry of the batch has another form.")
    if not all(isinstance(entry.get(name), str) and entry[name] for name in ("id", "method", "url")):
        raise bad_request("An entry of the batch lacks id, method or url.")
    if entry["id"].lower() in known:
        raise bad_request("An ID of the batch occurs twice.")
    if entry["method"] not in _METHODS or "://" in entry["url"] or "$batch" in entry["url"]:
        raise bad_request("An entry's method or URL is not one that a batch may have.")
    headers, depends = entry.get("headers", {}), entry.get("dependsOn", [])
    if not isinstance(headers, dict) or not isinstance(depends, list):
        raise bad_request("An entry's headers or dependsOn have another form.")
    if not all(isinstance(name, str) and name.lower() in known for name in depends):
        raise bad_request("dependsOn names an entry that does not come before.")
    if "body" in entry and "content-type" not in {name.lower() for name in headers}:
        raise bad_request("A body needs Content-Type in its entry's headers.")
