#!/usr/bin/python
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the action plugin of the same name; the argument spec is derived from it."""

from __future__ import annotations

DOCUMENTATION = r"""
module: compliance_gate
short_description: Pass or fail a BitLocker escrow report
version_added: 0.1.0
description:
  - Reads a report that M(keyward.bitlocker.escrow_report) made and passes or fails. It needs no credential and no network, so it can run
    in another job, on the report as an artefact.
  - There are three outcomes. V(compliant) passes. V(findings) fails because of what was seen. V(could_not_look) fails because too little
    was seen.
  - A run that saw too little never passes, whatever O(fail_on) and O(baseline) say. A certain failure is never hidden behind that, so the
    outcome is V(findings) where both are true.
  - A report that is damaged, edited or cut off, so that its numbers do not add up, is an error.
  - The playbook C(keyward.bitlocker.compliance_gate) makes the report and judges it, with a return code for each outcome.
author:
  - The keyward.bitlocker developers (@keyward)
options:
  report_file:
    description: The report, as C(escrow-report.json) that M(keyward.bitlocker.escrow_report) wrote. A file on the controller.
    type: path
  report:
    description: The report itself, as data.
    type: dict
  report_variable:
    description:
      - The variable under which the result of M(keyward.bitlocker.escrow_report) with C(query="@") was registered.
      - Takes the report as it is. For a large fleet that is much faster than to give it as O(report), which Ansible would template.
    type: str
  generated_at:
    description:
      - The time that the report must be of, as RV(keyward.bitlocker.escrow_report#module:generated_at) says. Any other report is an error.
      - Makes sure that O(report_file) is the report of this run and not one that lay there.
    type: str
  fail_on:
    description:
      - What fails. Each criterion counts by itself.
      - Under C(proof=live) of the report the verdict V(escrowed) fails as well, whatever O(fail_on.verdicts) says.
    type: dict
    suboptions:
      verdicts:
        description:
          - Verdicts of which a single one fails. V(unknown) and V(on_file) fail as V(could_not_look).
          - A verdict that is left out is tolerated.
        type: list
        elements: str
        choices:
          - unescrowed
          - no_recovery_password
          - wrong_key
          - at_risk
          - unprotected
          - not_encrypted
          - unavailable
          - unknown
          - on_file
          - escrowed
        default: [unescrowed, no_recovery_password, wrong_key, at_risk, unprotected, not_encrypted, unavailable]
      severities:
        description: Severities of findings of which a single one fails.
        type: list
        elements: str
        choices: [high, medium, low, info]
        default: []
      codes:
        description:
          - Codes of findings of which a single one fails, such as V(KW-VOL-104).
          - Codes that say that nobody could look (KW-VOL-007, KW-VOL-008, KW-HST-001 to KW-HST-006, KW-STO and KW-RUN) fail as
            V(could_not_look).
        type: list
        elements: str
        default: []
      thresholds:
        description:
          - How much of one verdict, severity or code is tolerated.
          - It takes that word, and no other, out of O(fail_on.verdicts), O(fail_on.severities) and O(fail_on.codes). More than it allows
            fails.
          - Counted are computers. With O(baseline) the old ones count too, but only what is new fails.
        type: list
        elements: dict
        default: []
        suboptions:
          verdict:
            description: The verdict that this threshold is for.
            type: str
            choices:
              - unescrowed
              - no_recovery_password
              - wrong_key
              - at_risk
              - unprotected
              - not_encrypted
              - unavailable
              - unknown
              - on_file
              - escrowed
          severity:
            description: The severity that this threshold is for.
            type: str
            choices: [high, medium, low, info]
          code:
            description: The code that this threshold is for.
            type: str
          max:
            description: So many computers are tolerated.
            type: int
          max_share:
            description: This part of all computers in the report is tolerated, from 0 to 1.
            type: float
  min_coverage:
    description:
      - The part, from 0 to 1, of all known computers that must have been observed within the report's C(max_observation_age), and of all
        verdicts in scope that must be something else than V(unknown) and V(on_file).
      - With V(0) a single one is still needed.
    type: float
    default: 0.9
  max_age:
    description: The age in hours up to which the report counts. An older one, or one from the future, is V(could_not_look).
    type: float
  baseline:
    description:
      - An earlier report, in JSON. What it says already does not fail. Everything else does.
      - A finding is the same where its code, computer and volume are. A computer is another one if its directory object, Entra device,
        hardware UUID or serial number changed, and a volume is known by its device ID.
      - A file that is missing, broken, of a newer schema, or not earlier than the report is an error.
      - What could not be looked at is never known.
    type: path
  rules:
    description:
      - Checks of your own, in JMESPath over the report. A rule fires if its answer is true or a list that is not empty.
      - Any other answer is an error, since a misspelt expression gives null. So is a key that no report has.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: The rule's name, which is that of its check in O(junit_file).
        type: str
        required: true
      expression:
        description:
          - The JMESPath expression.
          - A list of computers' names, of pairs of computer and volume, or of computers or findings of the report says where it fired.
        type: str
        required: true
      severity:
        description: How grave it is. With V(info) it is told and does not fail, unless O(fail_on.severities) has V(info).
        type: str
        choices: [high, medium, low, info]
        default: high
      message:
        description: What it means and what to do.
        type: str
  junit_file:
    description:
      - File to write the result to as JUnit XML. A suite for each check, in it a case for each computer.
      - If the report, the baseline or a rule cannot be used, it holds that error alone, so that no earlier file is taken for this run's.
      - Nothing is written in check mode.
    type: path
  separate_return_codes:
    description:
      - Whether an outcome other than V(findings) that does not pass, and every error, makes the host C(unreachable) and not C(failed).
        C(ansible-playbook) then ends with 4 and not with 2.
      - Needs a task without C(run_once), which ansible-core 2.16 turns into 2.
    type: bool
    default: false
  max_listed:
    description:
      - So many of RV(failures), and of RV(could_not_look_reasons), are in the result, at most. If there are more, one of each code comes
        first. RV(failure_count), RV(could_not_look_count), the terminal and O(junit_file) are about all.
      - Ansible prints the whole result of a task that failed. A small number keeps a log readable, so the playbook takes V(5).
    type: int
    default: 100
extends_documentation_fragment:
  - keyward.bitlocker.attributes
attributes:
  check_mode:
    description: Can run in C(check_mode) and return changed status prediction without modifying anything.
    support: full
    details: It decides in check mode too, and writes nothing.
  diff_mode:
    description: Will return details on what has changed (or possibly needs changing in C(check_mode)), when in diff mode.
    support: none
  idempotent:
    description: When run twice in a row outside check mode, with the same arguments, the second invocation indicates no change.
    support: full
    details: It is changed where the content of O(junit_file) is.
requirements:
  - jmespath (for O(rules))
seealso:
  - module: keyward.bitlocker.escrow_report
"""

EXAMPLES = r"""
- name: Fail if any key is missing, or if too little was seen
  keyward.bitlocker.compliance_gate:
    report_file: /var/lib/keyward/escrow-report.json
    junit_file: /var/lib/keyward/gate.xml
  delegate_to: localhost
  run_once: true

- name: Tolerate what is being repaired, fail on weak methods
  keyward.bitlocker.compliance_gate:
    report_file: escrow-report.json
    fail_on:
      codes: [KW-VOL-104]
      thresholds:
        - {verdict: not_encrypted, max: 3}
        - {verdict: at_risk, max_share: 0.02}
    min_coverage: 0.95
    max_age: 24

- name: Fail on what is new since the last report that passed, and on rules of our own
  keyward.bitlocker.compliance_gate:
    report_file: escrow-report.json
    baseline: baseline/escrow-report.json
    rules:
      - name: servers use 256 bits
        expression: "computers[?starts_with(name, 'srv') && volumes[?in_scope && method!='xts_aes_256']].name"
        message: Servers must use XTS-AES 256. Set the method by policy, then decrypt and encrypt again.
      - name: joins are proven
        expression: "computers[?identities.joins.ad=='by_name'].name"
        severity: medium
"""

RETURN = r"""
outcome:
  description: V(compliant), V(findings) or V(could_not_look). Missing if there was an error.
  returned: success
  type: str
  sample: findings
msg:
  description: The outcome in a sentence, with the first reason.
  returned: always
  type: str
  sample: "2 things fail, the first: KW-VOL-004 pc07.corp.example C: No required store holds a recovery password of this volume."
failures:
  description: What fails, at most O(max_listed). RV(failure_count) says how many there are, and O(junit_file) names all.
  returned: success
  type: list
  elements: dict
  contains:
    check:
      description: The check, as the suite's name in O(junit_file).
      type: str
      returned: success
    code:
      description: The finding's code. Null for a rule, and for an escrowed key without the proof that is required.
      type: str
      returned: success
    severity:
      description: How grave it is. Null where too little was seen of the fleet as a whole.
      type: str
      returned: success
    computer:
      description: The computer. Null for the run.
      type: str
      returned: success
    volume:
      description: The volume. Null for the computer or the run.
      type: str
      returned: success
    message:
      description: What is wrong.
      type: str
      returned: success
    remedy:
      description: What to do.
      type: str
      returned: success
  sample:
    - check: verdicts
      code: KW-VOL-004
      severity: high
      computer: pc07.corp.example
      volume: "C:"
      message: No required store holds a recovery password of this volume; if it locks, its data is lost.
      remedy: Back up the password that the volume has now and run the report again.
failure_count:
  description: How many things fail.
  returned: success
  type: int
  sample: 2
could_not_look_reasons:
  description: Why too little was seen, at most O(max_listed), in the form of RV(failures). Filled whatever the outcome is.
  returned: success
  type: list
  elements: dict
  sample: []
could_not_look_count:
  description: How many such reasons there are.
  returned: success
  type: int
  sample: 0
known_count:
  description: How many things would fail without O(baseline).
  returned: success
  type: int
  sample: 0
tolerated_count:
  description: How many things do not pass and are tolerated by O(fail_on) or by O(min_coverage).
  returned: success
  type: int
  sample: 3
coverage:
  description:
    - How much was looked at. C(computers) are known, C(observed) of them were observed within age.
    - C(verdicts) were given, C(judged) of them to what could be looked at, C(passing) of them pass.
  returned: success
  type: dict
  sample: {computers: 60, observed: 58, verdicts: 88, judged: 85, passing: 80, min_coverage: 0.9}
generated_at:
  description: When the report was made.
  returned: success
  type: str
  sample: "2026-11-22T20:00:00Z"
baseline_generated_at:
  description: When the baseline was made. Null without one.
  returned: success
  type: str
  sample: "2026-11-21T20:00:00Z"
files:
  description: The files of the gate, whether or not this run had to change them.
  returned: when O(junit_file) is given
  type: list
  elements: str
  sample: [/var/lib/keyward/gate.xml]
"""
