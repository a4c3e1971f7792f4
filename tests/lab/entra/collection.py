# SPDX-License-Identifier: GPL-3.0-or-later
"""Collections in pages: prepared entries, opaque skip tokens that belong to one query, and next links in every form they may take."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
import threading
import urllib.parse
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from .behaviour import Behaviour
from .odata import Query, bad_request
from .wire import json_bytes

_KEPT = 32


class Prepared:
    """Entries as JSON, made once for each choice of properties and each revision of what they are made from."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: OrderedDict[tuple[Any, ...], list[bytes]] = OrderedDict()

    def get(self, key: tuple[Any, ...], make: Callable[[], list[bytes]]) -> list[bytes]:
        """The entries kept under a key."""
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        made = make()
        with self._lock:
            self._kept[key] = made
            while len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
        return made


@dataclass(frozen=True)
class Place:
    """Where a page begins; ``empty``: it is a page without entries before that place."""

    offset: int = 0
    page: int = 0
    empty: bool = False
    advanced: bool = False


class Pager:
    """Writes pages of one Graph version and reads their skip tokens.

    Args:
        base: https root of the Graph.
    """

    def __init__(self, base: str, behaviour: Behaviour) -> None:
        #: https root of the Graph
        self.base = base
        self._behaviour = behaviour
        self._key = secrets.token_bytes(32)

    def place(self, path: str, query: Query) -> Place:
        """Where the page of a request begins.

        Raises:
            RefusalError: the skip token is not one that was given out for this very query.
        """
        text = query.get("$skiptoken")
        if text is None:
            return Place()
        payload, dot, seal = text.rpartition(".")
        if not dot or not hmac.compare_digest(seal.encode(), self._seal(payload, path, query).encode()):
            raise bad_request("The skip token is not valid for this query.", "Directory_ExpiredPageToken")
        return Place(*json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4))))

    def page(
        self,
        path: str,
        query: Query,
        place: Place,
        entries: Sequence[bytes],
        size: int,
        *,
        context: str,
        extra: dict[str, Any] | None = None,
    ) -> bytes:
        """The body of a page; ``extra`` are annotations before the entries."""
        behaviour = self._behaviour
        start = place.offset
        end = start if place.empty else min(len(entries), start + size)
        # what the page before ended with
        first = max(0, start - 1) if behaviour.duplicates and not place.empty else start
        head: dict[str, Any] = {"@odata.context": f"{self.base}/{context}", **(extra or {})}
        more = end < len(entries) or (behaviour.next_link in ("loop", "endless") and len(entries) > 0)
        if behaviour.extra_members:
            head["@microsoft.graph.tips"] = "Use $select to choose only the properties your app needs."
        if more:
            empty_next = behaviour.empty_pages and not place.empty
            following = Place(end, place.page + 1, empty_next, place.advanced)
            if behaviour.next_link == "loop" and place.page >= 1:
                following = Place(0 if end >= len(entries) else start, place.page, False, place.advanced)
            head["@odata.nextLink"] = self._link(path, query, following)
        rendered = json_bytes(head)
        return b"".join((rendered[:-1], b',"value":[', b",".join(entries[first:end]), b"]}"))

    def _link(self, path: str, query: Query, place: Place) -> Any:
        payload = (
            base64.urlsafe_b64encode(json.dumps([place.offset, place.page, place.empty, place.advanced]).encode()).decode().rstrip("=")
        )
        token = f"{payload}.{self._seal(payload, path, query)}"
        options = {**{name: value for name, value in query.options.items() if name != "$skiptoken"}, "$skiptoken": token}
        encoded = "&".join(f"{name}={urllib.parse.quote(value, safe='$,()/:')}" for name, value in options.items())
        return self._disguise(f"{self.base}{path}?{encoded}")

    def _disguise(self, link: str) -> Any:
        kind = self._behaviour.next_link
        rest = link.removeprefix(self.base)
        host = self.base.removeprefix("https://")
        bare = host.partition(":")[0]
        forms: dict[str, Any] = {
            "foreign": f"https://{self._behaviour.foreign_host}{rest}",
            "http": f"http://{host}{rest}",
            "other_port": f"https://{bare}:9{rest}",
            "other_version": self.base + rest.replace("/v1.0/", "/v2.0/", 1).replace("/beta/", "/v2.0/", 1),
            "credentials": f"https://{host}@{self._behaviour.foreign_host}{rest}",
            "relative": rest,
            "number": 4711,
        }
        return forms.get(kind, link)

    def _seal(self, payload: str, path: str, query: Query) -> str:
        options = sorted((name, value) for name, value in query.options.items() if name != "$skiptoken")
        text = json.dumps([payload, path, options])
        return hmac.new(self._key, text.encode(), hashlib.sha256).hexdigest()[:32]


def context_of(version: str, path: str, select: tuple[str, ...] | None, *, one: bool = False) -> str:
    """What ``@odata.context`` says below the root: which list, which of its members, one object of it (OData JSON Format 4.01, 10)."""
    chosen = f"({','.join(select)})" if select else ""
    return f"{version}/$metadata#{path.removeprefix('/')}{chosen}" + ("/$entity" if one else "")


def typed(kind: str, behaviour: Behaviour) -> dict[str, Any]:
    """The annotation that names an object's type, where it is given."""
    return {"@odata.type": f"#microsoft.graph.{kind}"} if behaviour.typed else {}


def shaped(entity: dict[str, Any], select: tuple[str, ...] | None, kind: str, behaviour: Behaviour) -> dict[str, Any]:
    """An entity with the chosen properties, and what the service adds unasked."""
    made = typed(kind, behaviour)
    if select is None:
        made |= entity
    else:
        made |= {name: entity[name] for name in select if name in entity}
    if behaviour.extra_members:
        made |= {"@odata.id": f"{kind}s('x')", "extension_0123456789abcdef_labMember": "</script><b>=1+1"}
    return made
