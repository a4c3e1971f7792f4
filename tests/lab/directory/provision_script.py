# SPDX-License-Identifier: GPL-3.0-or-later
"""Provision a domain with its base accounts; run by the distribution's own Python, which alone has Samba's modules.

Usage: provision_script.py TREE < settings.json. Works without root: the Python API takes the owner's own names where ``samba-tool``
would change owners and set sysvol ACLs.
"""

from __future__ import annotations

import grp
import importlib
import json
import logging
import os
import pwd
import sys
from typing import Any


def _samba(name: str) -> Any:
    """A module of Samba's: imported by name, since the checkers' Python does not have it."""
    return importlib.import_module(name)


def _account_name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return "root"


def _group_name(gid: int) -> str:
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return "root"


def main() -> int:
    """Provision TREE as the settings on standard input say."""
    tree, settings = sys.argv[1], json.load(sys.stdin)
    param, auth, dsdb = _samba("samba.param"), _samba("samba.auth"), _samba("samba.dsdb")
    os.makedirs(f"{tree}/etc", exist_ok=True)
    lp = param.LoadParm()
    logger = logging.getLogger("provision")
    logger.addHandler(logging.StreamHandler(sys.stderr))
    me, my_group = _account_name(os.getuid()), _group_name(os.getgid())
    _samba("samba.provision").provision(
        logger,
        auth.system_session(lp),
        smbconf=f"{tree}/etc/smb.conf",
        targetdir=tree,
        realm=settings["realm"].upper(),
        domain=settings["domain"],
        serverrole="active directory domain controller",
        dns_backend="NONE",
        adminpass=settings["admin_password"],
        hostname=settings["host"],
        hostip=settings["address"],
        root=me,
        nobody=me,
        users=my_group,
        skip_sysvolacl=True,
        dom_for_fun_level=dsdb.DS_DOMAIN_FUNCTION_2008_R2,
    )
    _base_accounts(tree, settings, param, auth)
    return 0


def _base_accounts(tree: str, settings: dict[str, Any], param: Any, auth: Any) -> None:
    """The service accounts, and the service name Kerberos clients of LDAP ask for (``dnsupdate``, which adds it, does not run)."""
    ldb = _samba("ldb")
    lp = param.LoadParm()
    lp.load(f"{tree}/etc/smb.conf")
    samdb = _samba("samba.samdb").SamDB(f"{tree}/private/sam.ldb", session_info=auth.system_session(lp), lp=lp)
    base = str(samdb.get_default_basedn())
    for name, password in settings["users"].items():
        samdb.add(
            {
                "dn": f"CN={name},CN=Users,{base}",
                "objectClass": "user",
                "sAMAccountName": name,
                "userPrincipalName": f"{name}@{settings['realm']}",
                # enabled, password never expires
                "userAccountControl": "66048",
                "unicodePwd": f'"{password}"'.encode("utf-16-le"),
            }
        )
    found = samdb.search(base, scope=ldb.SCOPE_SUBTREE, expression=f"(sAMAccountName={settings['host']}$)", attrs=["1.1"])
    message = ldb.Message(found[0].dn)
    service = f"ldap/{settings['host']}.{settings['realm']}"
    message["spn"] = ldb.MessageElement([service], ldb.FLAG_MOD_ADD, "servicePrincipalName")
    samdb.modify(message)


if __name__ == "__main__":
    sys.exit(main())
