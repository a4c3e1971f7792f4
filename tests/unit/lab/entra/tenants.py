# SPDX-License-Identifier: GPL-3.0-or-later
"""A small tenant and clients that are not the collection's: plain requests, and msal as it is."""

from __future__ import annotations

import base64
import json
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import requests
from ansible_collections.keyward.bitlocker.tests.lab.entra import EntraEndpoint, read_log, start
from ansible_collections.keyward.bitlocker.tests.lab.model import (
    Estate,
    LabEntraClient,
    LabEntraDevice,
    LabEntraKey,
    LabFederatedCredential,
    LabManagedDevice,
)
from ansible_collections.keyward.bitlocker.tests.lab.pki import LabCA
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509.oid import NameOID

NOW = datetime(2026, 11, 22, 20, 0, tzinfo=UTC)
TENANT = "5b1f6c3e-0d5a-4c1e-9a53-6f1f3a2b9d10"
METADATA, REVEAL, NOTHING = (f"00000000-0000-4000-8000-00000000000{number}" for number in (1, 2, 3))
PERSON, SYSTEM_IDENTITY, USER_IDENTITY = (f"00000000-0000-4000-8000-00000000000{number}" for number in (4, 5, 6))
RESOURCE_ID = "/subscriptions/x/resourcegroups/y/providers/Microsoft.ManagedIdentity/userAssignedIdentities/z"
SECRET = "lab-client-secret-1"
ISSUER, SUBJECT = "https://issuer.lab.example", "repo:lab/fleet:ref:refs/heads/main"
ALL_METADATA = ["BitlockerKey.ReadBasic.All", "Device.Read.All", "DeviceManagementManagedDevices.Read.All"]
KEYS = "/v1.0/informationProtection/bitlocker/recoveryKeys"
CLIENT_HEADERS = {"User-Agent": "lab-test/1", "ocp-client-name": "lab-test", "ocp-client-version": "1"}
PASSWORD = "-".join(["000011"] * 8)


def number(kind: int, index: int) -> str:
    """A GUID that says what it is."""
    return f"{kind:08x}-0000-4000-8000-{index:012x}"


@cache
def key_pair() -> rsa.RSAPrivateKey:
    """One RSA key for all tests: making one takes a while."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@cache
def other_key_pair() -> rsa.RSAPrivateKey:
    """A key nobody registered."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def private_pem(key: rsa.RSAPrivateKey) -> str:
    """An unencrypted private key."""
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()).decode()


def public_pem(key: rsa.RSAPrivateKey) -> str:
    """A public key."""
    return key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo).decode()


def certificate(*, expired: bool = False) -> x509.Certificate:
    """A self-signed certificate of :func:`key_pair`, the same each time."""
    return _certificate(expired)


@cache
def _certificate(expired: bool) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "lab application")])
    now = datetime.now(UTC)
    end = now - timedelta(days=1) if expired else now + timedelta(days=1)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key_pair().public_key())
    builder = builder.serial_number(x509.random_serial_number()).not_valid_before(now - timedelta(days=9)).not_valid_after(end)
    return builder.sign(key_pair(), hashes.SHA256())


def certificate_pem(*, expired: bool = False) -> str:
    """That certificate."""
    return certificate(expired=expired).public_bytes(serialization.Encoding.PEM).decode()


def jwt(header: Mapping[str, Any], claims: Mapping[str, Any], key: rsa.RSAPrivateKey) -> str:
    """A JWT signed RS256 by hand."""
    parts = [base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in (header, claims)]
    signature = key.sign(".".join(parts).encode(), padding.PKCS1v15(), hashes.SHA256())
    return ".".join([*parts, base64.urlsafe_b64encode(signature).decode().rstrip("=")])


def federated(**changes: Any) -> str:
    """A token of the CI system that the application trusts."""
    now = datetime.now(UTC).timestamp()
    claims = {"iss": ISSUER, "sub": SUBJECT, "aud": "api://AzureADTokenExchange", "iat": int(now), "exp": int(now) + 300, **changes}
    return jwt({"alg": "RS256", "typ": "JWT", "kid": "1"}, claims, key_pair())


def tenant(*, devices: int = 3, keys: int = 5, **behaviour: Any) -> Estate:
    """A tenant with so many devices, and keys spread over them."""
    estate = Estate(seed=1, now=NOW, entra_tenant_id=TENANT, entra_behaviour=behaviour, entra_issuers={ISSUER: public_pem(key_pair())})
    estate.entra_devices = [
        LabEntraDevice(
            object_id=number(0xA, index),
            device_id=number(0xD, index),
            display_name=f"PC{index:03d}",
            trust_type=("AzureAd", "ServerAd", "Workplace")[index % 3],
            account_enabled=index % 5 != 4,
            approximate_last_sign_in=None if index % 7 == 6 else NOW - timedelta(days=index),
            is_managed=index % 2 == 0,
            registered_owners=[f"user{index}@lab.example"],
        )
        for index in range(devices)
    ]
    estate.entra_keys = [
        LabEntraKey(
            key_id=number(0xC, index),
            device_id=number(0xD, index % devices) if devices else None,
            created=NOW - timedelta(days=index),
            volume_type=index % 3 + 1,
            password=PASSWORD,
        )
        for index in range(keys)
    ]
    estate.entra_managed = [
        LabManagedDevice(
            intune_id=number(0xE, index),
            azure_ad_device_id=device.device_id,
            device_name=device.display_name,
            last_sync=NOW - timedelta(hours=index) if index else None,
            is_encrypted=index % 2 == 0,
        )
        for index, device in enumerate(estate.entra_devices)
    ]
    estate.entra_clients = _clients()
    return estate


def _clients() -> list[LabEntraClient]:
    trusted = LabFederatedCredential(issuer=ISSUER, subject=SUBJECT)
    return [
        LabEntraClient(
            client_id=METADATA, secret=SECRET, certificates=[certificate_pem()], federated=[trusted], app_roles=list(ALL_METADATA)
        ),
        LabEntraClient(client_id=REVEAL, secret=SECRET, app_roles=["BitlockerKey.Read.All", "AuditLog.Read.All"]),
        LabEntraClient(client_id=NOTHING, secret=SECRET),
        LabEntraClient(client_id=PERSON, public=True, user="user1@lab.example", scopes=["BitlockerKey.Read.All", "Device.Read.All"]),
        LabEntraClient(client_id=SYSTEM_IDENTITY, object_id=number(1, 1), managed_identity="system", app_roles=list(ALL_METADATA)),
        LabEntraClient(client_id=USER_IDENTITY, object_id=number(1, 2), managed_identity="user", resource_id=RESOURCE_ID),
    ]


@dataclass
class Lab:
    """A running tenant with a client of plain requests."""

    estate: Estate
    endpoint: EntraEndpoint
    ca: LabCA
    session: requests.Session

    def token(self, client: str = METADATA, **fields: str) -> str:
        """An access token by client secret."""
        answer = self.ask_token(client_id=client, client_secret=SECRET, **fields)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["access_token"])

    def ask_token(self, **fields: str) -> requests.Response:
        """The token endpoint's answer; ``scope`` and grant have what is usual."""
        form = {"grant_type": "client_credentials", "scope": f"{self.endpoint.url}/.default", **fields}
        return self.session.post(f"{self.endpoint.authority}/oauth2/v2.0/token", data=form)

    def get(self, path: str, *, token: str | None = None, client: str = METADATA, headers: Mapping[str, str] | None = None) -> Any:
        """One GET, path or URL as it is."""
        url = path if path.startswith("http") else self.endpoint.url + path
        bearer = token if token is not None else self.token(client)
        sent = {**CLIENT_HEADERS, "Authorization": f"Bearer {bearer}", **(headers or {})}
        return self.session.get(url, headers=sent, allow_redirects=False, timeout=10)

    def pages(self, path: str, **more: Any) -> Iterator[Any]:
        """The bodies of all pages, at most 500."""
        token = self.token(more.pop("client", METADATA))
        link: str | None = path
        for _unused in range(500):
            if link is None:
                return
            answer = self.get(link, token=token, **more)
            assert answer.status_code == 200, answer.text
            body = answer.json()
            yield body
            link = body.get("@odata.nextLink")
        raise AssertionError("no end of pages")

    def values(self, path: str, **more: Any) -> list[Any]:
        """The entries of all pages."""
        return [entry for page in self.pages(path, **more) for entry in page["value"]]

    def batch(self, *entries: Mapping[str, Any], client: str = METADATA, version: str = "v1.0") -> Any:
        """One $batch."""
        headers = {"Authorization": f"Bearer {self.token(client)}"}
        return self.session.post(f"{self.endpoint.url}/{version}/$batch", json={"requests": list(entries)}, headers=headers)

    def log(self, side: str = "graph") -> list[dict[str, Any]]:
        """What was asked so far."""
        return [row for row in read_log(self.endpoint.logs) if row["side"] == side]


def run(folder: Path, estate: Estate, *, address: str = "127.0.87.1") -> Lab:
    """Start a tenant on any port."""
    ca = LabCA(folder / "ca")
    issued = folder / "issued-tokens"
    endpoint = start(estate, ca, folder / "logs", address=address, port=0, identity_port=0, issued=issued)
    session = requests.Session()
    session.trust_env = False
    session.verify = str(ca.ca_pem)
    return Lab(estate, endpoint, ca, session)


def entry(name: str, url: str, **more: Any) -> dict[str, Any]:
    """A GET in a $batch with the headers that recovery keys want."""
    return {"id": name, "method": "GET", "url": url, "headers": dict(CLIENT_HEADERS), **more}


def is_guid(text: str) -> bool:
    """Whether a text is a GUID."""
    try:
        return bool(uuid.UUID(text))
    except ValueError:
        return False
