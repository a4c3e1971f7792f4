# SPDX-License-Identifier: GPL-3.0-or-later
"""The applications that a lab's tenant knows, and their credentials as files: certificate (PEM, PFX), federated token."""

from __future__ import annotations

import base64
import json
import random
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import pkcs12
from cryptography.x509.oid import NameOID

from ..model import Estate, LabEntraClient, LabFederatedCredential

REPORT, REVEAL, NO_RIGHTS, PERSON, MACHINE, PROOF = "report", "reveal", "no rights", "person", "machine", "proof"
METADATA_ROLES = ["BitlockerKey.ReadBasic.All", "Device.Read.All", "DeviceManagementManagedDevices.Read.All"]
PROOF_ROLES = ["BitlockerKey.Read.All", "Device.Read.All", "DeviceManagementManagedDevices.Read.All"]
REVEAL_ROLES = ["BitlockerKey.Read.All", "Device.Read.All", "AuditLog.Read.All"]
ISSUER, SUBJECT = "https://ci.lab.example", "repo:lab/fleet:environment:report"
_CHARACTERS = "ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz23456789~._-"


def clients(seed: int) -> list[LabEntraClient]:
    """The tenant's applications: metadata only, reveal, no rights, one that people sign in to, the lab machine's own identity, proof."""
    rng = random.Random(f"keyward lab entra applications {seed}")

    def made(name: str, **fields: object) -> LabEntraClient:
        identity, object_id = (str(uuid.UUID(int=rng.getrandbits(128), version=4)) for _unused in range(2))
        client = LabEntraClient(client_id=identity, object_id=object_id, display_name=name)
        for field, value in fields.items():
            setattr(client, field, value)
        return client

    def secret() -> str:
        # "8Q~" is where Entra's own secrets have it, so that scanners know them
        body = "".join(rng.choice(_CHARACTERS) for _unused in range(34))
        return f"{body[:3]}8Q~{body[3:]}"

    return [
        made(REPORT, secret=secret(), app_roles=list(METADATA_ROLES)),
        made(REVEAL, secret=secret(), app_roles=list(REVEAL_ROLES)),
        made(NO_RIGHTS, secret=secret()),
        made(
            PERSON,
            public=True,
            user="helpdesk@lab.example",
            scopes=["BitlockerKey.Read.All", "BitlockerKey.ReadBasic.All", "Device.Read.All"],
        ),
        made(MACHINE, managed_identity="system", app_roles=list(METADATA_ROLES)),
        made(PROOF, secret=secret(), app_roles=list(PROOF_ROLES)),
    ]


def client_named(estate: Estate, name: str) -> LabEntraClient:
    """The application with this display name.

    Raises:
        KeyError: the estate has none.
    """
    for client in estate.entra_clients:
        if client.display_name == name:
            return client
    raise KeyError(name)


@dataclass(frozen=True)
class CredentialFiles:
    """Where the report application's other credentials lie, all readable by their owner alone."""

    certificate_pem: Path
    certificate_pfx: Path
    pfx_password: str
    federated_token: Path


def write_credentials(estate: Estate, folder: Path) -> CredentialFiles:
    """Make a certificate and a federated token for the report application, register both with the tenant, and write them down."""
    folder.mkdir(parents=True, exist_ok=True)
    client = client_named(estate, REPORT)
    key, issuer_key = (rsa.generate_private_key(public_exponent=65537, key_size=2048) for _unused in range(2))
    certificate = _certificate(key)
    pem = certificate.public_bytes(serialization.Encoding.PEM)
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    password = f"lab-{random.Random(estate.seed).randrange(10**9)}"
    sealed = serialization.BestAvailableEncryption(password.encode())
    files = CredentialFiles(folder / "report.pem", folder / "report.pfx", password, folder / "federated-token")
    _write(files.certificate_pem, private + pem)
    _write(files.certificate_pfx, pkcs12.serialize_key_and_certificates(b"report", key, certificate, None, sealed))
    _write(files.federated_token, _federated_token(issuer_key))
    client.certificates.append(pem.decode())
    client.federated.append(LabFederatedCredential(issuer=ISSUER, subject=SUBJECT))
    public = issuer_key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    estate.entra_issuers[ISSUER] = public.decode()
    return files


def _certificate(key: rsa.RSAPrivateKey) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "keyward lab report")])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(x509.random_serial_number())
    return builder.not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=365)).sign(key, hashes.SHA256())


def _federated_token(key: rsa.RSAPrivateKey) -> bytes:
    now = int(datetime.now(UTC).timestamp())
    claims = {"iss": ISSUER, "sub": SUBJECT, "aud": "api://AzureADTokenExchange", "iat": now, "nbf": now, "exp": now + 7 * 86400}
    parts = [
        base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=") for part in ({"alg": "RS256", "typ": "JWT", "kid": "lab"}, claims)
    ]
    signature = key.sign(b".".join(parts), padding.PKCS1v15(), hashes.SHA256())
    return b".".join([*parts, base64.urlsafe_b64encode(signature).rstrip(b"=")])


def _write(path: Path, data: bytes) -> None:
    path.touch(mode=0o600)
    path.write_bytes(data)
