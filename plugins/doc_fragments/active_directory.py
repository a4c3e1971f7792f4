# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options of everything that reads Active Directory, once: at the top of a module, or under its option ``ad``.

Their counterpart in code is ``plugin_utils/_stores/active_directory/settings.py``.
"""

from __future__ import annotations

from textwrap import indent


class ModuleDocFragment:
    """The same options twice: equal by construction."""

    DOCUMENTATION = r"""
options:
  server:
    description:
      - The domain controllers to ask, by full DNS name. The first one that can be used is used.
      - The next one is tried after one that cannot be reached, shows a wrong certificate or is not ready,
        and never after refused credentials, so that a wrong password counts once.
      - Without it they are found by the DNS service records of C(domain).
      - If the value is not specified, the value of the environment variable E(MICROSOFT_AD_LDAP_SERVER) is used.
    type: list
    elements: str
  domain:
    description:
      - DNS name of the domain whose controllers are looked for when no C(server) is named.
      - Records that lead outside the domain are not followed.
    type: str
  port:
    description:
      - The port. The default is 636, and 389 where C(tls_mode=start_tls).
      - On the ports 3268 and 3269 a Global Catalog answers, which knows that keys are escrowed but not the keys.
      - If the value is not specified, the value of the environment variable E(MICROSOFT_AD_LDAP_PORT) is used.
    type: int
  tls_mode:
    description:
      - How TLS begins. There is no mode without.
      - The default is V(ldaps), and V(start_tls) where C(port) is 389 or 3268.
      - If the value is not specified, the value of the environment variable E(MICROSOFT_AD_LDAP_TLS_MODE) is used.
    type: str
    choices: [ldaps, start_tls]
  auth_protocol:
    description:
      - How to authenticate. V(simple) sends user name and password inside TLS.
      - V(kerberos) uses the ticket that C(kinit) left, or gets one with C(username) and C(password), and sends channel binding.
      - The default is V(simple) where a C(password) is given, else V(kerberos). NTLM is not offered.
      - If the value is not specified, the value of the environment variable E(MICROSOFT_AD_LDAP_AUTH_PROTOCOL) is used.
    type: str
    choices: [simple, kerberos]
  username:
    description:
      - The account, as C(user@domain), C(DOMAIN\user) or a DN for V(simple), as C(user@REALM) for V(kerberos).
      - If the value is not specified, the value of the environment variable E(MICROSOFT_AD_LDAP_USERNAME) is used.
    type: str
  password:
    description:
      - The account's password.
      - If the value is not specified, the value of the environment variable E(MICROSOFT_AD_LDAP_PASSWORD) is used.
    type: str
  ca_cert:
    description:
      - The authority that the domain controllers' certificates come from. Either PEM text, or the path of a PEM or DER file,
        or of a folder of hashed certificates. With it no other authority is trusted.
      - The default is the system's set of authorities.
      - If the value is not specified, the value of the environment variable E(MICROSOFT_AD_LDAP_CA_CERT) is used.
    type: str
  cert_validation:
    description:
      - What of the server's certificate is checked. V(always) checks authority, dates and name.
        V(ignore_hostname) leaves out the name. V(ignore) checks nothing and lets anybody on the way read the password.
      - The default is V(always).
      - If the value is not specified, the value of the environment variable E(MICROSOFT_AD_LDAP_CERT_VALIDATION) is used.
    type: str
    choices: [always, ignore, ignore_hostname]
  connection_timeout:
    description:
      - Seconds to wait for each server to accept the connection and TLS. The default is 5.
      - If the value is not specified, the value of the environment variable E(MICROSOFT_AD_LDAP_CONNECTION_TIMEOUT) is used.
    type: int
  timeout:
    description: Seconds to wait for the server to go on with an answer.
    type: int
    default: 60
  page_size:
    description: Objects to ask for at a time. A domain controller gives no more than its C(MaxPageSize), normally 1000.
    type: int
    default: 1000
  search_bases:
    description:
      - The DNs under which computers and keys are looked for. The default is the whole domain.
      - A key that lies outside them counts as not escrowed.
    type: list
    elements: str
  max_idle_days:
    description:
      - Computers that have not logged on for longer than this many days are not accounted for, unless the inventory knows them.
      - The directory notes logons with a delay of up to 14 days. A computer that never logged on is judged by its creation.
      - V(0) means no limit.
    type: int
    default: 90
  include_deleted:
    description:
      - Also read deleted computers and keys, as long as the directory keeps them. Normally only Domain Admins see them.
      - They are reported and never count as escrowed.
    type: bool
    default: false
requirements:
  - ldap3 2.9 or newer
  - dnspython, to find servers by DNS
  - gssapi and cryptography, for Kerberos
"""

    # under the option "ad", which the module describes; set below, as sanity tests read only literal texts here
    SUBOPTIONS: str


def _under_ad(documentation: str) -> str:
    options, mark, requirements = documentation.strip().partition("\nrequirements:\n")
    return f"options:\n  ad:\n    suboptions:\n{indent(options.removeprefix('options:').lstrip(chr(10)), '    ')}{mark}{requirements}\n"


ModuleDocFragment.SUBOPTIONS = _under_ad(ModuleDocFragment.DOCUMENTATION)
