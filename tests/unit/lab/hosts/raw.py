# SPDX-License-Identifier: GPL-3.0-or-later
"""A raw client for the lab's hosts: http.client and literal XML, nothing of the product."""

from __future__ import annotations

import base64
import http.client
import ssl
import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from xml.etree import ElementTree
from xml.sax.saxutils import escape

from ansible_collections.keyward.bitlocker.tests.lab.hosts import HostsEndpoint, start
from ansible_collections.keyward.bitlocker.tests.lab.hosts.record import Exchange
from ansible_collections.keyward.bitlocker.tests.lab.hosts.wsman import WsmanService
from ansible_collections.keyward.bitlocker.tests.lab.model import LabHost, LabProtector, LabVolume
from ansible_collections.keyward.bitlocker.tests.lab.pki import LabCA

NOW = datetime(2026, 11, 22, 20, 0, 0, 250000, tzinfo=UTC)
WMI = "http://schemas.microsoft.com/wbem/wsman/1/wmi/"
BITLOCKER = "root/cimv2/Security/MicrosoftVolumeEncryption"
ENUMERATION = "http://schemas.xmlsoap.org/ws/2004/09/enumeration"
TRANSFER = "http://schemas.xmlsoap.org/ws/2004/09/transfer"
WSMAN = "http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd"
FAULT = "http://schemas.microsoft.com/wbem/wsman/1/wsmanfault"
SOAP = "http://www.w3.org/2003/05/soap-envelope"
XSI = "http://www.w3.org/2001/XMLSchema-instance"

OS_GUID, DATA_GUID = "11111111-aaaa-4aaa-8aaa-000000000001", "11111111-aaaa-4aaa-8aaa-000000000002"
TPM_KEY, PASSWORD_KEY, EXTERNAL_KEY = (f"22222222-bbbb-4bbb-8bbb-00000000000{number}" for number in (1, 2, 3))


def make_host(**changes: Any) -> LabHost:
    """A host with an OS volume (TPM and recovery password) and a decrypted data volume, on any port."""
    system = LabVolume(
        device_guid=OS_GUID,
        persistent_id="33333333-cccc-4ccc-8ccc-000000000001",
        drive_letter="C:",
        protectors=[
            LabProtector(key_id=TPM_KEY, type=1),
            LabProtector(key_id=PASSWORD_KEY, type=3, password="-".join(["000000"] * 8), friendly_name="escrowed", backup_types=5),
        ],
    )
    data = LabVolume(
        device_guid=DATA_GUID,
        persistent_id=None,
        drive_letter="D:",
        volume_type=1,
        conversion_status=0,
        encryption_percentage=0,
        encryption_method=0,
        protection_status=0,
    )
    fields: dict[str, Any] = {
        "inventory_name": "pc01",
        "netbios_name": "PC01",
        "domain": "lab.example",
        "password": "correct horse",
        "serial": "SN-1",
        "hardware_uuid": "44444444-dddd-4ddd-8ddd-000000000001",
        "address": "127.0.77.1",
        "port": 0,
        "volumes": [system, data],
    }
    return LabHost(**{**fields, **changes})


def device_id(guid: str) -> str:
    """The selector value of a volume."""
    return "\\\\?\\Volume{" + guid + "}\\"


class Message:
    """Builds requests from literal XML; every part can be replaced to make a wrong one."""

    @staticmethod
    def build(
        action: str,
        resource: str,
        body: str = "",
        *,
        selectors: dict[str, str] | None = None,
        drop: str = "",
        extra: str = "",
        max_envelope: str = "153600",
        timeout: str = "PT20S",
        message_id: str | None = None,
    ) -> bytes:
        chosen = "".join(f'<w:Selector Name="{name}">{escape(value)}</w:Selector>' for name, value in (selectors or {}).items())
        headers = {
            "To": "<a:To>http://host/wsman</a:To>",
            "ResourceURI": f'<w:ResourceURI s:mustUnderstand="true">{resource}</w:ResourceURI>',
            "ReplyTo": "<a:ReplyTo><a:Address>http://schemas.xmlsoap.org/ws/2004/08/addressing/role/anonymous</a:Address></a:ReplyTo>",
            "Action": f'<a:Action s:mustUnderstand="true">{action}</a:Action>',
            "MaxEnvelopeSize": f'<w:MaxEnvelopeSize s:mustUnderstand="true">{max_envelope}</w:MaxEnvelopeSize>',
            "MessageID": f"<a:MessageID>{message_id or f'uuid:{uuid.uuid4()}'}</a:MessageID>",
            "OperationTimeout": f"<w:OperationTimeout>{timeout}</w:OperationTimeout>",
            "SelectorSet": f"<w:SelectorSet>{chosen}</w:SelectorSet>" if chosen else "",
        }
        headers.pop(drop, None)
        return (
            f'<s:Envelope xmlns:s="{SOAP}" xmlns:a="http://schemas.xmlsoap.org/ws/2004/08/addressing" xmlns:n="{ENUMERATION}" '
            f'xmlns:w="{WSMAN}" xmlns:x="{TRANSFER}" xmlns:xsi="{XSI}"><s:Header>{"".join(headers.values())}{extra}</s:Header>'
            f"<s:Body>{body}</s:Body></s:Envelope>"
        ).encode()

    @classmethod
    def query(cls, namespace: str, wql: str, *, max_elements: int = 50, optimize: bool = True, **changes: Any) -> bytes:
        optimized = f"<w:OptimizeEnumeration/><w:MaxElements>{max_elements}</w:MaxElements>" if optimize else ""
        body = f"<n:Enumerate>{optimized}<w:Filter Dialect='http://schemas.microsoft.com/wbem/wsman/1/WQL'>{escape(wql)}</w:Filter></n:Enumerate>"
        return cls.build(f"{ENUMERATION}/Enumerate", f"{WMI}{namespace}/*", body, **changes)

    @classmethod
    def enumerate(cls, namespace: str, name: str, *, optimize: bool = True, **changes: Any) -> bytes:
        inner = "<w:OptimizeEnumeration/><w:MaxElements>50</w:MaxElements>" if optimize else ""
        return cls.build(f"{ENUMERATION}/Enumerate", f"{WMI}{namespace}/{name}", f"<n:Enumerate>{inner}</n:Enumerate>", **changes)

    @classmethod
    def pull(cls, resource: str, context: str, *, max_elements: int | None = 50, **changes: Any) -> bytes:
        limit = f"<n:MaxElements>{max_elements}</n:MaxElements>" if max_elements else ""
        body = f"<n:Pull><n:EnumerationContext>{context}</n:EnumerationContext>{limit}</n:Pull>"
        return cls.build(f"{ENUMERATION}/Pull", WMI + resource, body, **changes)

    @classmethod
    def get(cls, namespace: str, name: str, selectors: dict[str, str], **changes: Any) -> bytes:
        return cls.build(f"{TRANSFER}/Get", f"{WMI}{namespace}/{name}", selectors=selectors, **changes)

    @classmethod
    def invoke(
        cls, namespace: str, name: str, method: str, arguments: str = "", *, selectors: dict[str, str] | None = None, **changes: Any
    ) -> bytes:
        uri = f"{WMI}{namespace}/{name}"
        body = changes.pop("body", f'<p:{method}_INPUT xmlns:p="{uri}">{arguments}</p:{method}_INPUT>')
        return cls.build(f"{uri}/{method}", uri, body, selectors=selectors, **changes)

    @classmethod
    def volume(cls, method: str, arguments: str = "", *, guid: str = OS_GUID, **changes: Any) -> bytes:
        return cls.invoke(BITLOCKER, "Win32_EncryptableVolume", method, arguments, selectors={"DeviceID": device_id(guid)}, **changes)


class Answer:
    """An answer's envelope, read by local names."""

    def __init__(self, status: int, body: bytes) -> None:
        self.status = status
        self.raw = body
        self.root = ElementTree.fromstring(body)
        self.body = self.root[1]

    def texts(self, name: str) -> list[str | None]:
        """The texts of all elements of a local name; None for a nil one."""
        return [None if node.get(f"{{{XSI}}}nil") == "true" else node.text or "" for node in self.nodes(name)]

    def nodes(self, name: str) -> list[ElementTree.Element]:
        """All elements of a local name."""
        return [node for node in self.root.iter() if node.tag.rpartition("}")[2] == name]

    @property
    def result(self) -> int:
        """ReturnValue."""
        return int(self.texts("ReturnValue")[0] or "")

    @property
    def context(self) -> str:
        """The enumeration context, empty at the end."""
        return (self.texts("EnumerationContext") or [""])[0] or ""

    @property
    def fault(self) -> tuple[str, int]:
        """Subcode (or code) and outer number of a fault."""
        values = [node.text or "" for node in self.nodes("Value")]
        return values[-1], int(self.nodes("WSManFault")[0].get("Code", ""))


class Direct:
    """A service without sockets."""

    def __init__(self, host: LabHost) -> None:
        self.service = WsmanService(host, NOW)

    def send(self, message: bytes) -> Answer:
        """One message."""
        return Answer(*self.service.handle(message, Exchange(1, 1)))

    def volume(self, method: str, *, guid: str = OS_GUID, **arguments: str) -> Answer:
        """One method of a volume, with scalar arguments."""
        inner = "".join(f"<p:{name}>{escape(value)}</p:{name}>" for name, value in arguments.items())
        return self.send(Message.volume(method, inner, guid=guid))


class Lab:
    """Running endpoints; ``post`` is one exchange on a connection of its own."""

    def __init__(self, folder: Path, hosts: list[LabHost]) -> None:
        self.ca = LabCA(folder / "ca")
        self.logs = folder / "logs"
        self.hosts = {host.inventory_name: host for host in hosts}
        self.endpoint: HostsEndpoint = start(hosts, self.ca, folder / "state", self.logs)

    def url(self, name: str) -> str:
        """The endpoint's URL."""
        host = self.hosts[name]
        return f"{host.scheme}://{host.address}:{self.endpoint.port_of(name)}/wsman"

    def connect(self, name: str, *, timeout: float = 5.0) -> http.client.HTTPConnection:
        """A connection that verifies by the lab CA."""
        host = self.hosts[name]
        port = self.endpoint.port_of(name)
        if host.scheme == "http":
            return http.client.HTTPConnection(host.address, port, timeout=timeout)
        context = ssl.create_default_context(cafile=str(self.ca.ca_pem))
        return http.client.HTTPSConnection(host.address, port, timeout=timeout, context=context)

    def headers(self, name: str, password: str | None = None) -> dict[str, str]:
        """Headers with Basic credentials."""
        host = self.hosts[name]
        token = base64.b64encode(f"{host.username}:{password or host.password}".encode()).decode()
        return {"Content-Type": "application/soap+xml;charset=UTF-8", "Authorization": f"Basic {token}"}

    def post(
        self, name: str, message: bytes, connection: http.client.HTTPConnection | None = None, *, headers: dict[str, str] | None = None
    ) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body of one exchange."""
        wire = connection or self.connect(name)
        wire.request("POST", "/wsman", body=message, headers=headers or self.headers(name))
        answer = wire.getresponse()
        body = answer.read()
        if connection is None:
            wire.close()
        joined: dict[str, str] = {}
        for key, value in answer.getheaders():
            joined[key] = f"{joined[key]}, {value}" if key in joined else value
        return answer.status, joined, body
