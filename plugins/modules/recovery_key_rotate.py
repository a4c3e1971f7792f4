#!/usr/bin/python
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the action plugin of the same name; the argument spec is derived from it."""

from __future__ import annotations

DOCUMENTATION = r"""
module: recovery_key_rotate
short_description: Put a new BitLocker recovery password in the place of an old one, without a moment in which no key works
version_added: 0.1.0
description:
  - Has Windows make a new recovery password, back it up to every required store, reads it back from there, proves that it opens the volume,
    and only then removes the old one. Whatever fails, or is ended by force, the volume never has fewer working escrowed keys than before.
  - The new protector bears a name that says which one it replaces. A run that was interrupted is taken up by the next one, and by another
    controller, and a third recovery password is not made.
  - TPM, PIN, startup key and all other protectors stay as they are.
author:
  - The keyward.bitlocker developers (@keyward)
options:
  key_id:
    description: Rotate these recovery passwords, by key ID or the first 8 or more characters of one.
    type: list
    elements: str
    default: []
  older_than:
    description:
      - Rotate recovery passwords that are older than this many days.
      - The time is that of the key package. Where it has none, it is that of the entry in Active Directory, or else in Entra ID.
        RV(volumes[].keys) says which.
    type: float
  disclosed:
    description:
      - Rotate recovery passwords that O(audit_file) says were handed out, in whatever way but as a sealed copy.
      - What others read past this collection is not known by this. M(keyward.bitlocker.disclosure_info) compares with the log of Entra ID.
    type: bool
    default: false
  unproven:
    description: Rotate recovery passwords that are not proven in every required store.
    type: bool
    default: false
  always:
    description: Rotate every recovery password.
    type: bool
    default: false
  audit_file:
    description:
      - The audit file that O(disclosed) asks.
      - If the value is not specified, the value of the environment variable E(KEYWARD_AUDIT_FILE) is used.
    type: path
  state_dir:
    description:
      - A folder of the controller for what rotations set out to do. Each has a file there from before its first change until it is done.
      - If the value is not specified, the value of the environment variable E(KEYWARD_STATE_DIR) is used.
    type: path
    default: ~/.ansible/keyward/intents
  keep_old_for:
    description:
      - Remove the old recovery password only when the entries of the new one are so many hours old in every required store, for example
        until all domain controllers have them. A later run removes it.
      - Until then the task is no failure, and RV(volumes[].rotations[].kept_until) says when.
    type: float
    default: 0
  volumes:
    description:
      - The volumes, by letter with a colon, mount point or device ID.
      - Defaults to all volumes of O(volume_types) that are not decrypted.
    type: list
    elements: str
  volume_types:
    description: The types of volumes, where O(volumes) names none.
    type: list
    elements: str
    choices: [os, fixed, removable]
    default: [os, fixed]
  stores:
    description:
      - The stores that must hold the new recovery password. Each must be reachable by its own option, because it is read back.
      - Defaults to those that are configured.
    type: list
    elements: str
    choices: [ad, entra]
  ad:
    description:
      - How to read Active Directory. The account needs the right to read recovery passwords, and none to write.
      - Whatever stands in a task's arguments reaches Ansible's callback plugins, secrets too. Leave O(ad.password) out, and give it in the
        environment.
    type: dict
  entra:
    description:
      - How to read Entra ID. The application needs the permissions C(BitlockerKey.Read.All) and C(Device.Read.All), and none to write.
      - Entra ID records each key that is read to be proven.
      - Leave O(entra.secret) out, and give it in the environment, as with O(ad).
    type: dict
  read_back_seconds:
    description:
      - How long a store may take to show what it was given, in seconds for each volume. Replication and Entra ID take their time.
      - What is not shown by then makes the task fail, and the old recovery password stays. A later run goes on from there.
    type: float
    default: 60
extends_documentation_fragment:
  - keyward.bitlocker.active_directory.suboptions
  - keyward.bitlocker.entra.suboptions
  - keyward.bitlocker.attributes.windows_change
requirements:
  - pywinrm on the controller, for NTLM, Kerberos and CredSSP, or Basic over HTTP
  - cryptography on the controller
  - ldap3 (for O(ad))
  - msal and requests (for O(entra))
notes:
  - It reaches the host as M(keyward.bitlocker.volume_info) does. The account must be an administrator of the host, and the connection must
    be encrypted.
  - At least one of O(key_id), O(older_than), O(disclosed), O(unproven) and O(always) is needed. Any one that holds is enough.
  - The entries of the old recovery password stay in the stores, where the report calls them stale.
  - A volume that gets other protectors while this works is left as it then is, with the old recovery password in place.
seealso:
  - module: keyward.bitlocker.key_backup
  - module: keyward.bitlocker.disclosure_info
"""

EXAMPLES = r"""
- name: See which recovery passwords would be rotated because somebody was given them
  keyward.bitlocker.recovery_key_rotate:
    disclosed: true
    audit_file: /var/log/keyward/audit.jsonl
    ad:
      domain: corp.example.com
  check_mode: true

- name: Rotate what is older than a year, and keep the old one until the new one is everywhere
  keyward.bitlocker.recovery_key_rotate:
    older_than: 365
    keep_old_for: 4
    ad:
      domain: corp.example.com

- name: Rotate one recovery password that a store holds wrongly
  keyward.bitlocker.recovery_key_rotate:
    key_id: [64311dea]
    ad:
      domain: corp.example.com
"""

RETURN = r"""
changed:
  description: Whether anything was changed on the host, or may have been where an answer was lost and nobody can see.
  returned: always
  type: bool
volumes:
  description: What came of each volume.
  returned: when the host could be observed
  type: list
  elements: dict
  contains:
    volume:
      description: The letter or mount point, or else the device ID.
      type: str
      returned: always
      sample: "C:"
    device_id:
      description: The device ID.
      type: str
      returned: always
      sample: '\\?\Volume{0b6f6e0a-6c11-4a0c-8a55-3a3d8f0e3a01}\'
    changed:
      description: Whether something of this volume was changed.
      type: bool
      returned: always
      sample: true
    done:
      description: Whether every rotation that was begun is at its end, or waits for O(keep_old_for) alone.
      type: bool
      returned: always
      sample: true
    keys:
      description: The recovery passwords that were looked at.
      type: list
      elements: dict
      returned: always
      contains:
        key_id:
          description: The key ID.
          type: str
          returned: always
          sample: 64311dea-4587-4029-924a-ba299647998e
        why:
          description: The conditions that hold for it; V(interrupted) where a rotation of it had begun.
          type: list
          elements: str
          returned: always
          sample: [disclosed]
        made_at:
          description: When it was made, V(null) where nobody tells or O(older_than) is not asked.
          type: str
          returned: always
          sample: "2025-03-01T07:12:45.000Z"
        date_from:
          description: Who says so, V(key_package), V(ad) or V(entra).
          type: str
          returned: always
          sample: key_package
    rotations:
      description: The rotations, in their order.
      type: list
      elements: dict
      returned: always
      contains:
        key_id:
          description: The key ID of the old recovery password.
          type: str
          returned: always
          sample: 64311dea-4587-4029-924a-ba299647998e
        new_key_id:
          description: The key ID of the new one, V(null) where there is none yet.
          type: str
          returned: always
          sample: 1f0a8d3c-5b1e-4c55-9a5d-0a1e4d5b7c21
        why:
          description: The conditions that hold.
          type: list
          elements: str
          returned: always
          sample: [disclosed]
        done:
          description: Whether the new one is in every required store, proven, and the old one is gone.
          type: bool
          returned: always
          sample: true
        kept_until:
          description: Until when the old one is kept by O(keep_old_for).
          type: str
          returned: always
          sample: null
        steps:
          description: The steps that were done, in their order; in check mode those that would be.
          type: list
          elements: dict
          returned: always
          sample:
            - step: add_recovery_password
              name: keyward 20261123T031500Z 0badcafe for 64311dea
        uncertain:
          description: Steps whose answer was lost, and of which nobody can see whether they were done.
          type: list
          elements: dict
          returned: always
          sample: []
        reason:
          description: What stands in the way; empty where nothing does.
          type: str
          returned: always
          sample: ""
        remedy:
          description: What to do about it.
          type: str
          returned: always
          sample: ""
        problems:
          description: The errors that steps gave, also where they were overcome.
          type: list
          elements: str
          returned: always
          sample: []
    reason:
      description: What stands in the way of the volume; empty where nothing does.
      type: str
      returned: always
      sample: ""
    remedy:
      description: What to do about it.
      type: str
      returned: always
      sample: ""
msg:
  description: What stands in the way of the first volume that is not done.
  returned: on failure
  type: str
  sample: "C:: it is locked."
"""
