#!/usr/bin/python
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the action plugin of the same name; the argument spec is derived from it."""

from __future__ import annotations

DOCUMENTATION = r"""
module: ledger_info
short_description: Read the ledger of the escrow report
version_added: 0.1.0
description:
  - Tells what the runs of M(keyward.bitlocker.escrow_report) with its option C(ledger) kept. The runs themselves, the history of
    computers, when protectors and their entries were seen first and last, and how old their proofs are.
  - Only runs that were closed are read, and only rows whose seal is right.
  - The ledger holds no recovery password, no key package and no digest from which one could be guessed, so neither does the result.
author:
  - The keyward.bitlocker developers (@keyward)
options:
  computer:
    description: Computers whose history is wanted, by their name in the report or in the inventory.
    type: list
    elements: str
    default: []
  key_id:
    description: Protectors to look for, by their key ID, wherever they were seen.
    type: list
    elements: str
    default: []
  limit:
    description: How many runs are told, and how many observations and verdicts of each computer, the newest first.
    type: int
    default: 50
extends_documentation_fragment:
  - keyward.bitlocker.ledger
  - keyward.bitlocker.attributes.ledger_info
seealso:
  - module: keyward.bitlocker.escrow_report
"""

EXAMPLES = r"""
- name: Tell the history of a computer that was stolen
  keyward.bitlocker.ledger_info:
    path: /var/lib/keyward/ledger/ledger.db
    hmac_key_file: /etc/keyward/ledger.key
    computer: pc01.corp.example
  register: history

- name: Find out since when a protector is known, in a ledger in PostgreSQL
  keyward.bitlocker.ledger_info:
    url: postgresql://keyward@db.corp.example/keyward
    hmac_key_file: /etc/keyward/ledger.key
    key_id: 0123abcd-1111-2222-3333-444444444444
  register: known
"""

RETURN = r"""
runs:
  description: The newest runs, O(limit) of them.
  returned: success
  type: list
  elements: dict
  contains:
    run:
      description: The run's ID.
      type: str
      returned: success
    state:
      description: Whether the run is C(open), C(closed) or C(aborted). One that wrote nothing for a day counts as aborted.
      type: str
      returned: success
    node:
      description: The controller that it ran on.
      type: str
      returned: success
    started_at:
      description: When it was opened, in UTC.
      type: str
      returned: success
    closed_at:
      description: When it was closed, in UTC.
      type: str
      returned: success
    believed:
      description: Whether it is closed and its seal is right.
      type: bool
      returned: success
    complete:
      description: Whether everything could be looked at.
      type: bool
      returned: when it is believed
    passed:
      description: Whether everything passed.
      type: bool
      returned: when it is believed
    computers:
      description: How many computers were known.
      type: int
      returned: when it is believed
    observed:
      description: How many computers were observed.
      type: int
      returned: when it is believed
    verdicts:
      description: How often each verdict was given.
      type: dict
      returned: when it is believed
    stores:
      description: What the search of each store came to.
      type: dict
      returned: when it is believed
  sample:
    - run: 3f0c2b7e-5d1a-4a54-9a3c-0d5a3c7f9b11
      state: closed
      node: controller1
      started_at: "2026-11-22T20:00:00Z"
      closed_at: "2026-11-22T20:00:09Z"
      believed: true
      complete: true
      passed: false
      computers: 60
      observed: 52
      verdicts: {escrowed: 71, unescrowed: 3}
      stores: {ad: searched}
computers:
  description: The history of each of O(computer).
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: The name as it was given.
      type: str
      returned: success
    verdicts:
      description: Its verdict in each run, and that of its volumes.
      type: list
      elements: dict
      returned: success
    observations:
      description: When it was observed, and in which run.
      type: list
      elements: dict
      returned: success
    protectors:
      description: What RV(protectors) says of its protectors.
      type: list
      elements: dict
      returned: success
  sample: []
protectors:
  description: Each of O(key_id) on each computer that listed it.
  returned: success
  type: list
  elements: dict
  contains:
    host:
      description: The inventory name of the computer.
      type: str
      returned: success
    key_id:
      description: The protector's ID.
      type: str
      returned: success
    type:
      description: Its type.
      type: str
      returned: success
    first_seen:
      description: The first observation that listed it.
      type: str
      returned: success
    last_seen:
      description: The newest one that did, among the last O(limit) of the computer.
      type: str
      returned: success
    hours_to_escrow:
      description: Hours from the first observation to the first entry in any store. V(0) where the entry was there before.
      type: float
      returned: success
    entries:
      description:
        - The entries of this key ID that were seen in a store. For each its C(store), C(owner_id), C(entry_id), C(created), C(first_seen),
          C(last_seen) and its newest C(proof), with C(outcome), C(basis), C(made_at) and C(age_days).
      type: list
      elements: dict
      returned: success
  sample: []
left_out:
  description: Rows that were not believed because they bear no right seal, are damaged or missing, by table.
  returned: success
  type: dict
  sample: {}
"""
