# SPDX-License-Identifier: GPL-3.0-or-later
"""Let happen in a running lab what happens to an estate between two runs (estate/later.py): in the real directory, and in the tenant."""

from __future__ import annotations

import ssl
import uuid
from collections.abc import Iterable
from typing import Any

import ldap3
from ansible_collections.keyward.bitlocker.tests.lab import serialize
from ansible_collections.keyward.bitlocker.tests.lab.directory import layout
from ansible_collections.keyward.bitlocker.tests.lab.estate import truth, writers
from ansible_collections.keyward.bitlocker.tests.lab.estate.later import AD, ENTRA, Happening, happen, later_truth
from ansible_collections.keyward.bitlocker.tests.lab.lab import Lab, LabError, python_path


def go_on(lab: Lab) -> list[Happening]:
    """Let it happen, and write the truth of a second run in place of the first one's; what happened.

    Raises:
        LabError: nothing is there that it could happen to, or the directory refused.
    """
    happened = happen(lab.estate, _truth(lab))
    if not happened:
        raise LabError("no key of this lab is proven by a first run, so nothing can happen to one: use more hosts, and --proof live")
    apply(lab, happened)
    writers.write_truth(later_truth(_truth(lab), happened), lab.truth_file)
    return happened


def _truth(lab: Lab) -> dict[str, Any]:
    stores = ("ad",) if lab.entra is None else ("ad", "entra")
    return truth.truth(lab.estate, copies=lab.options.copies, proof=lab.options.proof, stores=stores)


def apply(lab: Lab, happened: Iterable[Happening]) -> None:
    """Change the running directory, and play the tenant of the lab's estate anew; the estate must have been changed before.

    Raises:
        LabError: the directory refused.
    """
    happened = list(happened)
    _in_directory(lab, [item for item in happened if item.store == AD])
    if lab.entra is not None and any(item.store == ENTRA for item in happened):
        lab.entra.stop()
        (lab.folder / "entra.ready").unlink(missing_ok=True)
        estate_file = lab.folder / "estate.json"
        estate_file.write_text(serialize.to_json(lab.estate), encoding="utf-8")
        lab.entra.start(estate_file, {"PYTHONPATH": python_path()})


def _in_directory(lab: Lab, happened: list[Happening]) -> None:
    """As an administrator would: the object stays the same with another value, or goes."""
    if not happened:
        return
    administrator = layout.accounts(lab.estate.realm)[layout.ADMINISTRATOR]
    tls = ldap3.Tls(ca_certs_file=str(lab.ca_file), validate=ssl.CERT_REQUIRED)
    server = ldap3.Server(lab.block.directory, port=layout.LDAPS_PORT, use_ssl=True, tls=tls, get_info=ldap3.NONE)
    connection: Any  # ldap3 tells no types
    with ldap3.Connection(server, administrator.principal, administrator.password, raise_exceptions=True) as connection:
        for item in happened:
            guid = "".join(f"\\{octet:02x}" for octet in uuid.UUID(item.key_id).bytes_le)
            connection.search(layout.base_dn(lab.estate.realm), f"(msFVE-RecoveryGuid={guid})", attributes=["msFVE-RecoveryGuid"])
            found = [entry["dn"] for entry in connection.response if entry["type"] == "searchResEntry"]
            if len(found) != 1:
                raise LabError(f"the directory has {len(found)} entries of {item.key_id}")
            if item.password is None:
                connection.delete(found[0])
            else:
                connection.modify(found[0], {"msFVE-RecoveryPassword": [(ldap3.MODIFY_REPLACE, [item.password])]})
