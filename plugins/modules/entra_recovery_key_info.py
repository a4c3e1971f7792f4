#!/usr/bin/python
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the action plugin of the same name; the argument spec is derived from it."""

from __future__ import annotations

DOCUMENTATION = r"""
module: entra_recovery_key_info
short_description: Find BitLocker recovery keys in Entra ID
version_added: 0.1.0
description:
  - Finds the recovery keys that are escrowed in Entra ID, by device, by key ID or by the first 8 characters of one.
  - Gives metadata only, unless O(reveal=true). The permissions C(BitlockerKey.ReadBasic.All) and C(Device.Read.All) are enough for that,
    and it leaves no record in the tenant's audit log.
  - Runs on the controller, whatever host the task is for. Set C(run_once) or put it into a play for C(localhost).
author:
  - The keyward.bitlocker developers (@keyward)
options:
  device:
    description:
      - The devices whose keys to find, each by name, device ID or object ID.
      - All devices of a name are found. A name is never a sure sign that they are the same machine.
      - The keys of a deleted device can be found by its device ID.
    type: list
    elements: str
    aliases: [computer]
  key_id:
    description:
      - The key IDs to find, or the first 8 or more characters of each, as the recovery screen shows them.
      - Case, braces and hyphens do not matter.
      - Together with O(device) only keys of those devices are found.
      - A whole ID takes one request. For the beginning of one all keys of the tenant are listed, unless O(device) is given.
    type: list
    elements: str
  all:
    description: Find every key of the tenant.
    type: bool
  reveal:
    description:
      - Also give the recovery passwords of what was found. Each one needs a O(reason), and is recorded in O(audit_file) before it is given.
      - Needs the permission C(BitlockerKey.Read.All). Entra ID records each one in the tenant's audit log too.
      - The result is then censored in all output. Use it by registering it.
      - Cannot be combined with O(all).
    type: bool
    default: false
extends_documentation_fragment:
  - keyward.bitlocker.entra
  - keyward.bitlocker.disclosure
  - keyward.bitlocker.attributes.entra_info
notes:
  - Old keys stay listed after a rotation, an encryption anew or a new installation. Which one opens a volume today, the machine
    alone knows. M(keyward.bitlocker.escrow_report) compares the two.
  - Entra ID keeps at most 200 keys a device. At that number no new key can be escrowed.
seealso:
  - module: keyward.bitlocker.escrow_report
  - module: keyward.bitlocker.disclosure_info
  - module: keyward.bitlocker.ad_recovery_key_info
"""

EXAMPLES = r"""
# tenant, client_id and the like can come from the environment: AZURE_TENANT, AZURE_CLIENT_ID, AZURE_X509_CERTIFICATE_PATH
- name: Check that the application can read everything that a report needs
  keyward.bitlocker.entra_recovery_key_info:
    auth_method: certificate
    tenant: corp.example
    client_id: 0d9c2b1a-5f4e-4d3c-8b2a-190807060504
    x509_certificate_path: /etc/keyward/entra.pem
    all: true
  register: keys
  failed_when: keys.store.state | default('none') != 'searched'

# the secret comes from the environment variable AZURE_SECRET: what stands in a task reaches Ansible's callback plugins
- name: Find the keys of a device
  keyward.bitlocker.entra_recovery_key_info:
    auth_method: client_secret
    tenant: corp.example
    client_id: 0d9c2b1a-5f4e-4d3c-8b2a-190807060504
    device: PC01
  register: keys

- name: Find a key by what the recovery screen shows, in a pipeline that has a token of its own
  keyward.bitlocker.entra_recovery_key_info:
    auth_method: federated_token
    tenant: corp.example
    client_id: 0d9c2b1a-5f4e-4d3c-8b2a-190807060504
    federated_token_file: /run/secrets/entra-token
    key_id: 1A2B3C4D
  register: keys

- name: Ask on a machine in Azure that has an identity of its own
  keyward.bitlocker.entra_recovery_key_info:
    auth_method: managed_identity
    device: [PC01, PC02]
  register: keys

- name: Get a password for the help desk, as another application than the report's
  keyward.bitlocker.entra_recovery_key_info:
    auth_method: certificate
    tenant: corp.example
    client_id: 7e6d5c4b-3a29-4817-8605-f4e3d2c1b0a9
    x509_certificate_path: /etc/keyward/reveal.pem
    key_id: 1a2b3c4d-0102-0304-0506-0708090a0b0c
    reveal: true
    reason: INC-4711, caller identified by the service desk
    audit_file: /var/log/keyward/audit.jsonl
  register: revealed
  no_log: true
"""

RETURN = r"""
devices:
  description: The devices that were asked for, or that the found keys belong to.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: Display name, empty where the device is not listed.
      type: str
      returned: success
    device_id:
      description: Device ID in lower case, null where there is none. It joins a device with its keys and with what a host says of itself.
      type: str
      returned: success
    object_id:
      description: Object ID in lower case, null where the device is not listed.
      type: str
      returned: success
    trust_type:
      description: C(AzureAd) for joined, C(ServerAd) for hybrid joined, C(Workplace) for registered. Null where Entra ID does not say.
      type: str
      returned: success
    enabled:
      description: Whether it is enabled.
      type: bool
      returned: success
    in_scope:
      description: Whether M(keyward.bitlocker.escrow_report) accounts for it even if the inventory does not know it.
      type: bool
      returned: success
    deleted:
      description: Whether it is listed no more, and only its keys are.
      type: bool
      returned: success
    last_seen:
      description: Time of the last activity that Entra ID noted, in UTC, null where there is none.
      type: str
      returned: success
    keys:
      description: How many of the found keys are its own. With O(device) and without O(key_id) these are all that it has.
      type: int
      returned: success
    intune:
      description: What Intune says of the device, null where it has no enrolment of it. It says nothing about keys.
      type: dict
      returned: when O(intune=true)
      contains:
        encrypted:
          description: Whether Intune takes it for encrypted. Null where it does not say.
          type: bool
          returned: success
        last_sync:
          description: When Intune last heard of it, in UTC. Null for never.
          type: str
          returned: success
        enrolments:
          description: How many enrolments name this device. The newest counts.
          type: int
          returned: success
  sample:
    - name: PC01
      device_id: 5b0a7c1e-6d54-4f25-8b7e-0d6f2f0f3f11
      object_id: 8e2c4a60-1b3d-4c5e-9f70-a1b2c3d4e5f6
      trust_type: AzureAd
      enabled: true
      in_scope: true
      deleted: false
      last_seen: '2026-11-20T08:15:00Z'
      keys: 1
entries:
  description: The keys that were found, by device, the newest first.
  returned: success
  type: list
  elements: dict
  contains:
    key_id:
      description: The key ID in lower case without braces, null where it is none.
      type: str
      returned: success
    device:
      description: Display name of the device that it belongs to, empty where that is not listed.
      type: str
      returned: success
    device_id:
      description: That device's ID, null where the key names none.
      type: str
      returned: success
    created:
      description: When it was escrowed, in UTC. Null where it cannot be read.
      type: str
      returned: success
    volume_type:
      description: V(os), V(fixed), V(removable), another word of Entra ID, or null where it does not say.
      type: str
      returned: success
    deleted:
      description: Whether its device is deleted or hidden.
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
      device: PC01
      device_id: 5b0a7c1e-6d54-4f25-8b7e-0d6f2f0f3f11
      created: '2026-01-02T11:04:06Z'
      volume_type: os
      deleted: false
      malformed: false
      defects: []
not_found:
  description: The devices and key IDs that nothing was found for, as they were asked for.
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
        - V(searched) to its end, V(partial) not to its end, or V(no_rights) where a permission is missing.
      type: str
      returned: success
    reason:
      description: Why it is not V(searched).
      type: str
      returned: success
    graph:
      description: The address of Microsoft Graph that answered.
      type: str
      returned: success
    tenant:
      description: The tenant as it was given, null where none was.
      type: str
      returned: success
    intune:
      description: How far the reading of Intune reached, as C(state) and C(reason). Nothing else depends on it.
      type: dict
      returned: when O(intune=true)
  sample:
    state: searched
    reason: ''
    graph: https://graph.microsoft.com
    tenant: corp.example
"""
