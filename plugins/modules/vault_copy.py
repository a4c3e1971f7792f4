#!/usr/bin/python
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the action plugin of the same name; the argument spec is derived from it."""

from __future__ import annotations

DOCUMENTATION = r"""
module: vault_copy
short_description: Keep a sealed second copy of BitLocker recovery keys
version_added: 0.1.0
description:
  - Copies recovery keys from Active Directory, Entra ID, files or the computers themselves into a folder of the controller, sealed with
    Ansible Vault or to public keys, in files that are named by computer.
  - It only adds. A key that is there stays there, whatever happens in the directories. Where one key ID comes with two different recovery
    passwords, both are kept and marked.
  - What was copied before is not read again, so a second run reads no recovery password at all.
  - Each run also opens what earlier runs wrote and nobody opened since, if it has what opens it. Only what a later run could open, in a
    folder that O(vault.persistent) declares, counts as a copy.
  - The copy is a source of M(keyward.bitlocker.recovery_key_info) and of the lookup P(keyward.bitlocker.recovery_key#lookup) like any
    other, by their option C(vault).
author:
  - The keyward.bitlocker developers (@keyward)
options:
  terms:
    description:
      - The computers, or keys, to copy. Each is a host name, an Entra device ID, a serial number, a key ID or a volume's GUID, as for
        M(keyward.bitlocker.recovery_key_info). Every key that a term stands for is copied.
    type: list
    elements: str
  all:
    description:
      - Copy every key that the sources have. For the source V(host) that is every host of the inventory.
    type: bool
    default: false
  sources:
    description:
      - Where to copy from. V(ad), V(entra) and V(file) need the option of that name.
      - Defaults to those that have their option.
    type: list
    elements: str
    choices: [host, ad, entra, file]
  ad:
    description:
      - How to reach Active Directory, with an account that may read recovery passwords.
      - Leave O(ad.password) out, and give it in the environment.
    type: dict
  entra:
    description:
      - How to reach Entra ID. The application needs the permissions C(BitlockerKey.Read.All) and C(Device.Read.All). Entra ID writes
        down each key that is read.
      - Leave O(entra.secret) out, and give it in the environment.
    type: dict
  vault:
    description:
      - The second copy. Its folder is made with mode C(0700) where it is not there.
    type: dict
    required: true
  rekey:
    description:
      - Seal anew every file that is not sealed as O(vault) says now. That is with another vault ID, password or sealing, or to other
        recipients.
      - Give what opens the old sealing as well as the new one. The new file is written, read back, opened and compared before it takes the
        place of the old one. If the task is interrupted, every key is in a file that the old or the new secret opens.
      - What was sealed anew counts as a copy again once a later run opened it.
      - Others than before may open what is sealed anew, so each key passes the disclosure gate once more, with O(reason) and
        O(max_reveals).
    type: bool
    default: false
  verify:
    description:
      - Open every copy again, and not only those that nobody opened since they were written.
      - Without O(terms) and O(all) nothing is copied then. Who holds the private key runs this for copies that are sealed to public keys.
    type: bool
    default: false
  return_sealed:
    description:
      - Return the sealed files of the chosen computers in RV(sealed), to hand them on to another keeper of secrets.
    type: bool
    default: false
  allow_incomplete:
    description:
      - Do not fail when something could not be copied or opened. It is listed in RV(not_copied) all the same.
    type: bool
    default: false
extends_documentation_fragment:
  - keyward.bitlocker.active_directory.suboptions
  - keyward.bitlocker.entra.suboptions
  - keyward.bitlocker.file_source
  - keyward.bitlocker.vault_source.copying
  - keyward.bitlocker.disclosure
  - keyward.bitlocker.attributes.vault_copy
notes:
  - Every recovery password that is sealed passes the disclosure gate, with a reason and a record in the audit file. For more than 20 keys
    an hour set O(max_reveals) on purpose.
  - The result holds key IDs and names of files, and no recovery password.
  - Who can write to the folder can remove copies, and can add files that are sealed to public keys. Keep it to the account of the job.
seealso:
  - module: keyward.bitlocker.recovery_key_info
  - plugin: keyward.bitlocker.recovery_key
    plugin_type: lookup
  - module: keyward.bitlocker.disclosure_info
"""

EXAMPLES = r"""
- name: Copy every key of both directories, sealed with the password of the vault ID bitlocker
  keyward.bitlocker.vault_copy:
    all: true
    ad:
      server: dc1.corp.example
      auth_protocol: kerberos
    entra:
      auth_method: managed_identity
    vault:
      path: /srv/keyward/copy
      vault_id: bitlocker
      persistent: true
    reason: Nightly second copy
    audit_file: /var/log/keyward/audit.jsonl
    max_reveals: 50000
  run_once: true
  delegate_to: localhost

- name: Copy the keys of two computers so that this job cannot read them back
  keyward.bitlocker.vault_copy:
    terms: [pc01.corp.example, pc02.corp.example]
    ad:
      server: dc1.corp.example
    vault:
      path: /srv/keyward/sealed
      recipients:
        - age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p
      persistent: true
    reason: CHG0042
    audit_file: /var/log/keyward/audit.jsonl

- name: Verify what was sealed to public keys, as the holder of the private key
  keyward.bitlocker.vault_copy:
    verify: true
    vault:
      path: /srv/keyward/sealed
      recipients:
        - age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p
      identity_file: /media/safe/keyward.key
      persistent: true

- name: Seal everything with the password of another vault ID (run with both, --vault-id bitlocker@old --vault-id bitlocker2026@new)
  keyward.bitlocker.vault_copy:
    rekey: true
    vault:
      path: /srv/keyward/copy
      vault_id: bitlocker2026
      persistent: true
    reason: Yearly change of the password
    audit_file: /var/log/keyward/audit.jsonl
    max_reveals: 50000
"""

RETURN = r"""
complete:
  description: Whether everything that was asked for is in the copy, and everything that was opened was good.
  returned: success
  type: bool
copied:
  description: The keys whose recovery password was sealed in this run. In check mode those that would be.
  returned: success
  type: list
  elements: dict
  contains:
    computer:
      description: Whose it is.
      type: str
    key_id:
      description: The protector's ID.
      type: str
    sources:
      description: Where it was copied from.
      type: list
      elements: str
conflicting:
  description: Key IDs that have several different recovery passwords. Every one of them is kept.
  returned: success
  type: list
  elements: dict
  contains:
    computer:
      description: Whose it is.
      type: str
    key_id:
      description: The protector's ID.
      type: str
not_copied:
  description: What could not be copied or opened, and why. Empty strings where it is not about a single computer, key or source.
  returned: success
  type: list
  elements: dict
  contains:
    computer:
      description: The computer, or the term that stands for none.
      type: str
    key_id:
      description: The protector's ID.
      type: str
    source:
      description: The source.
      type: str
    reason:
      description: A sentence.
      type: str
files:
  description: The sealed files that this run wrote.
  returned: success
  type: list
  elements: str
rekeyed:
  description: The files that were sealed anew, with O(rekey). In check mode those that would be.
  returned: success
  type: list
  elements: str
newly_verified:
  description: How many keys that earlier runs wrote this run opened and found good.
  returned: success
  type: int
copy:
  description: What the copy holds now.
  returned: success
  type: dict
  contains:
    computers:
      description: How many computers have files in it.
      type: int
    keys:
      description: How many recovery passwords it holds, as far as its cards tell.
      type: int
    verified:
      description: How many of them a later run opened.
      type: int
    counted:
      description: How many of them count as a copy. None does where O(vault.persistent) is not set.
      type: int
    unopened_files:
      description: How many sealed files no card describes and this run could not open.
      type: int
sealed:
  description: The sealed files of the chosen computers. Only what opens them makes a recovery password of their content.
  returned: with O(return_sealed)
  type: list
  elements: dict
  contains:
    computer:
      description: Whose keys are in it.
      type: str
    name:
      description: The name of the file in the folder of the copy.
      type: str
    key_ids:
      description: Whose recovery passwords are in it. With V(age) it is always one.
      type: list
      elements: str
    sha256:
      description: The digest of the content.
      type: str
    content:
      description: The file as text, sealed.
      type: str
"""
