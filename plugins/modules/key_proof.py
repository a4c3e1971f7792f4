#!/usr/bin/python
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the action plugin of the same name; the argument spec is derived from it."""

from __future__ import annotations

DOCUMENTATION = r"""
module: key_proof
short_description: Prove that a BitLocker key opens a disk, without its computer
version_added: 0.1.0
description:
  - Holds a recovery password or an external key (C(.BEK)) against the metadata of an encrypted volume, from an image, from the first
    sectors of a pulled disk, or from the disk itself, or against an exported key package.
  - The disk is neither unlocked nor changed. Some 200 kilobytes of it are read, and none of its data.
  - The files are on the controller, and so is the work. Run it with C(delegate_to=localhost), or in a play of C(localhost).
  - A key that does not open the disk is an answer and no failure of the task. See RV(outcome).
author:
  - The keyward.bitlocker developers (@keyward)
options:
  image:
    description:
      - An image or a block device that begins with the boot sector of the volume, or holds it at O(offset).
      - The first sectors of a volume are enough where they reach as far as one copy of the metadata. There are three, far apart.
      - Exactly one of O(image) and O(package_files) is needed.
    type: path
  offset:
    description: Where in O(image) the volume begins, in bytes. It is not 0 where the image is of a whole disk with partitions.
    type: int
    default: 0
  package_files:
    description:
      - Files with the key package of one protector, as C(manage-bde -KeyPackage) writes them, or as Active Directory keeps it in
        C(msFVE-KeyPackage).
      - One file can prove a key. A key is V(refuted) only against two, exported one after the other, since a damaged package looks like a
        wrong key.
    type: list
    elements: path
  recovery_password:
    description:
      - The recovery password, with hyphens, spaces or nothing between its groups.
      - Whatever stands in a task's arguments reaches Ansible's callback plugins. Set C(no_log) on the task. Its result holds no secret, so
        a next task can show it.
      - Exactly one of O(recovery_password) and O(bek_file) is needed.
    type: str
  bek_file:
    description: The file of an external key. It names the protector that it belongs to.
    type: path
  key_id:
    description:
      - The ID of the protector that O(recovery_password) belongs to, or the first 8 or more characters of it, as the recovery screen shows
        them.
      - Without it every recovery password's protector is tried, half a second each.
    type: str
extends_documentation_fragment:
  - keyward.bitlocker.attributes.image_info
requirements:
  - cryptography
seealso:
  - module: keyward.bitlocker.escrow_report
  - module: keyward.bitlocker.ad_recovery_key_info
"""

EXAMPLES = r"""
- name: Does the password that was escrowed open the disk that was pulled?
  keyward.bitlocker.key_proof:
    image: /dev/sdb2
    recovery_password: "{{ escrowed_password }}"
  delegate_to: localhost
  no_log: true
  register: proof

- name: Go on only with a proof
  ansible.builtin.assert:
    that: proof.outcome == 'proven'
    fail_msg: "{{ proof.reason }}"

- name: Prove an external key against the second partition of a disk's image
  keyward.bitlocker.key_proof:
    image: /srv/cases/0815/disk.img
    offset: 122683392
    bek_file: /srv/cases/0815/AB2C4E6A-0000-4000-8000-123456789ABC.BEK
  delegate_to: localhost

- name: Prove a password against a key package that was exported twice
  keyward.bitlocker.key_proof:
    package_files:
      - /srv/cases/0815/first.bin
      - /srv/cases/0815/second.bin
    recovery_password: "{{ escrowed_password }}"
    key_id: 64311dea
  delegate_to: localhost
  no_log: true
"""

RETURN = r"""
outcome:
  description:
    - V(proven) where the key opened the volume master key and what is sealed beside it.
    - V(refuted) where it does not, beyond doubt. Two intact copies hold the same protector, every byte of it is understood, and a known
      example was opened a moment before.
    - V(inconclusive) where nobody can say, as RV(reason) tells. Such a key is neither right nor wrong.
  returned: success
  type: str
  sample: proven
reason:
  description: Why, as a clause.
  returned: success
  type: str
  sample: it opened the volume master key
basis:
  description: V(image) for the volume's own metadata, V(package) for key packages.
  returned: success
  type: str
  sample: image
key_id:
  description: The protector that the key opened, or the only one that was tried. V(null) where several were, and none was opened.
  returned: success
  type: str
  sample: 64311dea-4587-4029-924a-ba299647998e
volume_guid:
  description: The volume's GUID in its metadata. V(null) for key packages.
  returned: success
  type: str
  sample: 8f595209-f5b9-49a0-85d4-cb8f80258c27
proofs:
  description: Every protector that was tried, with its own C(outcome) and C(reason).
  returned: success
  type: list
  elements: dict
  sample: [{key_id: 64311dea-4587-4029-924a-ba299647998e, outcome: proven, reason: it opened the volume master key}]
protectors:
  description:
    - The protectors that are listed there, with their type, V(recovery_password), V(external_key), V(tpm), V(tpm_pin), V(passphrase) or
      V(clear_key).
    - A volume with V(clear_key) is suspended and opens without any key.
  returned: success
  type: list
  elements: dict
  sample: [{key_id: 64311dea-4587-4029-924a-ba299647998e, type: recovery_password}]
metadata:
  description: What the volume's metadata say. V(null) for key packages.
  returned: success
  type: dict
  contains:
    copies:
      description: Copies of the metadata that could be read.
      type: int
      returned: success
    intact_copies:
      description: Those of them whose checksum is right.
      type: int
      returned: success
    version:
      description: The version of the metadata. V(1) is Windows Vista.
      type: int
      returned: success
    state:
      description: V(encrypted), V(decrypted), V(paused) or V(switching).
      type: str
      returned: success
    method:
      description: The encryption method, as in RV(keyward.bitlocker.volume_info#module:observation).
      type: str
      returned: success
    authenticated:
      description:
        - Whether the volume master key sealed these very metadata, so that its GUIDs and times are the volume's own.
        - V(null) where the key was not proven, or the volume is one of Windows Vista, which seals none.
      type: bool
      returned: success
  sample: {copies: 3, intact_copies: 3, version: 2, state: encrypted, method: xts_aes_128, authenticated: true}
"""
