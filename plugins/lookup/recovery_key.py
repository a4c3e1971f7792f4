# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lookup recovery_key: terms in, recovery passwords or records out."""

from __future__ import annotations

DOCUMENTATION = r"""
name: recovery_key
short_description: Hand out the right BitLocker recovery key
version_added: 0.1.0
author:
  - The keyward.bitlocker developers (@keyward)
description:
  - Finds the recovery key of a computer, or the one that a recovery screen asks for, in Active Directory, Entra ID, saved files, the second
    copy, or on the computer itself, and returns its 48 digits.
  - Each key is recorded by the disclosure gate before it is returned. Without a place to record, or without O(reason), there is none.
  - The value lands in your own task. Nothing of this collection can mask it there. Set C(no_log=true) on every task that uses it.
options:
  _terms:
    description:
      - What to find, each as the name of a host of the inventory, a host name or full DNS name, an Entra device ID, a serial number,
        a key ID (whole, or its first 8 or more characters), or a volume's GUID.
      - A term that can mean several things is looked for as each of them. Put its kind before it to say which one is meant, as in
        V(host:deadbeef), V(key_id:1a2b3c4d), V(device_id:…), V(serial:5CD1234) or V(volume:…).
      - A serial number is known from observations of this play, from tables and from the second copy.
      - Many terms in one call, or in one loop, cost one reading of metadata.
    type: list
    elements: str
    required: true
  record:
    description:
      - Return a record for each key in the place of its password alone. The password is in it as C(recovery_password).
    type: bool
    default: false
extends_documentation_fragment:
  - keyward.bitlocker.recovery_keys
  - keyward.bitlocker.active_directory.suboptions
  - keyward.bitlocker.entra.suboptions
  - keyward.bitlocker.file_source
  - keyward.bitlocker.vault_source
  - keyward.bitlocker.disclosure
notes:
  - What C(no_log=true) on a task protects is the output of that task. A later task that shows the value in any way needs it too.
  - C(set_fact) and C(register) keep the value in memory for the rest of the play. With C(cacheable=true) it goes to the fact cache in clear
    text. A template or a copied file holds it in clear text, and C(--diff) shows it unless C(no_log=true) or C(diff=false).
  - The loop item is shown beside a task's result. Loop over names, never over passwords.
  - A module argument travels to the host that the module runs on, and that host may log it.
  - With C(-vvv), C(ANSIBLE_DEBUG) or a callback plugin of your own more is shown than by default. C(no_log=true) holds there too, except
    in debug mode.
  - Use the module M(keyward.bitlocker.recovery_key_info) where a registered result is enough. It marks its own result, so that nobody can
    forget it.
seealso:
  - module: keyward.bitlocker.recovery_key_info
"""

EXAMPLES = r"""
# each is recorded before it is returned: in audit_file, or as here in the file that KEYWARD_AUDIT_FILE names
- name: Unlock a data volume with the key that the screen asks for
  ansible.windows.win_powershell:
    script: |
      param($Key)
      Unlock-BitLocker -MountPoint D: -RecoveryPassword $Key
    parameters:
      Key: >-
        {{ lookup('keyward.bitlocker.recovery_key', '1A2B3C4D', reason='INC-4711',
                  ad={'domain': 'corp.example', 'auth_protocol': 'kerberos'}) }}
  no_log: true

- name: The key of the computer that the task is for, as it lists it now
  ansible.builtin.set_fact:
    disk_key: >-
      {{ lookup('keyward.bitlocker.recovery_key', inventory_hostname, sources=['host', 'ad'], reason='Move to a new disk',
                ad={'domain': 'corp.example'}) }}
  no_log: true

- name: The newest key of each of several computers, with where it was found; the environment says how to reach both directories
  vars:
    found: >-
      {{ query('keyward.bitlocker.recovery_key', 'pc01', 'pc02.corp.example', sources=['ad', 'entra'],
               entra={'auth_method': 'certificate'}, match='newest', record=true, reason='Depot repair', ticket='CHG-42') }}
  ansible.builtin.copy:
    content: "{{ found | to_json }}"
    dest: /srv/keys.json
    mode: '0600'
  no_log: true
  diff: false
"""

RETURN = r"""
_raw:
  description:
    - The recovery passwords in the order of the terms, each as eight groups of six digits with hyphens.
    - With O(record=true) the records of RV(keyward.bitlocker.recovery_key_info#module:keys).
  type: list
  elements: raw
"""

from typing import Any

from ansible.plugins.lookup import LookupBase

from ..plugin_utils._ansible.lookups import KeyLookup


class LookupModule(LookupBase):
    """Terms in, keys out; everything else is in :class:`KeyLookup`."""

    def run(self, terms: list[Any], variables: dict[str, Any] | None = None, **kwargs: Any) -> list[Any]:
        """Ansible's entry."""
        return KeyLookup("recovery_key", loader=self._loader, display=self._display).run(terms, variables or {}, kwargs)
