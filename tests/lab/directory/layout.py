# SPDX-License-Identifier: GPL-3.0-or-later
"""What is the same in every lab directory: names, accounts, grants, ports and Samba's configuration file.

All passwords here are made up for a directory that listens on a loopback address only.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

REALM = "lab.example"
DC_NAME = "dc1"
LDAPS_PORT = 636
LDAP_PORT = 389
GLOBAL_CATALOG_TLS_PORT = 3269
#: Samba's LDAP ports are compiled in, the Kerberos ones are not: unprivileged ones keep clear of a KDC of the machine
KERBEROS_PORT = 10088
KPASSWD_PORT = 10464

#: raised whenever what provisioning leaves behind changes its meaning (the cache key also holds the settings and the script's text)
PROVISIONING_VERSION = 1

#: schemaIDGUID of msFVE-RecoveryInformation and of msFVE-RecoveryPassword (MS-ADSC, MS-ADA2)
RECOVERY_INFORMATION_GUID = "ea715d30-8f53-40d0-bd1e-6109186d782c"
RECOVERY_PASSWORD_GUID = "43061ac1-c8ad-4ccc-b785-2bfac20fc60a"
#: of msFVE-KeyPackage
KEY_PACKAGE_GUID = "1fd55ea8-88a7-47dc-8129-0daa97186a54"


@dataclass(frozen=True)
class Account:
    """A person's or service's account of the lab domain."""

    name: str
    password: str
    realm: str = REALM

    @property
    def principal(self) -> str:
        """``name@realm``, as a simple bind and kinit take it (kinit with the realm in capitals)."""
        return f"{self.name}@{self.realm}"

    @property
    def kerberos_principal(self) -> str:
        """``name@REALM``."""
        return f"{self.name}@{self.realm.upper()}"


#: sees that recovery objects exist, with GUIDs and dates, never a password
REPORT = "svc-report"
#: additionally reads msFVE-RecoveryPassword
REVEAL = "svc-reveal"
#: a report that proves: all that the report's account has, and msFVE-RecoveryPassword and msFVE-KeyPackage
PROOF = "svc-proof"
#: a plain domain user: sees computers, and of recovery objects only the DNs
NO_RIGHTS = "svc-norights"
ADMINISTRATOR = "Administrator"

PASSWORDS = {
    REPORT: "Lab-Report-4711",
    REVEAL: "Lab-Reveal-4712",
    PROOF: "Lab-Proof-4715",
    NO_RIGHTS: "Lab-NoRights-4713",
    ADMINISTRATOR: "Lab-Admin-4714",
}

#: a machine account with this password always exists and owns nothing: a bind for tests that need no particular host
METADATA_ACE = f"(OA;CIIO;RPLCLORC;;{RECOVERY_INFORMATION_GUID};{{sid}})"
PASSWORD_ACE = f"(OA;CIIO;RPCR;{RECOVERY_PASSWORD_GUID};{RECOVERY_INFORMATION_GUID};{{sid}})"

PACKAGE_ACE = f"(OA;CIIO;RPCR;{KEY_PACKAGE_GUID};{RECOVERY_INFORMATION_GUID};{{sid}})"

#: ACEs every container of computers gets, by account; ``{sid}`` is the account's SID
GRANTS: dict[str, tuple[str, ...]] = {
    REPORT: (METADATA_ACE,),
    REVEAL: (METADATA_ACE, PASSWORD_ACE),
    PROOF: (METADATA_ACE, PASSWORD_ACE, PACKAGE_ACE),
}

#: security descriptor of a hidden entry: the class default (Domain Admins, SYSTEM), and the report's accounts may read nothing of it.
#: Inherited grants come after an explicit denial, so the OU's grant does not win.
HIDDEN_SDDL = "D:(D;;RPRCLO;;;{svc-report})(D;;RPRCLO;;;{svc-proof})(A;;RPWPCRCCDCLCLOLORCWOWDSDDTSW;;;DA)(A;;GA;;;SY)"


def accounts(realm: str = REALM) -> dict[str, Account]:
    """The accounts that exist in every lab directory, by name."""
    return {name: Account(name, password, realm) for name, password in PASSWORDS.items()}


def base_dn(realm: str) -> str:
    """``lab.example`` -> ``DC=lab,DC=example``."""
    return ",".join(f"DC={label}" for label in realm.split("."))


def domain_name(realm: str) -> str:
    """The NetBIOS name of the domain: the first label in capitals."""
    return realm.split(".")[0].upper()


def smb_conf(tree: Path, address: str, *, realm: str = REALM, kerberos: bool = False) -> str:
    """Samba's whole configuration for a tree at ``tree`` that listens on ``address`` alone.

    ``/8`` is needed: with ``/32`` Samba finds no network interface and listens nowhere.
    """
    services = "ldap, kdc" if kerberos else "ldap"
    return f"""[global]
  netbios name = {DC_NAME.upper()}
  workgroup = {domain_name(realm)}
  realm = {realm.upper()}
  server role = active directory domain controller
  server services = {services}
  interfaces = {address}/8
  bind interfaces only = yes
  private dir = {tree}/private
  state directory = {tree}/state
  cache directory = {tree}/cache
  lock directory = {tree}
  pid directory = {tree}/run
  ncalrpc dir = {tree}/ncalrpc
  binddns dir = {tree}/bind-dns
  ntp signd socket directory = {tree}/ntp
  winbindd socket directory = {tree}/winbindd
  krb5 port = {KERBEROS_PORT}
  kpasswd port = {KPASSWD_PORT}
  tls enabled = yes
  tls keyfile = {tree}/tls/key.pem
  tls certfile = {tree}/tls/cert.pem
  tls cafile = {tree}/tls/ca.pem
  ldap server require strong auth = allow_sasl_over_tls
  log level = 1
"""


def krb5_conf(address: str, realm: str = REALM) -> str:
    """A krb5.conf that finds the lab's KDC without DNS."""
    upper = realm.upper()
    return f"""[libdefaults]
  default_realm = {upper}
  dns_lookup_kdc = false
  dns_lookup_realm = false
  rdns = false
  dns_canonicalize_hostname = false
  udp_preference_limit = 1
[realms]
  {upper} = {{
    kdc = {address}:{KERBEROS_PORT}
    kpasswd_server = {address}:{KPASSWD_PORT}
  }}
[domain_realm]
  .{realm} = {upper}
  {realm} = {upper}
"""
