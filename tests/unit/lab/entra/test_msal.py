# SPDX-License-Identifier: GPL-3.0-or-later
"""Every way of msal to a token, as an independent client has it, and the refusals."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import msal
import pytest
import requests
from ansible_collections.keyward.bitlocker.tests.lab.entra.tokens import PREFIX
from ansible_collections.keyward.bitlocker.tests.unit.lab.entra.tenants import (
    ALL_METADATA,
    KEYS,
    METADATA,
    PERSON,
    RESOURCE_ID,
    SECRET,
    SYSTEM_IDENTITY,
    TENANT,
    USER_IDENTITY,
    Lab,
    certificate,
    certificate_pem,
    federated,
    jwt,
    key_pair,
    number,
    other_key_pair,
    private_pem,
    tenant,
)
from cryptography.hazmat.primitives import hashes

Make = Callable[..., Lab]


def application(made: Lab, credential: Any, client: str = METADATA, **more: Any) -> msal.ConfidentialClientApplication:
    """msal's application for the lab's authority."""
    return msal.ConfidentialClientApplication(
        client,
        client_credential=credential,
        authority=made.endpoint.authority,
        instance_discovery=False,
        azure_region=False,
        http_client=made.session,
        **more,
    )


def acquire(made: Lab, credential: Any, client: str = METADATA) -> dict[str, Any]:
    """A token, or msal's error."""
    found: dict[str, Any] = application(made, credential, client).acquire_token_for_client([f"{made.endpoint.url}/.default"])
    return found


def thumbprint() -> str:
    """SHA-1, as the portal shows it."""
    return certificate().fingerprint(hashes.SHA1()).hex()


CREDENTIALS: dict[str, tuple[Callable[[], Any], str]] = {
    "secret": (lambda: SECRET, "secret"),
    "thumbprint": (lambda: {"private_key": private_pem(key_pair()), "thumbprint": thumbprint()}, "certificate"),
    "certificate": (lambda: {"private_key": private_pem(key_pair()), "public_certificate": certificate_pem()}, "certificate"),
    "assertion": (lambda: {"client_assertion": federated}, "federated"),
}


@pytest.mark.parametrize("name", CREDENTIALS)
def test_application_credentials(lab: Make, name: str) -> None:
    made = lab()
    make, kind = CREDENTIALS[name]
    found = acquire(made, make())
    assert found.get("access_token", "").startswith(PREFIX), found
    assert found["expires_in"] == 3599
    row = made.log("login")[-1]
    assert (row["credential"], row["roles"], row["app"]) == (kind, sorted(ALL_METADATA), METADATA)
    assert made.get(KEYS, token=found["access_token"]).status_code == 200


def test_pfx(lab: Make, tmp_path: Any) -> None:
    from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, pkcs12

    path = tmp_path / "app.pfx"
    path.write_bytes(pkcs12.serialize_key_and_certificates(b"lab", key_pair(), certificate(), None, BestAvailableEncryption(b"pass")))
    found = acquire(lab(), {"private_key_pfx_path": str(path), "passphrase": "pass", "public_certificate": True})
    assert "access_token" in found


def test_refusals_of_credentials(lab: Make) -> None:
    made = lab()
    other = {"private_key": private_pem(other_key_pair()), "public_certificate": certificate_pem()}
    for credential, client, error, number_ in (
        ("wrong", METADATA, "invalid_client", 7000215),
        (SECRET, number(9, 9), "unauthorized_client", 700016),
        (other, METADATA, "invalid_client", 700027),
        ({"private_key": private_pem(key_pair()), "thumbprint": "00" * 20}, METADATA, "invalid_client", 700027),
        ({"client_assertion": lambda: federated(sub="repo:other")}, METADATA, "invalid_request", 700213),
        ({"client_assertion": lambda: federated(aud="api://other")}, METADATA, "invalid_request", 700212),
        ({"client_assertion": lambda: federated(iss="https://other.example")}, METADATA, "invalid_request", 700211),
        ({"client_assertion": lambda: federated(exp=int(time.time()) - 3600)}, METADATA, "invalid_client", 700024),
        ({"client_assertion": lambda: "no.jwt"}, METADATA, "invalid_request", 50027),
    ):
        found = acquire(made, credential, client)
        assert found.get("error") == error, found
        assert found["error_codes"] == [number_]
        assert found["error_description"].startswith(f"AADSTS{number_}: ")
        assert made.log("login")[-1]["error"] == f"AADSTS{number_}"


def test_expired_things(lab: Make) -> None:
    estate = tenant()
    estate.entra_clients[0].secret_expired = True
    estate.entra_clients[0].certificates = [certificate_pem(expired=True)]
    made = lab(estate=estate)
    assert acquire(made, SECRET)["error_codes"] == [7000222]
    expired = {"private_key": private_pem(key_pair()), "public_certificate": certificate_pem(expired=True)}
    assert acquire(made, expired)["error_codes"] == [700027]
    estate.entra_clients[0].enabled = False
    assert acquire(made, SECRET)["error_codes"] == [7000112]


def _assertion(made: Lab, **changes: Any) -> str:
    now = int(time.time())
    claims = {
        "iss": METADATA,
        "sub": METADATA,
        "aud": f"{made.endpoint.authority}/oauth2/v2.0/token",
        "exp": now + 300,
        "nbf": now,
        "jti": "1",
    }
    kept = {name: value for name, value in (claims | changes).items() if value is not None}
    return jwt({"alg": "RS256", "x5t": changes.get("x5t", _x5t())}, kept, key_pair())


def _x5t() -> str:
    import base64

    return base64.urlsafe_b64encode(bytes.fromhex(thumbprint())).decode().rstrip("=")


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({}, None),
        ({"aud": "https://login.microsoftonline.com/x/oauth2/v2.0/token"}, 700023),
        ({"exp": 1}, 700024),
        ({"exp": None}, 700024),
        ({"exp": int(time.time()) + 10**6}, 700024),
        ({"jti": None}, 50027),
        ({"sub": "someone"}, 50027),
        ({"x5t": "AAAA"}, 700027),
    ],
)
def test_claims_of_an_assertion(lab: Make, changes: dict[str, Any], code: int | None) -> None:
    made = lab()
    kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
    answer = made.ask_token(client_id=METADATA, client_assertion=_assertion(made, **changes), client_assertion_type=kind)
    assert answer.json().get("error_codes") == (None if code is None else [code])


def test_the_form_is_read_strictly(lab: Make) -> None:
    made = lab()
    for fields, code in (
        ({"client_id": METADATA}, 7000218),
        ({"client_id": ""}, 900144),
        ({"client_id": METADATA, "client_secret": SECRET, "scope": "https://graph.microsoft.com/.default"}, 500011),
        ({"client_id": METADATA, "client_secret": SECRET, "scope": f"{made.endpoint.url}/Device.Read.All"}, 1002012),
        ({"client_id": METADATA, "client_secret": SECRET, "grant_type": "password"}, 70003),
    ):
        assert made.ask_token(**fields).json()["error_codes"] == [code]
    address = f"{made.endpoint.authority}/oauth2/v2.0/token"
    assert made.session.post(address, json={}).json()["error_codes"] == [900144]
    assert made.session.post(address, data="a=1&a=2", headers={"Content-Type": "application/x-www-form-urlencoded"}).status_code == 400
    assert made.session.get(address).status_code == 405


def test_the_tenant_is_found_by_its_id_or_its_domain_alone(lab: Make) -> None:
    made = lab()
    for name in (TENANT, TENANT.upper(), "lab.example"):
        found = made.session.get(f"{made.endpoint.url}/{name}/v2.0/.well-known/openid-configuration").json()
        assert found["token_endpoint"] == f"{made.endpoint.authority}/oauth2/v2.0/token"
    answer = made.session.get(f"{made.endpoint.url}/other/v2.0/.well-known/openid-configuration")
    assert (answer.status_code, answer.json()["error_codes"]) == (400, [90002])
    assert made.session.get(f"{made.endpoint.url}/{TENANT}//v2.0/.well-known/openid-configuration").status_code == 404
    with pytest.raises(ValueError, match="other"):
        msal.ConfidentialClientApplication(
            METADATA,
            client_credential=SECRET,
            authority=f"{made.endpoint.url}/other",
            instance_discovery=False,
            http_client=made.session,
        )


def test_instance_discovery_and_oidc_authority(lab: Make) -> None:
    made = lab()
    for more in (
        {"authority": made.endpoint.authority, "instance_discovery": f"{made.endpoint.url}/common/discovery/instance"},
        {"oidc_authority": made.endpoint.authority},
    ):
        app = msal.ConfidentialClientApplication(METADATA, client_credential=SECRET, http_client=made.session, **more)
        assert "access_token" in app.acquire_token_for_client([f"{made.endpoint.url}/.default"])


def person(made: Lab, scope: str = "BitlockerKey.Read.All") -> dict[str, Any]:
    """What the device code flow ends with."""
    app = msal.PublicClientApplication(
        PERSON, authority=made.endpoint.authority, instance_discovery=False, http_client=made.session, client_capabilities=None
    )
    flow = app.initiate_device_flow(scopes=[f"{made.endpoint.url}/{scope}"])
    assert flow["user_code"] in flow["message"], flow
    found: dict[str, Any] = app.acquire_token_by_device_flow(flow)
    return found


def test_device_code(lab: Make) -> None:
    made = lab()
    found = person(made)
    assert "access_token" in found, found
    token = found["access_token"]
    assert made.get(f"{KEYS}/{number(0xC, 0)}?$select=key", token=token).json()["key"]
    record = made.endpoint.tenant.audit_records()[-1]
    assert (record.user, record.app) == ("user1@lab.example", PERSON)
    assert made.get("/v1.0/devices", token=token).status_code == 403


def test_a_person_without_a_role_sees_the_own_devices_keys(lab: Make) -> None:
    estate = tenant(device_code_polls=0)
    next(client for client in estate.entra_clients if client.client_id == PERSON).user_is_admin = False
    made = lab(estate=estate)
    token = person(made)["access_token"]
    assert [entry["deviceId"] for entry in made.get(KEYS, token=token).json()["value"]] == [number(0xD, 1)] * 2
    assert made.get(f"{KEYS}/{number(0xC, 1)}?$select=key", token=token).status_code == 200
    assert made.get(f"{KEYS}/{number(0xC, 0)}?$select=key", token=token).status_code == 403
    assert len(made.endpoint.tenant.audit_records()) == 1


@pytest.mark.parametrize(("end", "error"), [("decline", "authorization_declined"), ("expire", "expired_token")])
def test_device_code_that_ends_badly(lab: Make, end: str, error: str) -> None:
    assert person(lab(device_code=end, device_code_polls=0))["error"] == error


@pytest.fixture
def plain_session() -> Iterator[requests.Session]:
    """A session for loopback http."""
    with requests.Session() as session:
        session.trust_env = False
        yield session


def test_managed_identity_of_a_virtual_machine(lab: Make, plain_session: requests.Session, monkeypatch: pytest.MonkeyPatch) -> None:
    made = lab()
    monkeypatch.setenv("AZURE_POD_IDENTITY_AUTHORITY_HOST", made.endpoint.identity_url)
    for identity, app, roles in (
        (msal.SystemAssignedManagedIdentity(), SYSTEM_IDENTITY, sorted(ALL_METADATA)),
        (msal.UserAssignedManagedIdentity(client_id=USER_IDENTITY), USER_IDENTITY, []),
        (msal.UserAssignedManagedIdentity(resource_id=RESOURCE_ID), USER_IDENTITY, []),
        (msal.UserAssignedManagedIdentity(object_id=number(1, 2)), USER_IDENTITY, []),
    ):
        client = msal.ManagedIdentityClient(identity, http_client=plain_session)
        found = client.acquire_token_for_client(resource=made.endpoint.url)
        assert "access_token" in found, found
        assert made.get(KEYS, token=found["access_token"]).status_code == (200 if roles else 403)
        row = made.log("identity")[-1]
        assert (row["app"], row["roles"]) == (app, roles)
    unknown = msal.ManagedIdentityClient(msal.UserAssignedManagedIdentity(client_id=number(9, 9)), http_client=plain_session)
    assert "error" in unknown.acquire_token_for_client(resource=made.endpoint.url)
    other = msal.ManagedIdentityClient(msal.SystemAssignedManagedIdentity(), http_client=plain_session)
    assert "error" in other.acquire_token_for_client(resource="https://graph.microsoft.com")


def test_managed_identity_of_app_service(lab: Make, plain_session: requests.Session, monkeypatch: pytest.MonkeyPatch) -> None:
    made = lab()
    monkeypatch.setenv("IDENTITY_ENDPOINT", f"{made.endpoint.identity_url}/msi/token")
    monkeypatch.setenv("IDENTITY_HEADER", made.endpoint.identity_secret)
    client = msal.ManagedIdentityClient(msal.SystemAssignedManagedIdentity(), http_client=plain_session)
    assert "access_token" in client.acquire_token_for_client(resource=made.endpoint.url)
    monkeypatch.setenv("IDENTITY_HEADER", "wrong")
    client = msal.ManagedIdentityClient(msal.SystemAssignedManagedIdentity(), http_client=plain_session)
    assert "error" in client.acquire_token_for_client(resource=made.endpoint.url)


def test_imds_wants_its_header(lab: Make, plain_session: requests.Session) -> None:
    made = lab()
    address = f"{made.endpoint.identity_url}/metadata/identity/oauth2/token?api-version=2018-02-01&resource={made.endpoint.url}"
    assert plain_session.get(address).status_code == 400
    assert plain_session.get(address, headers={"Metadata": "true", "X-Forwarded-For": "1.2.3.4"}).status_code == 400
    assert plain_session.get(address, headers={"Metadata": "true"}).status_code == 200


def test_tokens_expire_and_are_bound_to_this_graph(lab: Make) -> None:
    made, other = lab(token_lifetime=0), lab()
    expired = made.get(KEYS)
    assert (expired.status_code, expired.json()["error"]["code"]) == (401, "InvalidAuthenticationToken")
    assert expired.headers["WWW-Authenticate"].startswith('Bearer realm=""')
    assert made.get(KEYS, token=other.token()).status_code == 401
    token = other.token()
    assert other.get(KEYS, token=token[:-1] + ("0" if token[-1] != "0" else "1")).status_code == 401
    assert other.get(KEYS, token="").status_code == 401


def test_claims_challenge(lab: Make) -> None:
    import base64
    import re

    made = lab(claims_challenge=True)
    app = application(made, SECRET)
    scopes = [f"{made.endpoint.url}/.default"]
    answer = made.get(KEYS, token=app.acquire_token_for_client(scopes)["access_token"])
    assert answer.status_code == 401
    match = re.search(r'claims="([^"]+)"', answer.headers["WWW-Authenticate"])
    assert match
    claims = base64.b64decode(match[1]).decode()
    again = app.acquire_token_for_client(scopes, claims_challenge=claims)
    assert made.get(KEYS, token=again["access_token"]).status_code == 200
