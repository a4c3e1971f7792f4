#!/usr/bin/python
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the action plugin of the same name; the argument spec is derived from it."""

from __future__ import annotations

DOCUMENTATION = r"""
module: recovery_key_info
short_description: Find BitLocker recovery keys wherever they are
version_added: 0.1.0
description:
  - Finds the recovery keys of computers, or those that recovery screens ask for, in Active Directory, Entra ID, saved files, the second
    copy, and on the computers themselves. A key that several sources have is one record.
  - Gives metadata only, unless O(reveal=true). No recovery password is read without it.
  - Runs on the controller, whatever host the task is for. Set C(run_once) or put it into a play for C(localhost).
author:
  - The keyward.bitlocker developers (@keyward)
options:
  terms:
    description:
      - What to find, each as the name of a host of the inventory, a host name or full DNS name, an Entra device ID, a serial number,
        a key ID (whole, or its first 8 or more characters), or a volume's GUID.
      - A term that can mean several things is looked for as each of them. Put its kind before it to say which one is meant, as in
        V(host:deadbeef), V(key_id:1a2b3c4d), V(device_id:…), V(serial:5CD1234) or V(volume:…).
      - A serial number is known from observations of this play, from tables and from the second copy.
      - A term that stands for no key fails the task, and so does one that stands for several unless O(match) decides.
    type: list
    elements: str
    required: true
  reveal:
    description:
      - Also give the recovery passwords. Each one is recorded in O(audit_file) before it is given.
      - The result is then censored in all output. Use it by registering it.
    type: bool
    default: false
extends_documentation_fragment:
  - keyward.bitlocker.recovery_keys
  - keyward.bitlocker.active_directory.suboptions
  - keyward.bitlocker.entra.suboptions
  - keyward.bitlocker.file_source
  - keyward.bitlocker.vault_source
  - keyward.bitlocker.disclosure
  - keyward.bitlocker.attributes.keys_info
notes:
  - O(reason) is required with O(reveal=true).
seealso:
  - plugin: keyward.bitlocker.recovery_key
    plugin_type: lookup
  - module: keyward.bitlocker.ad_recovery_key_info
  - module: keyward.bitlocker.entra_recovery_key_info
"""

EXAMPLES = r"""
- name: What is known of the key that the recovery screen asks for
  keyward.bitlocker.recovery_key_info:
    terms: 1A2B3C4D
    ad:
      domain: corp.example
      auth_protocol: kerberos
    entra:
      auth_method: certificate
      tenant: corp.example
      client_id: 0d9c2b1a-5f4e-4d3c-8b2a-190807060504
      x509_certificate_path: /etc/keyward/entra.pem
  register: found

- name: The key that a computer uses now, with its 48 digits
  keyward.bitlocker.recovery_key_info:
    terms: pc01
    sources: [host, ad]
    ad:
      domain: corp.example
      auth_protocol: kerberos
    reveal: true
    reason: INC-4711, caller identified by the service desk
    audit_file: /var/log/keyward/audit.jsonl
  register: revealed

- name: Every key of several computers
  keyward.bitlocker.recovery_key_info:
    terms: [pc01, pc02.corp.example]
    match: all
    ad:
      domain: corp.example
      auth_protocol: kerberos
  register: keys
"""

RETURN = r"""
keys:
  description: The keys that were found, in the order of the terms. With O(match=all) the keys in use come first, then the newest.
  returned: success
  type: list
  elements: dict
  contains:
    term:
      description: What was asked for.
      type: str
      returned: success
    key_id:
      description: The key ID in lower case without braces, null where it cannot be read. Its beginning alone where no source has more.
      type: str
      returned: success
    recovery_password:
      description: The recovery password with O(reveal=true), else a mask of its shape. Null where no account used here can read it.
      type: str
      returned: success
    owner:
      description: What the first source calls its owner, such as a computer, a device or a file.
      type: str
      returned: success
    computers:
      description: Names of the computer that it belongs to, in lower case, as far as the sources say.
      type: list
      elements: str
      returned: success
    serial:
      description: The computer's serial number, null where no source says it.
      type: str
      returned: success
    volume:
      description: The volume's letter, mount point or type, null where no source says it.
      type: str
      returned: success
    volume_guid:
      description: The volume's GUID, null where no source says it.
      type: str
      returned: success
    created:
      description: The first time at which a directory got it, else the first that any source says. In UTC, or null.
      type: str
      returned: success
    live:
      description: Whether the computer itself lists this key among its protectors.
      type: bool
      returned: success
    live_as_of:
      description:
        - When the computer was asked for that. Null where its protectors are not known, so that C(live) says nothing.
        - With V(host) among O(sources) that is now, else the time of its observation in this play.
      type: str
      returned: success
    deleted_owner:
      description: Whether it lies under deleted owners alone.
      type: bool
      returned: success
    readable:
      description: Whether an account used here may be able to read the password.
      type: bool
      returned: success
    defects:
      description: What is broken in its entries, one sentence each.
      type: list
      elements: str
      returned: success
    sources:
      description: Each place where it was found, in the order of the sources.
      type: list
      elements: dict
      returned: success
      contains:
        source:
          description: The source.
          type: str
          returned: success
        owner:
          description: What people call the owner there.
          type: str
          returned: success
        owner_id:
          description: The owner's ID there.
          type: str
          returned: success
        location:
          description: Where exactly it is, such as a DN or a path.
          type: str
          returned: success
        created:
          description: The time that this source says, in UTC, or null.
          type: str
          returned: success
        deleted_owner:
          description: Whether its owner there is deleted.
          type: bool
          returned: success
        readable:
          description: Whether the account may be able to read the password there.
          type: bool
          returned: success
        defects:
          description: What is broken there.
          type: list
          elements: str
          returned: success
    unsearched:
      description: The sources that could not be searched to their ends, by name with the reason. They may have other keys.
      type: dict
      returned: success
    problem:
      description: Why the password was not given, empty where it was.
      type: str
      returned: when O(reveal=true)
  sample:
    - term: 1A2B3C4D
      key_id: 1a2b3c4d-0102-0304-0506-0708090a0b0c
      recovery_password: '******-******-******-******-******-******-******-******'
      owner: PC01
      computers: [pc01, pc01.corp.example]
      serial:
      volume: os
      volume_guid: 9c1c1f2e-7a4b-4a53-9c35-6a1a0e5e9d10
      created: '2026-01-02T11:04:06Z'
      live: false
      live_as_of:
      deleted_owner: false
      readable: true
      defects: []
      sources:
        - source: ad
          owner: PC01
          owner_id: 5b0a7c1e-6d54-4f25-8b7e-0d6f2f0f3f11
          location: CN=2026-01-02T03:04:05-08:00{1A2B3C4D-0102-0304-0506-0708090A0B0C},CN=PC01,OU=Clients,DC=corp,DC=example
          created: '2026-01-02T11:04:06Z'
          deleted_owner: false
          readable: true
          defects: []
        - source: entra
          owner: PC01
          owner_id: 7d1f0a55-3c1e-4f7a-9d0f-1b1c1d1e1f20
          location: recovery key 1a2b3c4d-0102-0304-0506-0708090a0b0c of device ID 7d1f0a55-3c1e-4f7a-9d0f-1b1c1d1e1f20
          created: '2026-01-02T11:06:40Z'
          deleted_owner: false
          readable: true
          defects: []
      unsearched: {}
"""
