#!/usr/bin/python
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the action plugin of the same name; the argument spec is derived from it."""

from __future__ import annotations

DOCUMENTATION = r"""
module: recovery_policy
short_description: Set the BitLocker recovery policy of a Windows host
version_added: 0.1.0
description:
  - Sets how BitLocker drives can be recovered, in the registry of the host, from intentions such as "store in Active Directory, with the
    key package, before encryption begins". These are the values of the policy C(Choose how BitLocker-protected drives can be recovered),
    below C(HKLM\SOFTWARE\Policies\Microsoft\FVE).
  - Only values of an intention that is given are written. An enabled setting without gaps is the exception. Where it is missing, recovery
    passwords and recovery keys are set to allowed, and what is stored in Active Directory to passwords with key packages.
  - A policy that would contradict itself is refused before anything is written, with the values and with the code that Windows would
    refuse encryption with.
  - Policies for starting up (TPM, PIN, startup key) and all other BitLocker policies are left alone.
  - What is written is read back.
author:
  - The keyward.bitlocker developers (@keyward)
options:
  state:
    description:
      - With V(present) the policy says what is intended.
      - With V(absent) the policy does not say it any more. A value that says something else stays as it is. When nothing that has an
        effect is left, the whole setting is removed.
    type: str
    choices: [present, absent]
    default: present
  os:
    description:
      - What is intended for operating system drives.
    type: dict
    suboptions: &intentions
      store_in_ad:
        description:
          - Whether recovery passwords are stored in Active Directory. Windows uses the same value for Entra ID.
        type: bool
      key_package:
        description:
          - Whether the key package is stored with the password. It needs O(os.store_in_ad), given here or in the policy.
        type: bool
      require_backup:
        description:
          - Whether encryption waits until the recovery password is stored.
        type: bool
      recovery_password_use:
        description:
          - Whether a drive may, must or must not have a recovery password.
        type: str
        choices: [allowed, required, forbidden]
      recovery_key_use:
        description:
          - Whether a drive may, must or must not have a recovery key in a C(.BEK) file.
        type: str
        choices: [allowed, required, forbidden]
  fixed:
    description:
      - What is intended for fixed data drives, as in O(os).
    type: dict
    suboptions: *intentions
  removable:
    description:
      - What is intended for removable drives, as in O(os).
    type: dict
    suboptions: *intentions
extends_documentation_fragment:
  - keyward.bitlocker.attributes.windows_policy
notes:
  - Group Policy writes the same values. On a member of a domain a policy that sets them comes back at its next refresh, so this action is
    for computers that no policy governs, and for tests. It warns when it changes the policy of a member of a domain.
  - Intune delivers its BitLocker settings to a registry key of its own. If recovery options are among them, RV(overwritten_by) says so.
  - A policy applies to what is encrypted from then on, and to backups. It encrypts nothing and escrows nothing by itself.
  - The account needs to be an administrator of the host.
seealso:
  - module: keyward.bitlocker.volume_info
  - module: keyward.bitlocker.escrow_report
"""

EXAMPLES = r"""
- name: Store recovery passwords and key packages in Active Directory before any drive is encrypted
  keyward.bitlocker.recovery_policy:
    os:
      recovery_password_use: required
      store_in_ad: true
      key_package: true
      require_backup: true
    fixed:
      recovery_password_use: required
      store_in_ad: true
      key_package: true
      require_backup: true

- name: No .BEK files from USB drives, everything else as it is
  keyward.bitlocker.recovery_policy:
    removable:
      recovery_key_use: forbidden

- name: Encryption no longer waits for the backup of operating system drives
  keyward.bitlocker.recovery_policy:
    state: absent
    os:
      require_backup: true
"""

RETURN = r"""
changes:
  description:
    - The values that were written or deleted, in this order. In check mode those that would be.
    - When the task failed, those that were asked of the host. The last one may not have been done.
  returned: success, and when a host failed after the connection was made
  type: list
  elements: dict
  contains:
    value:
      description: Its name.
      type: str
    before:
      description: What it was, V(null) where it was not there.
      type: raw
    after:
      description: What it is now, V(null) where it was deleted.
      type: int
before:
  description: The values on recovery of the given kinds of drives before, by name.
  returned: success
  type: dict
  sample: {}
after:
  description: The same as they were read back. In check mode as they would be.
  returned: success
  type: dict
  sample: {"OSActiveDirectoryBackup": 1, "OSActiveDirectoryInfoToStore": 1, "OSRecovery": 1, "OSRecoveryKey": 2, "OSRecoveryPassword": 1}
policy:
  description: What RV(after) means, by the kind of drive.
  returned: success
  type: dict
  sample:
    os: {"configured": true, "key_package": true, "recovery_password_use": "required", "require_backup": true, "store_in_ad": true}
cautions:
  description: What to know of the policy that results although nothing is wrong with it. Each is also a warning when something changed.
  returned: success
  type: list
  elements: str
overwritten_by:
  description:
    - Who may write over the values. V(group_policy) on every member of a domain, whether or not a policy sets these values there.
      V(mdm) where Intune or another MDM has delivered recovery options for one of the given kinds of drives.
  returned: success
  type: list
  elements: str
domain:
  description: The domain of the host, V(null) for a host that is a member of none.
  returned: success
  type: str
mdm_settings:
  description: The names of all BitLocker settings that an MDM delivered. V(null) where they could not be read.
  returned: success
  type: list
  elements: str
"""
