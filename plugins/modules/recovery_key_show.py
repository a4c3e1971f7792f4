#!/usr/bin/python
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the action plugin of the same name; the argument spec is derived from it."""

from __future__ import annotations

DOCUMENTATION = r"""
module: recovery_key_show
short_description: Show BitLocker recovery keys on the terminal alone
version_added: 0.1.0
description:
  - Finds recovery keys as M(keyward.bitlocker.recovery_key_info) does, and shows each on the terminal that C(ansible-playbook) was started
    from, in large digits, in groups, and in words to read out.
  - The key goes to the terminal itself and past everything of Ansible. No callback, no C(ANSIBLE_LOG_PATH), no redirected output and no
    C(-vvvv) has it, and the result has its mask.
  - The screen is cleared when Enter is pressed, or after O(seconds).
  - Where there is no terminal, or one that a pipeline or an automation platform records, nothing is read and the task fails.
  - Runs on the controller, whatever host the task is for. Set C(run_once) or put it into a play for C(localhost).
author:
  - The keyward.bitlocker developers (@keyward)
options:
  terms:
    description:
      - What to find, as in M(keyward.bitlocker.recovery_key_info).
    type: list
    elements: str
    required: true
  output:
    description:
      - Where to show the keys. V(terminal) is the terminal of whoever runs the playbook.
      - V(candidates) shows no key. It prints what is known of each key that fits, so that a person can choose one by its key ID.
      - V(job_log) prints them with the output of the playbook. They are then in every log of it, and whoever may read those has the keys.
        The audit record says C(job_log).
    type: str
    choices: [terminal, candidates, job_log]
    default: terminal
  large:
    description:
      - Whether to draw large digits above the groups. Say V(false) for a screen reader. A terminal of less than 80 columns and 24 lines
        gets none.
    type: bool
    default: true
  language:
    description:
      - The language of the words for the digits.
    type: str
    choices: [en, de]
    default: en
  seconds:
    description:
      - After how many seconds the screen is cleared if nobody presses a key, up to 3600.
    type: int
    default: 300
  report_file:
    description:
      - The C(escrow-report.json) of a run of M(keyward.bitlocker.escrow_report), to name the drive, and to tell
        with V(candidates) whether the key was proven to open it.
    type: path
extends_documentation_fragment:
  - keyward.bitlocker.recovery_keys
  - keyward.bitlocker.active_directory.suboptions
  - keyward.bitlocker.entra.suboptions
  - keyward.bitlocker.file_source
  - keyward.bitlocker.vault_source
  - keyward.bitlocker.disclosure
  - keyward.bitlocker.attributes.keys_show
notes:
  - O(reason) is required, except in check mode and with O(output=candidates), which only look for the keys.
  - A terminal may keep what was on it. The key is shown on the terminal's second screen, which leaves nothing to scroll back to in most of
    them. A terminal without one is cleared, and may still have it in what can be scrolled back to. Whatever records the terminal on
    purpose, such as C(script) or a logging C(tmux), has it too.
seealso:
  - module: keyward.bitlocker.recovery_key_info
  - module: keyward.bitlocker.recovery_sheet
"""

EXAMPLES = r"""
- name: Somebody stands before a blue screen and reads eight characters
  keyward.bitlocker.recovery_key_show:
    terms: 1A2B3C4D
    reason: INC-4711, caller identified by the service desk
    audit_file: /var/log/keyward/audit.jsonl
    ad:
      domain: corp.example
      auth_protocol: kerberos
  delegate_to: localhost
  run_once: true
"""

RETURN = r"""
keys:
  description: The keys that were found, as in RV(keyward.bitlocker.recovery_key_info#module:keys). Each has the mask of its password.
  returned: success
  type: list
  elements: dict
shown:
  description: How many of them were shown. None in check mode or with O(output=candidates).
  returned: success
  type: int
  sample: 1
"""
