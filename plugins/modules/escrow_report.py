#!/usr/bin/python
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the action plugin of the same name; the argument spec is derived from it."""

from __future__ import annotations

DOCUMENTATION = r"""
module: escrow_report
short_description: Judge which escrowed BitLocker key opens which volume of the fleet
version_added: 0.1.0
description:
  - Joins what the hosts said about themselves (M(keyward.bitlocker.volume_info)) with what the stores hold, gives every volume one verdict,
    and writes the fleet-wide escrow report.
  - Reads metadata only, unless O(proof) asks for more. Without it no recovery password is ever asked for, so accounts that cannot read
    passwords are enough and best.
  - Runs once, on the controller, normally on C(localhost). The playbook C(keyward.bitlocker.escrow_report) does the whole of it.
  - What could not be looked at is never compliant. A store that is down, or an account without rights, makes RV(complete) false.
author:
  - The keyward.bitlocker developers (@keyward)
options:
  hosts:
    description:
      - The inventory hosts that the report must account for, by inventory name, or as patterns like those of a play's C(hosts).
      - A name, or a part of a pattern, that names nobody is an error. An empty group is no error.
      - Give every host of the fleet, also those that a C(--limit) leaves out. A host that said nothing is reported as not observed.
      - Defaults to every host of the inventory.
    type: list
    elements: str
  observations:
    description:
      - Observations from elsewhere (a file, a fact cache, an earlier run), by inventory name, each as
        RV(keyward.bitlocker.volume_info#module:observation).
      - One whose C(host) is another inventory name is refused, so that no host passes with what another one said.
      - For a host with several observations the newest successful one that O(max_observation_age) allows counts.
    type: dict
    default: {}
  observation_variable:
    description: The variable under which each host's result of M(keyward.bitlocker.volume_info) was registered.
    type: str
    default: keyward_observation
  ad:
    description:
      - How to reach Active Directory. At least one of O(ad) and O(entra) is needed, and every store that is given is read.
      - Whatever stands in a task's arguments reaches Ansible's callback plugins, secrets too. Leave O(ad.password) out, and give it in the
        environment.
    type: dict
  entra:
    description:
      - How to reach Entra ID. The application needs the permissions C(BitlockerKey.ReadBasic.All) and C(Device.Read.All), and none that
        shows a key. With O(proof=live) it needs C(BitlockerKey.Read.All) in the place of the first.
      - A report leaves no record in the tenant's audit log, unless O(proof) asks for proofs.
      - Leave O(entra.secret) out, and give it in the environment, as with O(ad).
    type: dict
  stores:
    description:
      - The stores in which a recovery password must be found. Only these count as copies. Another one that is configured is read and shown.
      - Defaults to those that are configured.
    type: list
    elements: str
    choices: [ad, entra]
  copies:
    description: In how many of O(stores) the key must be. It cannot be more than there are.
    type: int
    default: 1
  proof:
    description:
      - Whether a matching key ID is enough (V(none)) or the escrowed password must have opened the live key package (V(live)).
      - With V(live) the recovery passwords that lie under the fleet's own objects in O(stores) are read, and each is held against the key
        package that its computer gave to M(keyward.bitlocker.volume_info) with its option C(key_packages). Only a volume with a password
        that opened it passes, with the verdict C(recoverable).
      - Without a key package nothing can be proven. A volume that gave none, as a locked one, stays C(escrowed) and does not pass.
      - With V(live) the accounts of the stores must have the right to read recovery passwords, and Entra ID notes each one that is read.
      - No password that was read leaves the run, and none is recorded as handed out, since nobody sees it. How many were read is in the
        summary.
    type: str
    choices: [none, live]
    default: none
  entra_read_budget:
    description:
      - How many recovery keys may be read from Entra ID in one run with O(proof=live).
      - Each read is a request, leaves a record in the tenant's audit log, and counts towards Graph's limits.
      - RV(summary.proofs) says after how many more runs all are proven.
    type: int
    default: 500
  proof_time_limit:
    description:
      - How many seconds the reading and proving of O(proof=live) may take. A proof takes about half a second of one core, and all cores
        work.
      - What was proven until then counts. The rest stays as it is without a proof.
    type: float
    default: 1800
  ledger:
    description:
      - Where to keep what each run saw, and to read what earlier ones did. Without it every run stands for itself.
      - With it a computer that gives no observation is shown by the last one that was kept, which O(max_observation_age) judges like any
        other. An entry that vanished or changed since an earlier run is a finding. A proof holds until the value or the protector changes.
      - It never holds a recovery password or a key package. In check mode it is read, and nothing is written.
    type: dict
  volume_types:
    description: The types of volumes in scope. Others are listed without a verdict.
    type: list
    elements: str
    choices: [os, fixed, removable]
    default: [os, fixed]
  encryption:
    description: Whether a volume in scope must be encrypted. With V(false) fully decrypted volumes are out of scope.
    type: bool
    default: true
  methods:
    description: The encryption methods that are strong enough. Others give the flag C(weak_method).
    type: list
    elements: str
    choices: [aes_128_diffuser, aes_256_diffuser, aes_128, aes_256, hardware, xts_aes_128, xts_aes_256]
    default: [aes_128, aes_256, xts_aes_128, xts_aes_256]
  max_observation_age:
    description: The age in days up to which an observation is judged by.
    type: float
    default: 30
  suspended_reboots_allowed:
    description: How many restarts a suspension may last before it is a finding.
    type: int
    default: 2
  min_coverage:
    description: The part of all known computers, from 0 to 1, that must have been observed within O(max_observation_age).
    type: float
    default: 0
  dest:
    description:
      - Directory to write the report to, as C(escrow-report) with the ending of each of the O(formats). Created when missing.
      - Nothing is written without it, or in check mode.
    type: path
  formats:
    description:
      - The files to write to O(dest).
      - V(json) is the report itself, which other tools read. The page and the job summary compare with the one that lay there before.
      - V(csv) is a table with a row for each protector and store, for spreadsheets.
      - V(html) is one file for a browser, which needs nothing else and asks the network for nothing.
      - V(md) is a short job summary in Markdown, for example for C(GITHUB_STEP_SUMMARY).
    type: list
    elements: str
    choices: [json, csv, html, md]
    default: [json, csv, html]
  query:
    description:
      - A JMESPath expression over the report, whose result is returned as RV(query_result).
      - With V(@), the whole report, the terminal shows nothing of the task's result, however verbose it is.
    type: str
extends_documentation_fragment:
  - keyward.bitlocker.active_directory.suboptions
  - keyward.bitlocker.entra.suboptions
  - keyward.bitlocker.ledger.suboptions
  - keyward.bitlocker.attributes.report
requirements:
  - ldap3 (for O(ad))
  - msal and requests (for O(entra))
  - jmespath (for O(query))
  - cryptography (for O(proof=live))
seealso:
  - module: keyward.bitlocker.volume_info
  - module: keyward.bitlocker.ad_recovery_key_info
  - module: keyward.bitlocker.entra_recovery_key_info
"""

EXAMPLES = r"""
- name: Ask every Windows host about its volumes
  hosts: windows
  gather_facts: false
  tasks:
    - name: Observe
      keyward.bitlocker.volume_info:
      register: keyward_observation
      ignore_errors: true
      ignore_unreachable: true

- name: Report
  hosts: localhost
  gather_facts: false
  tasks:
    # the password comes from the environment variable MICROSOFT_AD_LDAP_PASSWORD
    - name: Judge the fleet against Active Directory alone
      keyward.bitlocker.escrow_report:
        hosts: "{{ groups['windows'] }}"
        ad:
          server: [dc1.corp.example, dc2.corp.example]
          username: svc-keyward@corp.example
          ca_cert: /etc/pki/corp-ca.pem
        dest: /var/lib/keyward

    - name: Demand every key in Active Directory and in Entra ID
      keyward.bitlocker.escrow_report:
        hosts: "{{ groups['windows'] }}"
        ad:
          domain: corp.example
          auth_protocol: kerberos
        entra:
          auth_method: certificate
          tenant: corp.example
          client_id: 0d9c2b1a-5f4e-4d3c-8b2a-190807060504
          x509_certificate_path: /etc/keyward/entra.pem
        copies: 2
        min_coverage: 0.9
        dest: /var/lib/keyward
      register: escrow

    - name: Say so when something could not be looked at
      ansible.builtin.assert:
        that: escrow.complete

    # the hosts were asked with key_packages: true
    - name: Demand that an escrowed password opens each volume, and give it an hour
      keyward.bitlocker.escrow_report:
        hosts: "{{ groups['windows'] }}"
        ad:
          domain: corp.example
          auth_protocol: kerberos
        proof: live
        proof_time_limit: 3600
        dest: /var/lib/keyward

    - name: Judge against Entra ID alone, on a machine in Azure that has an identity of its own
      keyward.bitlocker.escrow_report:
        hosts: "{{ groups['windows'] }}"
        entra:
          auth_method: managed_identity
          trust_types: [AzureAd]
        formats: [json, md]
        dest: /var/lib/keyward

    - name: Name the volumes whose key is nowhere, and write nothing
      keyward.bitlocker.escrow_report:
        hosts: "{{ groups['windows'] }}"
        ad:
          server: dc1.corp.example
          username: svc-keyward@corp.example
        query: "findings[?code=='KW-VOL-004'].[computer, volume]"
      register: missing
"""

RETURN = r"""
summary:
  description: The headline numbers, as in the report.
  returned: success
  type: dict
  contains:
    computers:
      description: Computers known to the inventory or a store.
      type: int
      returned: success
    observed:
      description: Computers observed within O(max_observation_age).
      type: int
      returned: success
    volumes:
      description: Volumes listed, in scope or not.
      type: int
      returned: success
    verdicts:
      description: How often each verdict was given to a volume in scope, and to a computer without volumes.
      type: dict
      returned: success
    flags:
      description: How often each flag was given.
      type: dict
      returned: success
    findings:
      description: How often each finding code was given.
      type: dict
      returned: success
    passing:
      description: How many of the verdicts pass.
      type: int
      returned: success
    could_not_look:
      description: How many of the verdicts say that nobody could look.
      type: int
      returned: success
    proofs:
      description:
        - How far the proofs came. What is counted is pairs of an entry and a protector, unless said otherwise.
        - What is C(wanted) and neither C(made) nor C(not_read) was malformed, or the time was up.
      type: dict
      returned: with O(proof=live)
      contains:
        wanted:
          description: Pairs to be proven, for each of which a computer gave its key package.
          type: int
          returned: with O(proof=live)
        made:
          description: Proofs that were made, whatever they came to.
          type: int
          returned: with O(proof=live)
        remembered:
          description: Those of C(made) that an earlier run had made and the ledger kept, so that this run did not repeat them.
          type: int
          returned: with O(proof=live)
        proven:
          description: Proofs in which the password opened the live key package.
          type: int
          returned: with O(proof=live)
        refuted:
          description: Proofs in which it did not, beyond doubt.
          type: int
          returned: with O(proof=live)
        inconclusive:
          description: Proofs that came to neither. Such an entry counts as present.
          type: int
          returned: with O(proof=live)
        not_read:
          description: Pairs whose password was not read, for want of budget, time or rights, or because it is gone.
          type: int
          returned: with O(proof=live)
        values_read:
          description: Recovery passwords that were read from the stores, each once.
          type: int
          returned: with O(proof=live)
        days_until_all:
          description:
            - After how many more runs, one a day, every pair was proven once, if the budget and the time stay. V(0) means this run did.
            - V(null) means that no number of runs will do, as when O(entra_read_budget) is 0.
          type: int
          returned: with O(proof=live)
        directory:
          description: Proofs against the key package that Active Directory keeps, where the computer gave none. They change no verdict.
          type: int
          returned: with O(proof=live)
        without_package:
          description: Recovery passwords of observed computers for which no live key package was there.
          type: int
          returned: with O(proof=live)
  sample:
    computers: 60
    observed: 52
    volumes: 88
    verdicts: {escrowed: 71, unescrowed: 3}
    flags: {suspended: 2}
    findings: {KW-VOL-004: 3}
    passing: 71
    could_not_look: 8
generated_at:
  description: When the report was made, in UTC, as it says itself.
  returned: success
  type: str
  sample: "2026-11-22T20:00:00Z"
complete:
  description:
    - Whether everything that was to be looked at could be looked at.
    - Unreachable hosts alone do not make it false, O(min_coverage) does.
  returned: success
  type: bool
  sample: true
passed:
  description: Whether RV(complete) is true and every verdict in scope passes.
  returned: success
  type: bool
  sample: false
stores:
  description:
    - What the search of each store came to.
    - With C(intune) of O(entra) also how far the reading of Intune reached. Nothing depends on that.
  returned: success
  type: dict
  sample: {ad: {state: searched, entries: 71}, entra: {state: searched, entries: 64}}
findings:
  description: The findings about the run as a whole, which make RV(complete) false. All others are in the report.
  returned: success
  type: list
  elements: dict
  sample: []
files:
  description: The files of the report, whether or not this run had to change them.
  returned: when O(dest) is given
  type: list
  elements: str
  sample: [/var/lib/keyward/escrow-report.json, /var/lib/keyward/escrow-report.csv, /var/lib/keyward/escrow-report.html]
ledger:
  description:
    - Whether the run was C(recorded), and the ID of the C(run) in the ledger.
    - A ledger that fails after the report was written is a warning, and C(recorded) is false.
  returned: when O(ledger) is given
  type: dict
  sample: {recorded: true, run: 3f0c2b7e-5d1a-4a54-9a3c-0d5a3c7f9b11}
query_result:
  description: The result of O(query).
  returned: when O(query) is given
  type: raw
  sample: [[pc01.corp.example, "C:"]]
"""
