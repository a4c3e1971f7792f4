#!/usr/bin/python
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the action plugin of the same name; the argument spec is derived from it."""

from __future__ import annotations

DOCUMENTATION = r"""
module: key_backup
short_description: Back up BitLocker recovery passwords to Active Directory and Entra ID, and prove that they are there
version_added: 0.1.0
description:
  - Brings every recovery password of a host's volumes into every required store, reads it back from the store itself, and proves that what
    the store holds opens the volume.
  - Windows itself writes the key, with the identity of the machine. The recovery password passes neither the controller nor a parameter on
    its way there. That Windows calls the backup done does not count; what the store shows does.
  - A store that holds something wrong under a key ID is found by the proof. Windows writes nothing where the key ID exists, so no backup
    repairs that, and the key ID is listed in RV(volumes[].needs_rotation).
  - Nothing is ever removed.
author:
  - The keyward.bitlocker developers (@keyward)
options:
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
      - The stores that must hold each recovery password. Each must be reachable by its own option, because it is read back.
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
      - What is not shown by then makes the task fail. A later run finds it there and changes nothing.
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
  - An entry counts only below the computer's own object, to which the host's own word joins it. A computer that only its inventory name
    would join is not judged by it, and the task fails.
  - A locked, decrypted or decrypting volume is left as it is.
seealso:
  - module: keyward.bitlocker.volume_info
  - module: keyward.bitlocker.escrow_report
"""

EXAMPLES = r"""
- name: See what would be backed up
  keyward.bitlocker.key_backup:
    ad:
      domain: corp.example.com
  check_mode: true
  diff: true

- name: Bring every recovery password into Active Directory, and prove that it is there
  keyward.bitlocker.key_backup:
    ad:
      domain: corp.example.com
  register: backup

- name: Bring the keys of the system drive of a hybrid joined computer into both directories
  keyward.bitlocker.key_backup:
    volumes: ["C:"]
    ad:
      domain: corp.example.com
    entra:
      auth_method: client_secret
      tenant: 6fbd2e33-4a30-4d5c-8f30-1b6c2b0d9a11
      client_id: 1d9b1c1e-8f14-4d4f-9d1e-0a6f6f0f2b7a
    read_back_seconds: 300
"""

RETURN = r"""
changed:
  description:
    - Whether any backup was made. One whose answer was lost counts where the store shows it, or where nobody can see whether it was made.
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
      description: Whether every required store is proven to hold each recovery password.
      type: bool
      returned: always
      sample: true
    steps:
      description: The steps that were done, in their order; in check mode those that would be.
      type: list
      elements: dict
      returned: always
      sample:
        - step: back_up
          store: ad
          key_id: 64311dea-4587-4029-924a-ba299647998e
    uncertain:
      description: Steps whose answer was lost, and of which nobody can see whether they were done.
      type: list
      elements: dict
      returned: always
      sample: []
    keys:
      description: The recovery passwords as they are at the end.
      type: list
      elements: dict
      returned: always
      contains:
        key_id:
          description: The key ID.
          type: str
          returned: always
          sample: 64311dea-4587-4029-924a-ba299647998e
        stores:
          description: The state in each required store, in the words of the escrow report.
          type: dict
          returned: always
          sample: {ad: proven}
        reasons:
          description: Why a store's copy could not be proven, by store.
          type: dict
          returned: always
          sample: {}
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
    needs_rotation:
      description: Key IDs under which a store holds what does not open the volume. Only a new recovery password cures that.
      type: list
      elements: str
      returned: always
      sample: []
    problems:
      description: The errors that steps gave, also where they were overcome.
      type: list
      elements: str
      returned: always
      sample: []
msg:
  description: What stands in the way of the first volume that is not done.
  returned: on failure
  type: str
  sample: "C:: ad does not show the recovery password 64311dea-4587-4029-924a-ba299647998e yet, or cannot be read."
"""
