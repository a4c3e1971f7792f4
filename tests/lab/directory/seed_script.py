# SPDX-License-Identifier: GPL-3.0-or-later
"""Write a plan (plan.Plan.to_json) into a stopped directory's database; run by the distribution's own Python.

Usage: seed_script.py TREE < plan.json. Batch options and commits of a thousand keep the time linear: without them 7,000 pairs of
computer and key take two minutes. Security descriptors inherit as they do over LDAP.
"""

from __future__ import annotations

import base64
import importlib
import json
import sys
import uuid
from collections.abc import Callable, Iterable
from typing import Any

COMMIT_EVERY = 1000
BATCH_OPTIONS = ["batch_mode:1", "transaction_index_cache_size:200000"]


def _samba(name: str) -> Any:
    """A module of Samba's: imported by name, since the checkers' Python does not have it."""
    return importlib.import_module(name)


def _open(tree: str, options: list[str]) -> Any:
    lp = _samba("samba.param").LoadParm()
    lp.load(f"{tree}/etc/smb.conf")
    session = _samba("samba.auth").system_session(lp)
    return _samba("samba.samdb").SamDB(f"{tree}/private/sam.ldb", session_info=session, lp=lp, options=options)


def _in_batches(samdb: Any, items: Iterable[Any], write: Callable[[Any], None]) -> None:
    """Write every item, a thousand a transaction; an error cancels its transaction and ends the run."""
    samdb.transaction_start()
    try:
        for count, item in enumerate(items, 1):
            write(item)
            if count % COMMIT_EVERY == 0:
                samdb.transaction_commit()
                samdb.transaction_start()
    except BaseException:
        samdb.transaction_cancel()
        raise
    samdb.transaction_commit()


def _account_sids(samdb: Any, names: Iterable[str]) -> dict[str, str]:
    security, ndr, ldb = _samba("samba.dcerpc.security"), _samba("samba.ndr"), _samba("ldb")
    sids = {}
    for name in names:
        wanted = f"(sAMAccountName={name})"
        found = samdb.search(samdb.get_default_basedn(), scope=ldb.SCOPE_SUBTREE, expression=wanted, attrs=["objectSid"])
        sids[name] = str(ndr.ndr_unpack(security.dom_sid, found[0]["objectSid"][0]))
    return sids


def _value(planned: Any) -> Any:
    return planned if isinstance(planned, str) else base64.b64decode(planned["b64"])


def main() -> int:
    """Seed TREE from the plan on standard input."""
    tree, plan = sys.argv[1], json.load(sys.stdin)
    ldb, security, ndr = _samba("ldb"), _samba("samba.dcerpc.security"), _samba("samba.ndr")
    samdb = _open(tree, [])
    sids = _account_sids(samdb, plan["grants"])
    domain_sid = security.dom_sid(samdb.get_domain_sid())
    sd_utils = _samba("samba.sd_utils").SDUtils(samdb)
    grants = "".join(aces.replace("{sid}", sids[account]) for account, aces in plan["grants"].items())
    for dn, create in plan["containers"].items():
        if create and not samdb.search(plan["base_dn"], expression=f"(distinguishedName={dn})", attrs=["1.1"]):
            samdb.add({"dn": dn, "objectClass": "organizationalUnit"})
        # inherited by what is added later; containers that lie in one another get it once each, as an administrator would leave it
        sd_utils.dacl_add_ace(dn, grants)
    del samdb

    samdb = _open(tree, BATCH_OPTIONS)

    def add(planned: dict[str, Any]) -> None:
        message = {"dn": planned["dn"]}
        for name, values in planned["attributes"].items():
            message[name] = [_value(value) for value in values]
        if planned["sddl"] is not None:
            sddl = planned["sddl"]
            for account, sid in sids.items():
                sddl = sddl.replace(f"{{{account}}}", sid)
            message["nTSecurityDescriptor"] = ndr.ndr_pack(security.descriptor.from_sddl(sddl, domain_sid))
        controls = []
        if planned["object_guid"] is not None:
            message["objectGUID"] = uuid.UUID(planned["object_guid"]).bytes_le
            controls = ["relax:0"]
        samdb.add(message, controls)

    def date(planned: dict[str, Any]) -> None:
        message = ldb.Message(ldb.Dn(samdb, planned["dn"]))
        message["when"] = ldb.MessageElement(planned["when_created"], ldb.FLAG_MOD_REPLACE, "whenCreated")
        # whenCreated belongs to the directory; an add drops it silently, a relaxed modification takes it
        samdb.modify(message, ["relax:0"])

    _in_batches(samdb, plan["objects"], add)
    _in_batches(samdb, (planned for planned in plan["objects"] if planned["when_created"] is not None), date)
    del samdb

    samdb = _open(tree, [])
    for dn in plan["deletions"]:
        samdb.delete(dn, ["tree_delete:1"])
    return 0


if __name__ == "__main__":
    sys.exit(main())
