#!/usr/bin/python
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the action plugin of the same name; the argument spec is derived from it."""

from __future__ import annotations

DOCUMENTATION = r"""
module: ad_recovery_key_info
short_description: Find BitLocker recovery keys in Active Directory
version_added: 0.1.0
description:
  - Finds the recovery keys that are escrowed in Active Directory, by computer, by key ID or by the first 8 characters of one.
  - Gives metadata only, unless O(reveal=true). An account that may not read passwords is enough for that.
  - Runs on the controller, whatever host the task is for. Set C(run_once) or put it into a play for C(localhost).
author:
  - The keyward.bitlocker developers (@keyward)
options:
  computer:
    description:
      - The computers whose keys to find, each by name, DNS name or DN.
      - Keys that the account may not read are listed too where their names can be seen.
    type: list
    elements: str
  key_id:
    description:
      - The key IDs to find, or the first 8 or more characters of each, as the recovery screen shows them.
      - Case, braces and hyphens do not matter.
      - Together with O(computer) only keys of those computers are found.
      - The beginning of an ID is compared with the names of the keys alone, a whole one with their attribute as well.
    type: list
    elements: str
  all:
    description: Find every key under O(search_bases) that the account can read.
    type: bool
  reveal:
    description:
      - Also give the recovery passwords of what was found. Each one needs a O(reason), and is recorded in O(audit_file) before it is given.
      - The result is then censored in all output. Use it by registering it.
      - Cannot be combined with O(all).
    type: bool
    default: false
extends_documentation_fragment:
  - keyward.bitlocker.active_directory
  - keyward.bitlocker.disclosure
  - keyward.bitlocker.attributes.ad_info
notes:
  - A directory answers a search for objects that the account may not read as if there were none. Where not one key can be read in the
    whole domain RV(store.state) is V(no_rights), although it may be that no key was ever escrowed there.
seealso:
  - module: keyward.bitlocker.escrow_report
  - module: keyward.bitlocker.disclosure_info
"""

EXAMPLES = r"""
- name: Find the keys of a computer
  keyward.bitlocker.ad_recovery_key_info:
    server: dc1.corp.example
    username: svc-keyward@corp.example
    password: "{{ vault_keyward_password }}"
    computer: pc01
  register: keys

- name: Find a key by what the recovery screen shows
  keyward.bitlocker.ad_recovery_key_info:
    server: [dc1.corp.example, dc2.corp.example]
    auth_protocol: kerberos
    key_id: 1A2B3C4D
  register: keys

- name: Get its password for the help desk
  keyward.bitlocker.ad_recovery_key_info:
    domain: corp.example
    auth_protocol: kerberos
    key_id: 1a2b3c4d-0102-0304-0506-0708090a0b0c
    reveal: true
    reason: INC-4711, caller identified by the service desk
    audit_file: /var/log/keyward/audit.jsonl
  register: revealed
  no_log: true
"""

RETURN = r"""
computers:
  description: The computer objects that were asked for, or that the found keys belong to.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: Name, without the dollar sign.
      type: str
      returned: success
    dns_name:
      description: Full DNS name in lower case, null where the object has none.
      type: str
      returned: success
    dn:
      description: Distinguished name.
      type: str
      returned: success
    guid:
      description: The object's GUID. The owner's DN in lower case where the account may not see the object.
      type: str
      returned: success
    sid:
      description: Security identifier.
      type: str
      returned: success
    enabled:
      description: Whether the account is enabled.
      type: bool
      returned: success
    in_scope:
      description: Whether M(keyward.bitlocker.escrow_report) accounts for it even if the inventory does not know it.
      type: bool
      returned: success
    cluster_name_object:
      description: Whether it stands for a failover cluster instead of a machine.
      type: bool
      returned: success
    deleted:
      description: Whether it is deleted.
      type: bool
      returned: success
    last_seen:
      description: Time of the last logon that the directory noted, in UTC, null where there is none.
      type: str
      returned: success
  sample:
    - name: PC01
      dns_name: pc01.corp.example
      dn: CN=PC01,OU=Clients,DC=corp,DC=example
      guid: 5b0a7c1e-6d54-4f25-8b7e-0d6f2f0f3f11
      sid: S-1-5-21-1004336348-1177238915-682003330-1104
      enabled: true
      in_scope: true
      cluster_name_object: false
      deleted: false
      last_seen: '2026-11-20T08:15:00Z'
entries:
  description: The keys that were found, by computer, the newest first.
  returned: success
  type: list
  elements: dict
  contains:
    key_id:
      description: The key ID in lower case without braces, null where it cannot be read.
      type: str
      returned: success
    key_ids:
      description: Every key ID that the object claims. More than one means that its name and its attribute disagree.
      type: list
      elements: str
      returned: success
    computer:
      description: Name of the computer that it belongs to.
      type: str
      returned: success
    computer_guid:
      description: That computer's C(guid).
      type: str
      returned: success
    dn:
      description: Distinguished name.
      type: str
      returned: success
    created:
      description: When it was escrowed, by the directory's clock, in UTC. Null where it cannot be read.
      type: str
      returned: success
    volume_guid:
      description: The volume's GUID, null where there is none.
      type: str
      returned: success
    deleted:
      description: Whether it is deleted.
      type: bool
      returned: success
    readable:
      description: Whether the account may read it. If not, only its name is known.
      type: bool
      returned: success
    malformed:
      description: Whether it is broken, as C(defects) says.
      type: bool
      returned: success
    defects:
      description: What is broken, one sentence each.
      type: list
      elements: str
      returned: success
    conflicting:
      description: Whether another found entry of the same key ID holds another password.
      type: bool
      returned: when O(reveal=true)
    recovery_password:
      description: The recovery password, null where it could not be read.
      type: str
      returned: when O(reveal=true)
    problem:
      description: Why the password could not be read, empty where it could.
      type: str
      returned: when O(reveal=true)
  sample:
    - key_id: 1a2b3c4d-0102-0304-0506-0708090a0b0c
      key_ids: [1a2b3c4d-0102-0304-0506-0708090a0b0c]
      computer: PC01
      computer_guid: 5b0a7c1e-6d54-4f25-8b7e-0d6f2f0f3f11
      dn: CN=2026-01-02T03:04:05-08:00{1A2B3C4D-0102-0304-0506-0708090A0B0C},CN=PC01,OU=Clients,DC=corp,DC=example
      created: '2026-01-02T11:04:06Z'
      volume_guid: 9c1c1f2e-7a4b-4a53-9c35-6a1a0e5e9d10
      deleted: false
      readable: true
      malformed: false
      defects: []
not_found:
  description: The computers and key IDs that nothing was found for, as they were asked for.
  returned: success
  type: list
  elements: str
  sample: []
store:
  description: How far the search reached.
  returned: success
  type: dict
  contains:
    state:
      description:
        - V(searched) to its end, V(partial) not to its end, or V(no_rights) where the account can read no key of the domain at all.
      type: str
      returned: success
    reason:
      description: Why it is not V(searched).
      type: str
      returned: success
    server:
      description: The server and port that answered.
      type: str
      returned: success
    domain:
      description: DNS name of the domain.
      type: str
      returned: success
    read_only:
      description: Whether the server is a read-only domain controller or a Global Catalog. These never hold passwords.
      type: bool
      returned: success
  sample:
    state: searched
    reason: ''
    server: dc1.corp.example:636
    domain: corp.example
    read_only: false
"""
