# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options of everything that uses the second copy, under the option ``vault``: to read it, and to write it as well.

Their counterpart in code is ``plugin_utils/_stores/vault/settings.py``.
"""

from __future__ import annotations


class ModuleDocFragment:
    """What a reader needs, and as COPYING what ``vault_copy`` needs, which writes."""

    DOCUMENTATION = r"""
options:
  vault:
    description:
      - The second copy of recovery keys that M(keyward.bitlocker.vault_copy) keeps on the controller, sealed.
    type: dict
    suboptions:
      path:
        description:
          - The folder of the second copy, on the controller, as M(keyward.bitlocker.vault_copy) writes it.
        type: path
        required: true
      vault_id:
        description:
          - The vault ID whose password seals copies. Opening them tries every password that Ansible was given.
        type: str
        default: default
      vault_password_file:
        description:
          - A file with the password of C(vault_id), or a script that prints it, as Ansible's C(--vault-password-file).
          - The passwords that Ansible itself was given, by C(--vault-id) and its like, open copies too. Without this they also seal.
        type: path
      identity_file:
        description:
          - The file with the private keys that open what was sealed to public keys, as C(age-keygen) writes it.
            An SSH key of Ed25519 or RSA without a passphrase can be given too.
          - A job that only writes copies does not need it, and should not have it.
        type: path
requirements:
  - pyrage 1.3 or newer, for copies that are sealed to public keys
"""

    # the same with what a job that writes needs; set below, as sanity tests read only literal texts here
    COPYING: str


#: what only a job that writes asks
_WRITING = r"""
      sealing:
        description:
          - How copies are sealed. V(ansible_vault) is one file for each computer, sealed with the password of C(vault_id).
          - V(age) is one file for each key, sealed to C(recipients) in the format of age. Who writes them cannot read them.
          - The default is V(age) where C(recipients) are given, else V(ansible_vault).
        type: str
        choices: [ansible_vault, age]
      recipients:
        description:
          - The public keys to seal to, as C(age-keygen) prints them, or lines of C(ssh-ed25519) or C(ssh-rsa) keys.
            Each of their owners can open every copy that is written from now on.
        type: list
        elements: str
      persistent:
        description:
          - Say V(true) where the folder outlives the job, and the machine or container that it runs in.
          - Without it nothing in the folder counts as a copy, whatever else is true of it.
        type: bool
        default: false
"""


def _with_writing(documentation: str) -> str:
    options, mark, requirements = documentation.strip().partition("\nrequirements:\n")
    return f"{options}{_WRITING.rstrip()}{mark}{requirements}\n"


ModuleDocFragment.COPYING = _with_writing(ModuleDocFragment.DOCUMENTATION)
