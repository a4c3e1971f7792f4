# SPDX-License-Identifier: GPL-3.0-or-later
"""A handler for the scripted peer: entries in memory, filters, paging, and the limits and gaps that Samba does not have.

What it imitates is Microsoft's documented behaviour, not seen by us on a real controller: MaxPageSize (result 4 with partial entries
where no page was asked for), a read-only controller and a Global Catalog without passwords, pages that are empty although more follow,
results in the middle of paging, references.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ansible_collections.keyward.bitlocker.tests.lab.directory import ldap_wire
from ansible_collections.keyward.bitlocker.tests.lab.directory.ldap_wire import Filter, Page, SearchRequest
from ansible_collections.keyward.bitlocker.tests.lab.directory.scripted_ldap import NO_SUCH_OBJECT, SIZE_LIMIT, UNWILLING, Answer, Entry

#: supportedCapabilities of a controller (MS-ADTS 3.1.1.3.4.3): Active Directory, and "partial secrets" for a read-only one
ACTIVE_DIRECTORY, PARTIAL_SECRETS = "1.2.840.113556.1.4.800", "1.2.840.113556.1.4.1920"
#: attributes that never reach a read-only controller and are not in the Global Catalog
CONFIDENTIAL = frozenset({"msfve-recoverypassword", "msfve-keypackage"})
_BINARY = frozenset({"objectguid", "objectsid", "msfve-recoveryguid", "msfve-volumeguid", "msfve-keypackage"})


def root_dse(base_dn: str = "DC=lab,DC=example", *, read_only: bool = False, host: str = "dc1.lab.example") -> dict[str, Sequence[str]]:
    """The attributes of a controller's rootDSE that clients look at."""
    return {
        "defaultNamingContext": [base_dn],
        "rootDomainNamingContext": [base_dn],
        "configurationNamingContext": [f"CN=Configuration,{base_dn}"],
        "schemaNamingContext": [f"CN=Schema,CN=Configuration,{base_dn}"],
        "namingContexts": [base_dn],
        "dnsHostName": [host],
        "isGlobalCatalogReady": ["TRUE"],
        "supportedLDAPVersion": ["3"],
        "supportedCapabilities": [ACTIVE_DIRECTORY, *([PARTIAL_SECRETS] if read_only else [])],
        "supportedControl": [ldap_wire.PAGED_RESULTS, ldap_wire.SHOW_DELETED],
    }


@dataclass
class MemoryDirectory:
    """Call it with a search to get an answer.

    ``max_page_size`` cuts a search without paging at that many entries (result 4) and a page at that many; ``withheld`` are attributes
    (lower case) that do not exist here; ``empty_pages`` are numbers of pages, from 0, that come empty with a cookie; ``failing_page``
    answers that page with a code; ``references`` come with every search below the base of the domain.
    """

    entries: Sequence[Entry] = ()
    dse: Mapping[str, Sequence[str | bytes]] = field(default_factory=root_dse)
    max_page_size: int = 1000
    withheld: frozenset[str] = frozenset()
    empty_pages: frozenset[int] = frozenset()
    failing_page: Mapping[int, int] = field(default_factory=dict)
    references: Sequence[str] = ()
    _cursors: dict[bytes, tuple[list[Entry], int]] = field(default_factory=dict)

    @classmethod
    def read_only_controller(cls, entries: Sequence[Entry], base_dn: str = "DC=lab,DC=example") -> MemoryDirectory:
        """A read-only domain controller: says so in its rootDSE, and never has a password."""
        return cls(entries, dse=root_dse(base_dn, read_only=True), withheld=CONFIDENTIAL)

    @classmethod
    def global_catalog(cls, entries: Sequence[Entry], base_dn: str = "DC=lab,DC=example") -> MemoryDirectory:
        """A Global Catalog port: same rootDSE as any controller, no passwords."""
        return cls(entries, dse=root_dse(base_dn), withheld=CONFIDENTIAL)

    def __call__(self, request: SearchRequest) -> Answer:
        """Answer a search."""
        if request.base == "" and request.scope == ldap_wire.BASE:
            return Answer(entries=[self._project(Entry("", self.dse), request)])
        page = request.page
        if page is not None and page.cookie:
            if page.cookie not in self._cursors:
                return Answer(code=UNWILLING, message="scripted: this cookie is not of this server")
            return self._page(request, page, *self._cursors.pop(page.cookie))
        base = parse_dn(request.base)
        if request.base and not any(parse_dn(entry.dn)[-len(base) :] == base for entry in self.entries):
            return Answer(code=NO_SUCH_OBJECT, matched="", message="0000208D: NameErr: scripted: no such object")
        found = [
            entry for entry in self.entries if _in_scope(parse_dn(entry.dn), base, request.scope) and self.matches(request.filter, entry)
        ]
        if page is not None:
            return self._page(request, page, found, 0)
        cut = len(found) > self.max_page_size
        shown = [self._project(entry, request) for entry in found[: self.max_page_size]]
        return Answer(entries=shown, references=self._references(request), code=SIZE_LIMIT if cut else 0)

    def _references(self, request: SearchRequest) -> Sequence[str]:
        return self.references if request.scope == ldap_wire.SUBTREE else ()

    def _page(self, request: SearchRequest, page: Page, rest: list[Entry], number: int) -> Answer:
        if number in self.failing_page:
            return Answer(code=self.failing_page[number], message="scripted: fails on this page")
        size = 0 if number in self.empty_pages else min(page.size, self.max_page_size)
        shown, rest = rest[:size], rest[size:]
        cookie = b""
        if rest or number + 1 in self.empty_pages:
            cookie = b"scripted-%d-%d" % (len(self._cursors), number + 1)
            while cookie in self._cursors:
                cookie += b"."
            self._cursors[cookie] = (rest, number + 1)
        references = self._references(request) if number == 0 else ()
        return Answer(entries=[self._project(entry, request) for entry in shown], references=references, page=Page(0, cookie))

    def _project(self, entry: Entry, request: SearchRequest) -> Entry:
        wanted = {name.lower() for name in request.attributes}
        everything = not wanted or "*" in wanted
        kept = {
            name: values
            for name, values in entry.attributes.items()
            if name.lower() not in self.withheld and (everything or name.lower() in wanted) and "1.1" not in wanted
        }
        return Entry(entry.dn, kept)

    def matches(self, node: Filter, entry: Entry) -> bool:
        """Whether an entry passes a filter; a withheld attribute matches nothing."""
        if node.kind == "and":
            return all(self.matches(child, entry) for child in node.children)
        if node.kind == "or":
            return any(self.matches(child, entry) for child in node.children)
        if node.kind == "not":
            return not self.matches(node.children[0], entry)
        name = node.attribute.lower()
        if name in self.withheld:
            return False
        values = [value for key, found in entry.attributes.items() if key.lower() == name for value in found]
        if node.kind == "present":
            return bool(values)
        raw = [value.encode() if isinstance(value, str) else value for value in values]
        return any(_value_matches(node, value, exact=name in _BINARY) for value in raw)


def parse_dn(dn: str) -> list[str]:
    """The components of a DN in lower case, outermost last."""
    return [part.strip().lower() for part in re.split(r"(?<!\\),", dn)] if dn else []


def _in_scope(dn: list[str], base: list[str], scope: int) -> bool:
    below = len(dn) - len(base)
    if below < 0 or (base and dn[-len(base) :] != base):
        return False
    return below == 0 if scope == ldap_wire.BASE else below == 1 if scope == ldap_wire.ONE_LEVEL else True


def _value_matches(node: Filter, value: bytes, *, exact: bool) -> bool:
    if node.kind == "extended":
        wanted = int(node.value)
        return int(value) & wanted == wanted if node.rule == ldap_wire.BITWISE_AND else bool(int(value) & wanted)
    if not exact:
        value = value.lower()
    if node.kind == "substring":
        pieces = [re.escape(part if exact else part.lower()) for part in node.parts]
        return re.fullmatch(b".*".join(pieces), value, re.DOTALL) is not None
    wanted_value = node.value if exact else node.value.lower()
    if node.kind in ("equal", "approx"):
        # objectCategory is written with the class's short name and stored as the DN of its schema object
        return value == wanted_value or (node.attribute.lower() == "objectcategory" and value.startswith(b"cn=%s," % wanted_value))
    if value.isdigit() and wanted_value.isdigit():
        return int(value) >= int(wanted_value) if node.kind == "greater" else int(value) <= int(wanted_value)
    return value >= wanted_value if node.kind == "greater" else value <= wanted_value
