#!/usr/bin/python
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the action plugin of the same name; the argument spec is derived from it."""

from __future__ import annotations

DOCUMENTATION = r"""
module: disclosure_info
short_description: Verify the audit of recovery keys that were handed out, and list them
version_added: 0.1.0
description:
  - Reads an audit file from its beginning, verifies its chain, and lists what was handed out to whom and why.
  - With O(entra) it also compares the file with the tenant's own audit log. A read of a key there that is in no record of the file is a
    finding.
  - A chain that is broken does not make the task fail. Look at RV(intact), as in the examples.
author:
  - The keyward.bitlocker developers (@keyward)
options:
  audit_file:
    description:
      - The audit file. One that was rotated can be verified as well.
      - If the value is not specified, the value of the environment variable E(KEYWARD_AUDIT_FILE) is used.
    type: path
    required: true
  expect_head:
    description:
      - What RV(head) was at an earlier time, kept in another place. The record that it names must still be there and be the same one.
      - Only with it can it be found that the end was cut off, or that all was written anew.
      - The head of the former file will do as well, where the first record of this one names it.
    type: str
  since:
    description: List disclosures from this time on, like V(2026-11-23) or V(2026-11-23T08:00:00Z). In UTC where no offset is given.
    type: str
  until:
    description: List disclosures up to this time.
    type: str
  who:
    description: List disclosures to this account of the controller, or on behalf of this user of an automation platform.
    type: str
  key_id:
    description: List disclosures of this key, by its ID or the beginning of it.
    type: str
  owner:
    description: List disclosures of keys whose owner has this in its name.
    type: str
  source:
    description: List disclosures of keys that came from this source.
    type: str
    choices: [host, ad, entra, file, vault]
  action:
    description: List disclosures of these kinds.
    type: list
    elements: str
    choices: [reveal, lookup, copy, sheet, show, job_log, unlock]
    default: []
  limit:
    description: How many disclosures are listed at most, the newest first.
    type: int
    default: 1000
  entra:
    description:
      - How to reach Entra ID, to compare the file with the tenant's audit log. Without it nothing is compared.
      - Needs the permission C(AuditLog.Read.All).
      - Compared is what lies between O(since) and O(until), and not before the file's chain began. Without O(since) the last 30 days.
    type: dict
  entra_readers:
    description:
      - The applications (by application ID) and persons (by user principal name) that read keys for the playbooks that record in
        O(audit_file). With any, a read by anybody else is a finding, even one of a key that was handed out at the same time.
    type: list
    elements: str
    default: []
  entra_proof_readers:
    description:
      - The applications that read keys to prove them, as a report with C(proof=live) does. Such a report hands no key to anybody, so its
        reads are in no audit file. All reads by these are counted in RV(entra.proofs) and never a finding.
      - Nothing in the tenant's log tells a read for a proof from another one. So let reports have an application of their own.
    type: list
    elements: str
    default: []
  entra_window:
    description:
      - How many minutes the time of a read in the tenant's log and that of its record in O(audit_file) may be apart.
    type: int
    default: 10
extends_documentation_fragment:
  - keyward.bitlocker.entra.suboptions
  - keyward.bitlocker.attributes.disclosure_info
seealso:
  - module: keyward.bitlocker.ad_recovery_key_info
  - module: keyward.bitlocker.entra_recovery_key_info
"""

EXAMPLES = r"""
- name: Verify the chain against the head that was noted last night
  keyward.bitlocker.disclosure_info:
    audit_file: /var/log/keyward/audit.jsonl
    expect_head: "{{ lookup('ansible.builtin.file', '/mnt/evidence/keyward.head') }}"
  register: audit
  failed_when: not audit.intact

- name: Tell who was given the key of a computer
  keyward.bitlocker.disclosure_info:
    audit_file: /var/log/keyward/audit.jsonl
    owner: pc01
    since: '2026-11-01'
  register: given

- name: Find reads of keys in Entra ID that no playbook made
  keyward.bitlocker.disclosure_info:
    audit_file: /var/log/keyward/audit.jsonl
    entra:
      auth_method: certificate
      tenant: corp.example
      client_id: 3c2b1a09-8f7e-4d6c-9b5a-493827160504
      x509_certificate_path: /etc/keyward/auditor.pem
    entra_readers: [7e6d5c4b-3a29-4817-8605-f4e3d2c1b0a9]
    entra_proof_readers: [0d9c2b1a-5f4e-4d3c-8b2a-190807060504]
  register: audit
  failed_when: audit.entra.state | default('none') != 'searched' or audit.entra.findings | length > 0
"""

RETURN = r"""
intact:
  description: Whether nothing is wrong with the chain.
  returned: success
  type: bool
  sample: true
problems:
  description: What is wrong with it, the first 100.
  returned: success
  type: list
  elements: dict
  contains:
    fault:
      description:
        - V(cut), V(replaced), V(rewritten), V(removed), V(repeated), V(truncated), V(torn), V(joined), V(mixed), V(headless) or V(foreign).
      type: str
      returned: success
    line:
      description: The line, from 1. V(0) where it is no line's fault.
      type: int
      returned: success
    text:
      description: A sentence that says it.
      type: str
      returned: success
  sample: []
more_problems:
  description: How many problems there are beyond those in RV(problems).
  returned: success
  type: int
  sample: 0
sealed:
  description: The lines that a crash or a full disk tore, and that the next writer closed. No key was handed out for them.
  returned: success
  type: list
  elements: int
  sample: []
head:
  description: Where the chain ends, for O(expect_head) of a later time. Keep it in another place. Null where there is no record.
  returned: success
  type: str
  sample: 1f0e9d8c7b6a59483726150413f2e1d0:41:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
genesis:
  description: The first record. Null where the beginning is missing.
  returned: success
  type: dict
  contains:
    chain:
      description: The chain's random ID.
      type: str
      returned: success
    time:
      description: When it began, in UTC.
      type: str
      returned: success
    node:
      description: The controller that it was begun on.
      type: str
      returned: success
    who:
      description: The account that began it.
      type: str
      returned: success
    former:
      description: The head of the file before this one, where one was rotated away. Else null.
      type: str
      returned: success
count:
  description: How many records the file holds, the first one included.
  returned: success
  type: int
  sample: 42
total:
  description: How many disclosures fit what was asked for.
  returned: success
  type: int
  sample: 1
disclosures:
  description: The newest of them.
  returned: success
  type: list
  elements: dict
  contains:
    seq:
      description: The record's number in its chain.
      type: int
      returned: success
    line:
      description: Its line in the file.
      type: int
      returned: success
    time:
      description: When, in UTC.
      type: str
      returned: success
    who:
      description: The account of the controller.
      type: str
      returned: success
    on_behalf_of:
      description: The user of an automation platform, where it named one.
      type: str
      returned: success
    key_id:
      description: Which key.
      type: str
      returned: success
    owner:
      description: Whose it is, as its source has it.
      type: str
      returned: success
    source:
      description: Where it was read from. Several sources that agreed stand with a plus between, as in V(ad+entra).
      type: str
      returned: success
    action:
      description: What was done with it.
      type: str
      returned: success
    reason:
      description: Why.
      type: str
      returned: success
    ticket:
      description: The ticket.
      type: str
      returned: success
    node:
      description: The controller.
      type: str
      returned: success
    job:
      description: The job of an automation platform or pipeline, where it named one.
      type: str
      returned: success
    plugin:
      description: The module or lookup.
      type: str
      returned: success
    host:
      description: The host that the task was for.
      type: str
      returned: success
    play:
      description: The play.
      type: str
      returned: success
    task:
      description: The task.
      type: str
      returned: success
  sample:
    - seq: 41
      line: 42
      time: '2026-11-23T08:01:12.345Z'
      who: awx
      on_behalf_of: alice
      key_id: 1a2b3c4d-0102-0304-0506-0708090a0b0c
      owner: CN=PC01,OU=Clients,DC=corp,DC=example
      source: ad
      action: reveal
      reason: caller identified by the service desk
      ticket: INC-4711
      node: controller1
      job: '815'
      plugin: ad_recovery_key_info
      host: localhost
      play: Help desk
      task: Get the password
entra:
  description: What the comparison with the tenant's audit log came to.
  returned: when O(entra) is given
  type: dict
  contains:
    state:
      description: How far the log could be read. V(searched) to its end, V(partial) not to its end, V(no_rights) or V(down).
      type: str
      returned: success
    reason:
      description: Why it is not V(searched).
      type: str
      returned: success
    since:
      description: From when on it was compared.
      type: str
      returned: success
    until:
      description: Until when.
      type: str
      returned: success
    reads:
      description: How many reads of keys the log shows from shortly before then on.
      type: int
      returned: success
    matched:
      description: How many of them are in the audit file.
      type: int
      returned: success
    duplicates:
      description: How many are second records of the same read.
      type: int
      returned: success
    proofs:
      description: How many were made to prove keys.
      type: int
      returned: success
    findings:
      description:
        - The reads that no record of the audit file is about, with C(time), C(key_id), C(device_id), C(reader), C(person), C(id) and
          C(why).
      type: list
      elements: dict
      returned: success
    pending:
      description:
        - The records of keys from Entra ID that its log does not show yet, with C(seq), C(time) and C(key_id). C(late) is true where a
          day has passed.
      type: list
      elements: dict
      returned: success
"""
