# SPDX-License-Identifier: GPL-3.0-or-later
"""The store against a scripted LDAP peer: limits, empty pages, failures, fail-over, and everything else that Samba does not show."""

from __future__ import annotations

import socket
import struct
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.model import StoreState
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.redaction import Secret
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._errors import (
    AuthenticationError,
    AuthorizationError,
    BadDataError,
    KeywardError,
    OptionError,
    ProtocolError,
    StoreDownError,
    TlsError,
    UnreachableError,
)
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._stores.active_directory import search
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._stores.active_directory.lookup import DirectoryLookup
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._stores.active_directory.reader import DirectoryReader
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._stores.active_directory.settings import DirectorySettings
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._stores.active_directory.store import ActiveDirectoryStore
from ansible_collections.keyward.bitlocker.tests.lab.directory import ldap_wire
from ansible_collections.keyward.bitlocker.tests.lab.directory.ldap_wire import Page, SearchRequest
from ansible_collections.keyward.bitlocker.tests.lab.directory.memory_directory import CONFIDENTIAL, MemoryDirectory
from ansible_collections.keyward.bitlocker.tests.lab.directory.scripted_ldap import (
    REFUSED,
    Answer,
    BindRefusal,
    Entry,
    Handler,
    ScriptedLdap,
)
from ansible_collections.keyward.bitlocker.tests.lab.pki import LabCA

BASE = "DC=lab,DC=example"
NOW = datetime(2026, 11, 22, 20, 0, tzinfo=UTC)
PASSWORD = "123453-123453-123453-123453-123453-123453-123453-123453"
COMPUTERS = 5


def key(number: int) -> uuid.UUID:
    return uuid.UUID(int=0x1A2B3C4D_0102_0304_0506_0708090A0000 + number)


def computer(number: int, **more: Any) -> Entry:
    attributes: dict[str, Any] = {
        "objectClass": ["top", "computer"],
        "objectCategory": [f"CN=Computer,CN=Schema,CN=Configuration,{BASE}"],
        "cn": [f"PC{number}"],
        "sAMAccountName": [f"PC{number}$"],
        "objectGUID": [uuid.UUID(int=number + 1).bytes_le],
        "dNSHostName": [f"pc{number}.lab.example"],
        "operatingSystem": ["Windows 11 Enterprise"],
        "userAccountControl": ["4096"],
        "whenCreated": ["20261101000000.0Z"],
    }
    return Entry(f"CN=PC{number},OU=Clients,{BASE}", attributes | more)


def recovery(number: int, owner: int, **more: Any) -> Entry:
    name = f"2026-01-02T03:04:05-08:00{{{str(key(number)).upper()}}}"
    attributes: dict[str, Any] = {
        "objectClass": ["top", "msFVE-RecoveryInformation"],
        "cn": [name],
        "name": [name],
        "objectGUID": [uuid.UUID(int=1000 + number).bytes_le],
        "msFVE-RecoveryGuid": [key(number).bytes_le],
        "msFVE-RecoveryPassword": [PASSWORD],
        "whenCreated": ["20260102110405.0Z"],
    }
    return Entry(f"CN={name},CN=PC{owner},OU=Clients,{BASE}", attributes | more)


ESTATE = [
    Entry(BASE),
    Entry(f"OU=Clients,{BASE}"),
    *(computer(n) for n in range(COMPUTERS)),
    *(recovery(n, n % COMPUTERS) for n in range(23)),
]


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> LabCA:
    return LabCA(tmp_path_factory.mktemp("pki"))


@pytest.fixture(scope="module")
def files(authority: LabCA) -> tuple[Path, Path]:
    return authority.issue(dns_names=["dc1.lab.example"], addresses=["127.0.0.1"])


class Peers:
    """Makes peers, readers and stores that end with the test."""

    def __init__(self, authority: LabCA, files: tuple[Path, Path], stack: ExitStack) -> None:
        self.authority, self.files, self._stack = authority, files, stack

    def peer(self, handler: Handler | None = None, *, files: tuple[Path, Path] | None = None, **options: Any) -> ScriptedLdap:
        return self._stack.enter_context(ScriptedLdap(handler or MemoryDirectory(ESTATE), files or self.files, **options))

    def settings(self, peer: ScriptedLdap, **options: Any) -> DirectorySettings:
        given: dict[str, Any] = {
            "server": ["127.0.0.1"],
            "port": peer.port,
            "tls_mode": "ldaps",
            "username": "reader@lab.example",
            "password": Secret("made up"),
            "ca_cert": str(self.authority.ca_pem),
            "timeout": 5,
            "connection_timeout": 3,
        }
        return DirectorySettings.from_options(given | options)

    def store(self, peer: ScriptedLdap, *, versions: bool = False, **options: Any) -> ActiveDirectoryStore:
        store = ActiveDirectoryStore(self.settings(peer, **options), now=NOW, versions=versions)
        self._stack.callback(store.close)
        return store

    def reader(self, peer: ScriptedLdap, **options: Any) -> DirectoryReader:
        return self.store(peer, **options).reader


@pytest.fixture
def peers(authority: LabCA, files: tuple[Path, Path]) -> Iterator[Peers]:
    with ExitStack() as stack:
        yield Peers(authority, files, stack)


def proper(searches: Sequence[SearchRequest]) -> None:
    """Every search names what it wants, pages, and asks for no secret."""
    for request in searches:
        names = {name.lower() for name in request.attributes}
        assert names
        assert not names & {"*", "+", "msfve-recoverypassword", "msfve-keypackage"}
        assert request.scope == ldap_wire.BASE or request.page is not None


def test_only_a_ledger_asks_when_a_password_was_written(peers: Peers) -> None:
    stamp = struct.pack("<IIq16sqq", 0x000907AC, 3, 77, bytes(16), 5, 6)
    metadata = [struct.pack("<IIII", 1, 0, 1, 0) + stamp]
    stamped = [*ESTATE[:-2], recovery(21, 1, replPropertyMetaData=metadata), recovery(22, 2, replPropertyMetaData=[b"nothing to be read"])]
    peer = peers.peer(MemoryDirectory(stamped))
    assert {entry.version for entry in peers.store(peer).read().entries} == {None}
    assert not [request for request in peer.searches if "replPropertyMetaData" in request.attributes]
    reading = peers.store(peer, versions=True).read()
    assert reading.state is StoreState.SEARCHED
    versions = {entry.key_ids[0]: entry.version for entry in reading.entries}
    assert versions == {str(key(n)): None for n in range(23)} | {str(key(21)): f"repl:3:77:{'00' * 16}:5"}
    proper(peer.searches)


def test_a_domain_is_read_page_by_page_without_asking_for_a_secret(peers: Peers) -> None:
    peer = peers.peer()
    reading = peers.store(peer, page_size=7).read()
    assert (reading.state, reading.reason, reading.domain, reading.read_only) == (StoreState.SEARCHED, "", "lab.example", False)
    assert len(reading.owners) == COMPUTERS
    assert {entry.key_ids for entry in reading.entries} == {(str(key(n)),) for n in range(23)}
    names = {owner.owner_id: owner.name for owner in reading.owners}
    assert all(f"CN={names[entry.owner_id]}," in entry.location for entry in reading.entries)
    proper(peer.searches)
    assert len(peer.binds) == 1
    assert peer.binds[0].encrypted
    assert peer.other_operations == []


def test_empty_pages_with_a_cookie_are_gone_over(peers: Peers) -> None:
    peer = peers.peer(MemoryDirectory(ESTATE, empty_pages=frozenset({0, 2, 3, 5})))
    assert len(peers.store(peer, page_size=10).read().entries) == 23


def test_references_are_left_alone(peers: Peers) -> None:
    peer = peers.peer(MemoryDirectory(ESTATE, references=[f"ldap://evil.example/CN=Configuration,{BASE}"]))
    reading = peers.store(peer).read()
    assert reading.state is StoreState.SEARCHED
    assert len(reading.entries) == 23


@pytest.mark.parametrize(
    ("code", "name"),
    [
        (3, "timeLimitExceeded"),
        (4, "sizeLimitExceeded"),
        (11, "adminLimitExceeded"),
        (51, "busy"),
        (52, "unavailable"),
        (53, "unwillingToPerform"),
        (99, "LDAP 99"),
    ],
)
def test_a_search_that_ends_early_is_partial_and_keeps_what_it_read(peers: Peers, code: int, name: str) -> None:
    peer = peers.peer(MemoryDirectory(ESTATE, failing_page={1: code}))
    reading = peers.store(peer, page_size=10).read()
    assert reading.state is StoreState.PARTIAL
    assert name in reading.reason
    assert len(reading.entries) == 10
    assert len(reading.owners) == COMPUTERS


def test_a_size_limit_with_entries_on_the_page_keeps_them(peers: Peers) -> None:
    inner = MemoryDirectory(ESTATE)

    def cut(request: SearchRequest) -> Answer:
        answer = inner(request)
        if request.scope == ldap_wire.SUBTREE:
            answer.entries, answer.code, answer.page = list(answer.entries)[:3], 4, None
        return answer

    reading = peers.store(peers.peer(cut)).read()
    assert reading.state is StoreState.PARTIAL
    assert (len(reading.owners), len(reading.entries)) == (3, 3)


def test_a_referral_for_an_answer_is_never_followed(peers: Peers) -> None:
    inner = MemoryDirectory(ESTATE)

    def refer(request: SearchRequest) -> Answer:
        if request.scope == ldap_wire.BASE:
            return inner(request)
        return Answer(code=10, referrals=["ldap://evil.example/DC=other"])

    peer = peers.peer(refer)
    reading = peers.store(peer, search_bases=["DC=other"]).read()
    assert reading.state is StoreState.DOWN
    assert "referrals are never followed" in reading.reason


def test_one_bad_base_of_two_is_partial(peers: Peers) -> None:
    peer = peers.peer()
    reading = peers.store(peer, search_bases=[f"OU=Clients,{BASE}", "OU=Typo,DC=nowhere"]).read()
    assert reading.state is StoreState.PARTIAL
    assert "OU=Typo,DC=nowhere" in reading.reason
    assert len(reading.entries) == 23


def test_not_one_readable_entry_is_no_rights_and_the_names_are_found(peers: Peers) -> None:
    blind = [
        Entry(entry.dn, {"objectClass": ["top"]} if "msFVE-RecoveryGuid" in entry.attributes else entry.attributes) for entry in ESTATE
    ]
    peer = peers.peer(MemoryDirectory(blind))
    store = peers.store(peer)
    reading = store.read()
    assert reading.state is StoreState.NO_RIGHTS
    assert "nothing was ever escrowed" in reading.reason
    names = store.name_hidden([owner.owner_id for owner in reading.owners])
    assert {entry.key_ids[0] for entry in names.entries} == {str(key(n)) for n in range(23)}
    assert not any(entry.readable for entry in names.entries)
    assert names.not_searched == frozenset()
    proper(peer.searches)
    assert {request.attributes for request in peer.searches if request.scope == ldap_wire.ONE_LEVEL} == {("1.1",)}


def test_hidden_names_beside_read_ones_and_other_children(peers: Peers) -> None:
    hidden = recovery(50, 1)
    others = [Entry(hidden.dn, {"objectClass": ["top"]}), Entry(f"CN=RouterIdentity,CN=PC1,OU=Clients,{BASE}", {"objectClass": ["leaf"]})]
    store = peers.store(peers.peer(MemoryDirectory([*ESTATE, *others])))
    reading = store.read()
    names = store.name_hidden([owner.owner_id for owner in reading.owners])
    assert [entry.key_ids for entry in names.entries] == [(str(key(50)),)]


def test_more_children_than_a_page_are_all_named(peers: Peers) -> None:
    many = [Entry(recovery(n, 0).dn, {"objectClass": ["top"]}) for n in range(100, 130)]
    store = peers.store(peers.peer(MemoryDirectory([*ESTATE, *many])), page_size=4)
    reading = store.read()
    names = store.name_hidden([owner.owner_id for owner in reading.owners])
    assert len(names.entries) == 30
    assert names.not_searched == frozenset()


def test_owners_that_could_not_be_searched_for_names_are_told(peers: Peers) -> None:
    inner = MemoryDirectory(ESTATE)

    def refuse(request: SearchRequest) -> Answer:
        if request.scope == ldap_wire.ONE_LEVEL and request.base.startswith("CN=PC1,"):
            return Answer(code=51, message="later")
        return inner(request)

    store = peers.store(peers.peer(refuse))
    ids = {owner.name: owner.owner_id for owner in store.read().owners}
    names = store.name_hidden([*ids.values(), "somebody else"])
    assert names.not_searched == {ids["PC1"], "somebody else"}
    assert names.reason


def test_a_connection_that_breaks_leaves_the_rest_unsearched_at_once(peers: Peers) -> None:
    inner = MemoryDirectory(ESTATE)

    def drop(request: SearchRequest) -> Answer:
        return Answer(drop=True) if request.scope == ldap_wire.ONE_LEVEL and request.base.startswith("CN=PC2,") else inner(request)

    store = peers.store(peers.peer(drop))
    ids = {owner.name: owner.owner_id for owner in store.read().owners}
    names = store.name_hidden(ids.values())
    assert ids["PC2"] in names.not_searched
    assert ids["PC4"] in names.not_searched
    assert "closed the connection" in names.reason


def test_a_connection_that_breaks_between_pages_is_partial(peers: Peers) -> None:
    inner = MemoryDirectory(ESTATE)

    def drop(request: SearchRequest) -> Answer:
        return Answer(drop=True) if request.page is not None and request.page.cookie else inner(request)

    reading = peers.store(peers.peer(drop), page_size=10).read()
    assert reading.state is StoreState.PARTIAL
    assert len(reading.owners) == COMPUTERS
    assert len(reading.entries) == 10


def test_a_server_that_hangs_in_a_search_is_noticed(peers: Peers) -> None:
    inner = MemoryDirectory(ESTATE)
    peer = peers.peer(lambda request: inner(request) if request.scope == ldap_wire.BASE else Answer(hang=True))
    begun = time.monotonic()
    reading = peers.store(peer, timeout=1).read()
    assert reading.state is StoreState.DOWN
    assert "did not answer in time" in reading.reason
    assert time.monotonic() - begun < 5


def test_a_server_that_hangs_on_bind_is_noticed(peers: Peers) -> None:
    begun = time.monotonic()
    reading = peers.store(peers.peer(hang_on_bind=True), timeout=1).read()
    assert reading.state is StoreState.DOWN
    assert time.monotonic() - begun < 5


def test_a_server_that_says_nothing_after_accepting_is_noticed(peers: Peers) -> None:
    peer = peers.peer()
    with socket.create_server(("127.0.0.1", 0)) as silent:
        begun = time.monotonic()
        reading = peers.store(peer, port=silent.getsockname()[1], connection_timeout=1).read()
    assert reading.state is StoreState.DOWN
    assert "did not answer" in reading.reason
    assert time.monotonic() - begun < 5


@pytest.mark.parametrize(
    "raw",
    [
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"\x30\x84\x7f\xff\xff\xff" + bytes(100),
        ldap_wire.encode(999_999, ldap_wire.result(ldap_wire.SEARCH_DONE, 0)),
        ldap_wire.encode(0, ldap_wire.result(ldap_wire.EXTENDED_RESPONSE, 52)),
        b"\x30\x05\x02\x01\x01\x64\x00",
        b"\x30\x03\x02\x01\x00",
    ],
)
def test_garbage_for_an_answer_is_our_error_and_ends_the_reading(peers: Peers, raw: bytes) -> None:
    inner = MemoryDirectory(ESTATE)
    peer = peers.peer(lambda request: inner(request) if request.scope == ldap_wire.BASE else Answer(raw=raw))
    reading = peers.store(peer, timeout=2).read()
    assert reading.state is StoreState.DOWN
    assert reading.reason.startswith("Could not")


def test_an_endless_page_is_cut(peers: Peers) -> None:
    inner = MemoryDirectory(ESTATE)

    def flood(request: SearchRequest) -> Answer:
        if request.scope == ldap_wire.BASE:
            return inner(request)
        return Answer(entries=[computer(n) for n in range(500)], page=Page(0, b""))

    reading = peers.store(peers.peer(flood), page_size=10).read()
    assert reading.state is StoreState.DOWN
    assert "far more than was asked for" in reading.reason


def test_pages_without_end_are_cut(peers: Peers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "MAX_PAGES", 20)
    inner = MemoryDirectory(ESTATE)

    def endless(request: SearchRequest) -> Answer:
        return inner(request) if request.scope == ldap_wire.BASE else Answer(page=Page(0, b"again"))

    peer = peers.peer(endless)
    reading = peers.store(peer).read()
    assert reading.state is StoreState.DOWN
    assert "more than 20 pages" in reading.reason
    assert len(peer.searches) <= 2 * 20 + 1


def test_an_answer_that_trickles_in_is_given_up(peers: Peers) -> None:
    class Slow:
        """Gives one byte at a time; the clock moves a second with each."""

        def __init__(self) -> None:
            self.now = 0.0

        def sendall(self, data: bytes, /) -> None:
            pass

        def recv(self, size: int, /) -> bytes:
            self.now += 1
            return b"\x30" if self.now == 1 else b"\x82" if self.now == 2 else b"\x01"

        def settimeout(self, seconds: float | None, /) -> None:
            pass

    slow = Slow()
    talk = search.Conversation(slow, lambda *_unused: b"", timeout=10, server="slow", monotonic=lambda: slow.now)
    outcome = search.Outcome()
    assert list(talk.search(search.Query(base="", filter="(a=b)", attributes=("1.1",)), outcome)) == []
    assert isinstance(outcome.problem, UnreachableError)
    assert 50 <= slow.now <= 60


def test_what_is_no_active_directory_never_sees_a_password(peers: Peers) -> None:
    peer = peers.peer(MemoryDirectory(ESTATE, dse={"namingContexts": ["dc=other"]}))
    with pytest.raises(ProtocolError, match="no Active Directory"):
        peers.reader(peer).connect()
    assert peer.binds == []


@pytest.mark.parametrize(
    ("data", "name", "said"),
    [
        ("52e", "ERROR_LOGON_FAILURE", "password is wrong"),
        ("525", "ERROR_NO_SUCH_USER", "does not know"),
        ("530", "ERROR_INVALID_LOGON_HOURS", "hour"),
        ("531", "ERROR_INVALID_WORKSTATION", "from here"),
        ("532", "ERROR_PASSWORD_EXPIRED", "expired"),
        ("533", "ERROR_ACCOUNT_DISABLED", "disabled"),
        ("701", "ERROR_ACCOUNT_EXPIRED", "expired"),
        ("773", "ERROR_PASSWORD_MUST_CHANGE", "must be changed"),
        ("775", "ERROR_ACCOUNT_LOCKED_OUT", "locked out"),
        ("abc", "invalidCredentials", "refused"),
    ],
)
def test_refused_credentials_say_why_and_no_other_server_is_asked(peers: Peers, data: str, name: str, said: str) -> None:
    peer = peers.peer(refusals={"reader@lab.example": BindRefusal(49, REFUSED.format(data=data))})
    with pytest.raises(AuthenticationError) as refused:
        peers.reader(peer, server=["127.0.0.1", "localhost"]).connect()
    assert refused.value.name == name
    assert said in refused.value.meaning
    assert refused.value.remedy
    assert len(peer.binds) == 1


@pytest.mark.parametrize(("code", "kind"), [(8, AuthenticationError), (51, StoreDownError), (52, StoreDownError), (2, ProtocolError)])
def test_other_answers_to_a_bind(peers: Peers, code: int, kind: type[KeywardError]) -> None:
    peer = peers.peer(refusals={"reader@lab.example": BindRefusal(code, "told")})
    with pytest.raises(kind) as refused:
        peers.reader(peer).connect()
    assert refused.value.code == f"LDAP {code}"


def test_the_next_server_is_taken_after_one_that_refuses_or_is_not_ready(peers: Peers, authority: LabCA) -> None:
    good = peers.peer()
    busy = peers.peer(
        address="127.0.0.2",
        port=good.port,
        files=authority.issue(addresses=["127.0.0.2"]),
        refusals={"reader@lab.example": BindRefusal(51)},
    )
    wrong = peers.peer(address="127.0.0.3", port=good.port, files=authority.issue(addresses=["127.0.0.9"]))
    reader = peers.reader(good, server=["127.0.0.4", "127.0.0.3", "127.0.0.2", "127.0.0.1"])
    assert reader.connect().server == f"127.0.0.1:{good.port}"
    assert (len(busy.binds), len(wrong.binds), len(good.binds)) == (1, 0, 1)


def test_when_no_server_is_left_each_one_is_named(peers: Peers) -> None:
    peer = peers.peer()
    reading = peers.store(peer, server=["127.0.0.5", "no-such-host.invalid"]).read()
    assert reading.state is StoreState.DOWN
    assert "127.0.0.5" in reading.reason
    assert "refused" in reading.reason
    assert "no-such-host.invalid" in reading.reason
    assert "does not resolve" in reading.reason


@pytest.mark.parametrize(
    ("certificate", "said"),
    [
        ({"ca": "untrusted", "addresses": ["127.0.0.1"]}, "authority that is not trusted"),
        ({"addresses": ["127.0.0.1"], "not_after": NOW - timedelta(days=3000)}, "has expired"),
        ({"addresses": ["127.0.0.77"]}, "does not name this address"),
        ({"dns_names": ["dc1.lab.example"], "common_name": "127.0.0.1"}, "does not name this address"),
    ],
)
def test_wrong_certificates_are_told_apart_and_never_get_a_password(peers: Peers, certificate: dict[str, Any], said: str) -> None:
    for mode, options in (("ldaps", {}), ("start_tls", {"start_tls": True})):
        peer = peers.peer(files=peers.authority.issue(**certificate), **options)
        with pytest.raises(TlsError) as refused:
            peers.reader(peer, tls_mode=mode).connect()
        assert said in refused.value.meaning
        assert refused.value.remedy
        assert peer.binds == []
        assert peer.searches == []


def test_what_may_be_ignored_of_a_certificate(peers: Peers) -> None:
    other = peers.peer(files=peers.authority.issue(addresses=["127.0.0.77"]))
    assert peers.reader(other, cert_validation="ignore_hostname").connect().domain == "lab.example"
    stranger = peers.peer(files=peers.authority.issue(ca="untrusted", addresses=["127.0.0.1"]))
    with pytest.raises(TlsError):
        peers.reader(stranger, cert_validation="ignore_hostname").connect()
    assert peers.reader(stranger, cert_validation="ignore").connect().domain == "lab.example"


def test_a_given_authority_is_the_only_one(peers: Peers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(peers.authority.untrusted_pem))
    peer = peers.peer(files=peers.authority.issue(ca="untrusted", addresses=["127.0.0.1"]))
    with pytest.raises(TlsError):
        peers.reader(peer).connect()
    assert peers.reader(peer, ca_cert=None).connect().domain == "lab.example"


def test_the_authority_as_text_path_der_and_folder(peers: Peers, tmp_path: Path) -> None:
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import Encoding

    pem = peers.authority.ca_pem.read_text()
    der = tmp_path / "ca.der"
    der.write_bytes(x509.load_pem_x509_certificate(pem.encode()).public_bytes(Encoding.DER))
    peer = peers.peer()
    for given in (pem, str(der)):
        assert peers.reader(peer, ca_cert=given).connect().domain == "lab.example"
    for wrong in (str(tmp_path / "missing.pem"), "-----BEGIN CERTIFICATE-----\nnothing\n-----END CERTIFICATE-----", str(__file__)):
        with pytest.raises(OptionError):
            peers.reader(peer, ca_cert=wrong).connect()


def test_start_tls_comes_before_the_bind(peers: Peers) -> None:
    peer = peers.peer(start_tls=True)
    assert peers.store(peer, tls_mode="start_tls").read().state is StoreState.SEARCHED
    assert [bind.encrypted for bind in peer.binds] == [True]


def test_a_server_without_start_tls_gets_no_bind(peers: Peers) -> None:
    with ScriptedLdap(MemoryDirectory(ESTATE), None) as clear:
        with pytest.raises(TlsError, match="StartTLS"):
            peers.reader(clear, tls_mode="start_tls").connect()
        assert clear.binds == []


def test_read_only_controllers_and_global_catalogs_are_recognised(peers: Peers) -> None:
    reading = peers.store(peers.peer(MemoryDirectory.read_only_controller(ESTATE))).read()
    assert (reading.state, reading.read_only) == (StoreState.SEARCHED, True)


def test_a_read_only_controller_says_that_it_never_holds_passwords(peers: Peers) -> None:
    lookup = DirectoryLookup(peers.reader(peers.peer(MemoryDirectory.read_only_controller(ESTATE))))
    found = lookup.find([], [str(key(3))])
    with pytest.raises(AuthorizationError) as refused:
        lookup.reveal(found.entries[0])
    assert refused.value.name == "KW-STO-003"


def test_an_account_without_the_right_to_passwords_is_told_so(peers: Peers) -> None:
    lookup = DirectoryLookup(peers.reader(peers.peer(MemoryDirectory(ESTATE, withheld=CONFIDENTIAL))))
    with pytest.raises(AuthorizationError, match="may not read it"):
        lookup.reveal(lookup.find([], [str(key(3))]).entries[0])


def test_a_password_is_asked_for_once_by_dn_and_only_when_revealed(peers: Peers) -> None:
    peer = peers.peer()
    lookup = DirectoryLookup(peers.reader(peer))
    found = lookup.find(["pc3"], [str(key(3))[:8]])
    proper(peer.searches)
    before = len(peer.searches)
    revealed = lookup.reveal(next(entry for entry in found.entries if entry.key_ids == (str(key(3)),)))
    assert revealed.value == Secret(PASSWORD)
    assert revealed.defects == ()
    asked = peer.searches[before:]
    assert [(request.base, request.scope) for request in asked] == [(revealed.location, ldap_wire.BASE)]
    assert PASSWORD not in repr(revealed)


@pytest.mark.parametrize("text", ["no password at all", "", "123453-" * 7 + "123454", "0" * 4000])
def test_a_value_that_is_no_password_is_a_defect(peers: Peers, text: str) -> None:
    peer = peers.peer(MemoryDirectory([*ESTATE, recovery(60, 0, **{"msFVE-RecoveryPassword": [text]})]))
    lookup = DirectoryLookup(peers.reader(peer))
    revealed = lookup.reveal(lookup.find([], [str(key(60))]).entries[0])
    assert "no recovery password" in revealed.defects[-1]
    assert "12345" not in "".join(revealed.defects)


def test_two_passwords_or_another_object_are_refused(peers: Peers) -> None:
    handler = MemoryDirectory([*ESTATE, recovery(61, 0, **{"msFVE-RecoveryPassword": [PASSWORD, PASSWORD]})])
    lookup = DirectoryLookup(peers.reader(peers.peer(handler)))
    with pytest.raises(BadDataError, match="several"):
        lookup.reveal(lookup.find([], [str(key(61))]).entries[0])
    entry = lookup.find([], [str(key(3))]).entries[0]
    handler.entries = [recovery(3, 3, objectGUID=[bytes(16)])]
    with pytest.raises(BadDataError, match="another object"):
        lookup.reveal(entry)


def test_values_come_in_order_and_one_that_fails_takes_none_along(peers: Peers) -> None:
    broken = recovery(61, 0, **{"msFVE-RecoveryPassword": ["no password"]})
    several = recovery(62, 0, **{"msFVE-RecoveryPassword": [PASSWORD, PASSWORD]})
    peer = peers.peer(MemoryDirectory([*ESTATE, broken, several]))
    store = peers.store(peer)
    entries = sorted(store.read().entries, key=lambda entry: entry.key_ids)
    gone = replace(entries[0], location=f"CN=gone,{BASE}")
    before = len(peer.searches)
    values = list(store.values([gone, *entries]))
    assert [value.entry.entry_id for value in values] == [entry.entry_id for entry in [gone, *entries]]
    assert [bool(value.problem) for value in values] == [True, *[False] * 24, True]
    assert all(value.entry.value == Secret(PASSWORD) for value in values[1:24])
    assert "no recovery password" in values[24].entry.defects[-1]
    assert "several" in values[25].problem
    asked = peer.searches[before:]
    assert {request.scope for request in asked} == {ldap_wire.BASE}
    assert all({name.lower() for name in request.attributes} == {"objectguid", "msfve-recoverypassword"} for request in asked)
    assert len(asked) == len(values)
    assert PASSWORD not in repr(values)


def test_a_key_package_of_the_directory_comes_only_where_it_is_asked_for(peers: Peers) -> None:
    kept = recovery(61, 0, **{"msFVE-KeyPackage": [b"a package"]})
    large = recovery(62, 0, **{"msFVE-KeyPackage": [bytes(65 * 1024)]})
    store = peers.store(peers.peer(MemoryDirectory([*ESTATE, kept, large])))
    entries = [entry for entry in store.read().entries if entry.key_ids[0] in (str(key(3)), str(key(61)), str(key(62)))]
    assert [value.package for value in store.values(entries)] == [None, None, None]
    packages = {value.entry.key_ids[0]: value.package for value in store.values(entries, packages={entry.entry_id for entry in entries})}
    assert packages == {str(key(3)): None, str(key(61)): Secret(b"a package"), str(key(62)): None}


def test_values_of_a_store_without_the_right_or_without_a_server_say_why(peers: Peers) -> None:
    store = peers.store(peers.peer(MemoryDirectory(ESTATE, withheld=CONFIDENTIAL)))
    entries = store.read().entries[:2]
    assert ["may not read it" in value.problem for value in store.values(entries)] == [True, True]
    store.close()
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        lost = peers.store(peers.peer(), port=unused.getsockname()[1])
    assert all(value.problem and value.entry.value is None for value in lost.values(entries))


def test_whoever_stops_asking_stops_the_reading(peers: Peers) -> None:
    peer = peers.peer()
    store = peers.store(peer)
    entries = store.read().entries
    before = len(peer.searches)
    values = store.values(entries)
    next(values)
    del values
    assert len(peer.searches) - before < len(entries)


def test_look_ups_by_computer_and_key(peers: Peers) -> None:
    lookup = DirectoryLookup(peers.reader(peers.peer()))
    by_name = lookup.find(["PC3$", "pc3.lab.example", f"CN=PC3,OU=Clients,{BASE}", "pc9", f"CN=PC9,OU=Clients,{BASE}", "*"], [])
    assert [owner.name for owner in by_name.owners] == ["PC3"]
    assert {entry.key_ids[0] for entry in by_name.entries} == {str(key(n)) for n in (3, 8, 13, 18)}
    assert by_name.not_found == ("pc9", f"CN=PC9,OU=Clients,{BASE}", "*")
    assert by_name.state is StoreState.SEARCHED
    by_key = lookup.find([], ["{" + str(key(8)).upper() + "}", "ffffffff"])
    assert [owner.name for owner in by_key.owners] == ["PC3"]
    assert [entry.key_ids for entry in by_key.entries] == [(str(key(8)),)]
    assert by_key.not_found == ("ffffffff",)
    both = lookup.find(["pc3"], [str(key(9))])
    assert (both.entries, both.not_found) == ((), (str(key(9)),))


def test_a_look_up_in_a_domain_where_nothing_can_be_read(peers: Peers) -> None:
    blind = [
        Entry(entry.dn, {"objectClass": ["top"]} if "msFVE-RecoveryGuid" in entry.attributes else entry.attributes) for entry in ESTATE
    ]
    lookup = DirectoryLookup(peers.reader(peers.peer(MemoryDirectory(blind))))
    found = lookup.find(["pc3"], [])
    assert found.state is StoreState.NO_RIGHTS
    assert "there are recovery objects" in found.reason
    assert len(found.entries) == 4


def test_entries_under_an_owner_that_cannot_be_seen_stay(peers: Peers) -> None:
    stray = recovery(70, 99)
    reading = peers.store(peers.peer(MemoryDirectory([*ESTATE, stray]))).read()
    entry = next(entry for entry in reading.entries if entry.key_ids == (str(key(70)),))
    owner = next(owner for owner in reading.owners if owner.owner_id == entry.owner_id)
    assert (owner.name, owner.in_scope) == ("PC99", False)


def test_bases_that_are_one_under_two_spellings_bring_each_entry_once(peers: Peers) -> None:
    inner = MemoryDirectory(ESTATE)
    peer = peers.peer(lambda request: inner(replace(request, base=request.base.replace(", ", ","))))
    bases = [f"OU=Clients,{BASE}", f"OU=Clients, {BASE}"]
    reading = peers.store(peer, search_bases=bases).read()
    assert (reading.state, reading.whole) == (StoreState.SEARCHED, False)
    assert (len(reading.owners), len(reading.entries)) == (COMPUTERS, 23)
    assert peers.store(peers.peer()).read().whole
    assert peers.store(peers.peer(), search_bases=[BASE.lower()]).read().whole


def test_an_owner_that_could_not_be_looked_up_makes_the_reading_partial(peers: Peers) -> None:
    late = computer(7)
    inner = MemoryDirectory([*ESTATE, late, recovery(77, 7)])

    def without(request: SearchRequest) -> Answer:
        if request.base == late.dn:
            return Answer(code=51)
        answer = inner(request)
        return replace(answer, entries=[entry for entry in answer.entries if entry.dn != late.dn])

    reading = peers.store(peers.peer(without)).read()
    assert reading.state is StoreState.PARTIAL
    assert "busy" in reading.reason
    assert len(reading.entries) == 24


def test_a_missing_library_is_an_option_error_that_names_it(peers: Peers, monkeypatch: pytest.MonkeyPatch) -> None:
    from ansible_collections.keyward.bitlocker.plugins.plugin_utils._stores.active_directory import connect, kerberos

    peer = peers.peer()
    monkeypatch.setattr(kerberos, "gssapi", None)
    with pytest.raises(OptionError, match="gssapi"):
        peers.store(peer, auth_protocol="kerberos").read()
    monkeypatch.setattr(connect, "ldap3", None)
    with pytest.raises(OptionError, match="ldap3"):
        peers.store(peer).read()


def test_nothing_of_the_password_stays_in_what_ldap3_keeps(peers: Peers) -> None:
    reader = peers.reader(peers.peer())
    reader.connect()
    connection = reader._linked()._connection
    assert "made up" not in repr(connection)
    assert "made up" not in repr(vars(connection))
