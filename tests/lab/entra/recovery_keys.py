# SPDX-License-Identifier: GPL-3.0-or-later
"""/informationProtection/bitlocker/recoveryKeys: the list, one key's metadata, and the key itself (bitlockerRecoveryKey, v1.0 and beta)."""

from __future__ import annotations

import re
import uuid
from typing import Any

from ..model import LabEntraKey
from .collection import Pager, Prepared, context_of, shaped
from .odata import Query, bad_request
from .request import GraphRequest, forbidden, guid, not_found, zulu
from .tenant import Tenant
from .wire import GRAPH_JSON, Answer, json_answer, json_bytes

PATH = "/informationProtection/bitlocker/recoveryKeys"
READ_BASIC, READ = "BitlockerKey.ReadBasic.All", "BitlockerKey.Read.All"
CODE = "authorization_error"
KIND = "bitlockerRecoveryKey"
PROPERTIES = dict.fromkeys(("id", "createdDateTime", "deviceId", "volumeType", "key"))
_VOLUME_TYPES = {1: "operatingSystemVolume", 2: "fixedDataVolume", 3: "removableDataVolume", 4: "unknownFutureValue"}
_BY_DEVICE = re.compile(r"deviceId eq '([^']*)'")
#: options that a client may send by habit and that the type declares unsupported
_IGNORABLE = frozenset({"$top", "$orderby", "$count", "$skip", "$expand", "$search"})
_HEADERS = ("user-agent", "ocp-client-name", "ocp-client-version")
_FRACTIONS = (0, 7, 2)


class RecoveryKeys:
    """Answers for the recovery keys of one tenant."""

    def __init__(self, tenant: Tenant, pager: Pager) -> None:
        self._tenant = tenant
        self._pager = pager
        self._prepared = Prepared()
        self._index: tuple[int, dict[str, LabEntraKey]] = (-1, {})

    def many(self, request: GraphRequest) -> Answer:
        """The list; never with a key."""
        self._check(request, frozenset({"$filter", "$select"}))
        request.query.check_select(PROPERTIES, KIND)
        device = self._wanted_device(request.query)
        owner = None if request.token.user is None or request.token.user_is_admin else request.token.user
        select = request.query.select
        place = self._pager.place(request.full_path, request.query)
        key = (self._tenant.revision, device, owner, select)
        entries = self._prepared.get(key, lambda: self._entries(device, owner, select))
        context = context_of(request.version, PATH, select)
        body = self._pager.page(request.full_path, request.query, place, entries, self._tenant.behaviour.key_page, context=context)
        return Answer(200, body)

    def one(self, request: GraphRequest, key_id: str) -> Answer:
        """One key: its metadata, or with ``$select=key`` alone everything, which leaves an audit record."""
        self._check(request, frozenset({"$select"}))
        request.query.check_select(PROPERTIES, KIND)
        wanted, behaviour = guid(key_id), self._tenant.behaviour
        key = self._by_id().get(wanted)
        select = request.query.select
        asks_key = select is not None and "key" in select
        if asks_key and READ not in request.token.permissions and behaviour.read_basic_select == "forbidden":
            raise forbidden(self._code)
        if key is None:
            raise not_found(wanted, "ResourceNotFound")
        if request.token.user is not None and not self._may_see(key, request.token.user, admin=request.token.user_is_admin):
            raise forbidden(self._code)
        entity = self._metadata(key)
        if asks_key and READ in request.token.permissions and (select == ("key",) or behaviour.mixed_select == "with_key"):
            entity["key"] = key.password
            self._tenant.key_was_read(key, request.token)
        properties = None if select == ("key",) and behaviour.select_key == "everything" else select
        made = shaped(entity, properties, KIND, behaviour)
        context = f"{self._pager.base}/{context_of(request.version, PATH, properties, one=True)}"
        body = {"value": made} if behaviour.single_get == "wrapped" else made
        return json_answer(200, {"@odata.context": context, **body}, content_type=GRAPH_JSON)

    def _by_id(self) -> dict[str, LabEntraKey]:
        revision, keys = self._index
        if revision != self._tenant.revision:
            revision, keys = self._tenant.revision, {key.key_id.lower(): key for key in list(self._tenant.estate.entra_keys)}
            self._index = revision, keys
        return keys

    @property
    def _code(self) -> str:
        code = self._tenant.behaviour.forbidden_code
        return CODE if code is None else code

    def _check(self, request: GraphRequest, known: frozenset[str]) -> None:
        behaviour = self._tenant.behaviour
        request.require(READ_BASIC, READ, code=self._code)
        for name in _HEADERS if behaviour.ocp_headers == "required" else _HEADERS[:1]:
            if not request.headers.get(name):
                raise bad_request(f"The header {name} is missing.")
        request.query.check_known(known | _IGNORABLE if behaviour.unsupported_query == "ignore" else known)

    def _wanted_device(self, query: Query) -> str | None:
        text = query.get("$filter")
        if text is None:
            return None
        match = _BY_DEVICE.fullmatch(text)
        if match is None:
            raise bad_request("The filter is not supported: only deviceId eq and a text is.", "Request_UnsupportedQuery")
        try:
            return str(uuid.UUID(match[1])) if len(match[1]) == 36 else ""
        except ValueError:
            if self._tenant.behaviour.unknown_device == "refuse":
                raise bad_request("deviceId is no GUID.") from None
            return ""

    def _entries(self, device: str | None, owner: str | None, select: tuple[str, ...] | None) -> list[bytes]:
        behaviour = self._tenant.behaviour
        hidden = set() if behaviour.keys_of_deleted else {item.device_id for item in self._tenant.estate.entra_devices if item.soft_deleted}
        return [
            json_bytes(shaped(self._metadata(key), select, KIND, behaviour))
            for key in list(self._tenant.estate.entra_keys)
            if (device is None or (key.device_id or "").lower() == device)
            and key.device_id not in hidden
            and (owner is None or self._may_see(key, owner, admin=False))
        ]

    def _may_see(self, key: LabEntraKey, user: str, *, admin: bool) -> bool:
        if admin:
            return True
        devices = self._tenant.visible_devices
        return any(device.device_id == key.device_id and user in device.registered_owners for device in devices)

    def _metadata(self, key: LabEntraKey) -> dict[str, Any]:
        volume_type: str | int | None = key.volume_type
        if key.volume_type is not None and self._tenant.behaviour.volume_type != "number":
            form = self._tenant.behaviour.volume_type
            volume_type = str(key.volume_type) if form == "digit" else _VOLUME_TYPES.get(key.volume_type, "unknownFutureValue")
        entity: dict[str, Any] = {
            "id": key.key_id,
            # fractions come with any number of digits
            "createdDateTime": zulu(key.created, digits=_FRACTIONS[int(key.key_id[0], 16) % len(_FRACTIONS)]),
            "volumeType": volume_type,
            "deviceId": key.device_id,
        }
        if self._tenant.behaviour.null_key:
            entity["key"] = None
        return entity
