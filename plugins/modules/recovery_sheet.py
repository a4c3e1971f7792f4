#!/usr/bin/python
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the action plugin of the same name; the argument spec is derived from it."""

from __future__ import annotations

DOCUMENTATION = r"""
module: recovery_sheet
short_description: Print BitLocker recovery keys for the safe
version_added: 0.1.0
description:
  - Makes a document with a page for each recovery key, to be printed and kept in a safe, for the day when the directory itself is down.
  - A page has the computer, the key ID, the key in eight groups, as a QR code and as a Code 128 bar code, the drive, where and when the key
    was found, and whether it was proven to open the drive.
  - The document is sealed unless O(sealed=false) says otherwise. It is never written to the disk in the open before it is sealed.
  - Every key is recorded in O(audit_file) before the document is written.
  - Runs on the controller, whatever host the task is for. Set C(run_once) or put it into a play for C(localhost).
author:
  - The keyward.bitlocker developers (@keyward)
options:
  terms:
    description:
      - Whose keys the document is to have, as in M(keyward.bitlocker.recovery_key_info).
      - A term that stands for no key fails the task, and so does one that stands for several unless O(match) decides.
    type: list
    elements: str
    required: true
  dest:
    description:
      - The folder for the document, on the controller. It is made with mode C(0700) where it is not there.
      - With O(sealed=false) it must be one that not everybody can look into.
    type: path
    required: true
  name:
    description:
      - The name of the document, without its ending. Letters, digits, dots, hyphens and underscores.
    type: str
    default: recovery-sheet
  formats:
    description:
      - What to make. V(html) is one file that needs nothing else, and has all letters. V(pdf) has Western European letters, and names
        others by their code points.
    type: list
    elements: str
    choices: [html, pdf]
    default: [html]
  sealed:
    description:
      - Whether to seal the document. V(false) writes it in the open, with mode C(0600), into a folder that not everybody can look into.
    type: bool
    default: true
  recipients:
    description:
      - The public keys to seal to, as C(age-keygen) prints them, or lines of C(ssh-ed25519) or C(ssh-rsa) keys. The file then ends with
        C(.age), and C(age -d -i key.txt) opens it.
      - Without them the document is sealed with the password of O(vault_id). The file then ends with C(.vault), and
        C(ansible-vault decrypt --output) opens it.
    type: list
    elements: str
  vault_id:
    description:
      - The vault ID whose password seals the document where there are no O(recipients).
    type: str
    default: default
  vault_password_file:
    description:
      - A file with the password of O(vault_id), or a script that prints it, as Ansible's C(--vault-password-file).
      - The default are the passwords that Ansible itself was given, by C(--vault-id) and its like.
    type: path
  force:
    description:
      - Whether to make a document that is there already anew. V(false) leaves it as it is, whatever is in it, and reads no key.
    type: bool
    default: true
  report_file:
    description:
      - The C(escrow-report.json) of a run of M(keyward.bitlocker.escrow_report), to name the drives and to tell which keys were proven.
    type: path
extends_documentation_fragment:
  - keyward.bitlocker.recovery_keys
  - keyward.bitlocker.active_directory.suboptions
  - keyward.bitlocker.entra.suboptions
  - keyward.bitlocker.file_source
  - keyward.bitlocker.vault_source
  - keyward.bitlocker.disclosure
  - keyward.bitlocker.attributes.keys_sheet
requirements:
  - reportlab 4.0.4 or newer
  - pyrage 1.3 or newer, with O(recipients)
notes:
  - O(reason) is required, except in check mode. It stands on every page, with the account and the time.
  - A sheet of more than 20 keys needs a larger O(max_reveals), on purpose.
  - A printer, its queue and its disk keep what they print. Print from a machine and to a printer that you trust with the keys.
seealso:
  - module: keyward.bitlocker.recovery_key_show
  - module: keyward.bitlocker.recovery_key_info
"""

EXAMPLES = r"""
- name: The keys of the domain controllers, for the safe, readable by the two who hold the private keys
  keyward.bitlocker.recovery_sheet:
    terms: [dc1.corp.example, dc2.corp.example, dc3.corp.example]
    match: newest
    dest: /srv/keyward/sheets
    name: domain-controllers
    formats: [html, pdf]
    recipients:
      - age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p
      - age1lggyhqrw2nlhcxprm67z43rta597azn8gknawjehu9d9dl0jq3yqqvfafg
    report_file: /var/lib/keyward/escrow-report.json
    reason: Yearly print for the safe
    ticket: CHG-100
    audit_file: /var/log/keyward/audit.jsonl
    max_reveals: 40
    ad:
      domain: corp.example
      auth_protocol: kerberos
  delegate_to: localhost
  run_once: true

- name: One key for somebody without a terminal, sealed with the password of the vault ID helpdesk (run with --vault-id helpdesk@prompt)
  keyward.bitlocker.recovery_sheet:
    terms: 1A2B3C4D
    dest: /srv/keyward/sheets
    name: INC-4711
    vault_id: helpdesk
    reason: INC-4711, caller identified by the service desk
    audit_file: /var/log/keyward/audit.jsonl
    ad:
      domain: corp.example
      auth_protocol: kerberos
  delegate_to: localhost
  run_once: true
"""

RETURN = r"""
files:
  description: The files of the document.
  returned: success
  type: list
  elements: str
  sample: [/srv/keyward/sheets/domain-controllers.html.age]
sealing:
  description: How it is sealed, V(age) or V(ansible_vault). Null with O(sealed=false).
  returned: success
  type: str
  sample: age
sealed_for:
  description: The vault ID, or how many public keys with their digest. Null with O(sealed=false).
  returned: success
  type: str
keys:
  description:
    - The keys of the document, as in RV(keyward.bitlocker.recovery_key_info#module:keys), each with the mask of its password.
    - Empty where a document was left as it is.
  returned: success
  type: list
  elements: dict
"""
