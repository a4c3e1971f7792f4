# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The attributes of the actions: where they run, what they do in check and diff mode, the action group they belong to.

One fragment a kind of action; an action of a new kind gets a fragment of its own, so that its documentation names one.
"""

from __future__ import annotations


class ModuleDocFragment:
    """Attributes; what every action shares is the same text in each fragment."""

    DOCUMENTATION = r"""
options: {}
attributes:
  action:
    description: Whether a corresponding action plugin does the work on the controller.
    support: full
    details: All of it runs on the controller (the execution node). No code is sent to a host.
  async:
    description: Whether the C(async) keyword can be used.
    support: none
"""

    # a read-only action about one Windows host
    WINDOWS_INFO = r"""
options: {}
attributes:
  action:
    description: Whether a corresponding action plugin does the work on the controller.
    support: full
    details: All of it runs on the controller (the execution node). No code is sent to a host.
  action_group:
    description: Use C(group/keyward.bitlocker.windows) in C(module_defaults) to set defaults for this.
    support: full
    membership: [keyward.bitlocker.windows]
  async:
    description: Whether the C(async) keyword can be used.
    support: none
  check_mode:
    description: Can run in C(check_mode) and return changed status prediction without modifying anything.
    support: full
    details: It only reads, so check mode makes no difference.
  diff_mode:
    description: Will return details on what has changed (or possibly needs changing in C(check_mode)), when in diff mode.
    support: N/A
    details: It changes nothing.
  idempotent:
    description: When run twice in a row outside check mode, with the same arguments, the second invocation indicates no change.
    support: full
    details: It changes nothing.
"""

    # an action that changes something on one Windows host
    WINDOWS_CHANGE = r"""
options: {}
attributes:
  action:
    description: Whether a corresponding action plugin does the work on the controller.
    support: full
    details: All of it runs on the controller (the execution node). No code is sent to a host.
  action_group:
    description: Use C(group/keyward.bitlocker.windows) in C(module_defaults) to set defaults for this.
    support: full
    membership: [keyward.bitlocker.windows]
  async:
    description: Whether the C(async) keyword can be used.
    support: none
  check_mode:
    description: Can run in C(check_mode) and return changed status prediction without modifying anything.
    support: full
    details: It reads the host and the stores, and tells the steps that it would do, as if each of them succeeded.
  diff_mode:
    description: Will return details on what has changed (or possibly needs changing in C(check_mode)), when in diff mode.
    support: full
    details: The difference has key IDs and what each store holds of them, and no digit of a key.
  idempotent:
    description: When run twice in a row outside check mode, with the same arguments, the second invocation indicates no change.
    support: full
    details: It looks first, and does only what is missing.
"""

    # the recovery policy: writes to the registry of one Windows host
    WINDOWS_POLICY = r"""
options: {}
attributes:
  action:
    description: Whether a corresponding action plugin does the work on the controller.
    support: full
    details: All of it runs on the controller (the execution node). No code is sent to a host.
  action_group:
    description: Use C(group/keyward.bitlocker.windows) in C(module_defaults) to set defaults for this.
    support: full
    membership: [keyward.bitlocker.windows]
  async:
    description: Whether the C(async) keyword can be used.
    support: none
  check_mode:
    description: Can run in C(check_mode) and return changed status prediction without modifying anything.
    support: full
    details: It reads the policy, and decides and returns in check mode what it would without.
  diff_mode:
    description: Will return details on what has changed (or possibly needs changing in C(check_mode)), when in diff mode.
    support: full
    details: The values of the policy before and after. None of them is a secret.
  idempotent:
    description: When run twice in a row outside check mode, with the same arguments, the second invocation indicates no change.
    support: full
    details: Something changes again where a Group Policy or Intune wrote over the values in between.
"""

    # a read-only action about Active Directory
    AD_INFO = r"""
options: {}
attributes:
  action:
    description: Whether a corresponding action plugin does the work on the controller.
    support: full
    details: All of it runs on the controller (the execution node). No code is sent to a host.
  action_group:
    description: Use C(group/keyward.bitlocker.ad) in C(module_defaults) to set defaults for this.
    support: full
    membership: [keyward.bitlocker.ad]
  async:
    description: Whether the C(async) keyword can be used.
    support: none
  check_mode:
    description: Can run in C(check_mode) and return changed status prediction without modifying anything.
    support: full
    details: It only reads, so check mode makes no difference.
  diff_mode:
    description: Will return details on what has changed (or possibly needs changing in C(check_mode)), when in diff mode.
    support: N/A
    details: It changes nothing.
  idempotent:
    description: When run twice in a row outside check mode, with the same arguments, the second invocation indicates no change.
    support: full
    details: It changes nothing.
"""

    # a read-only action about Entra ID
    ENTRA_INFO = r"""
options: {}
attributes:
  action:
    description: Whether a corresponding action plugin does the work on the controller.
    support: full
    details: All of it runs on the controller (the execution node). No code is sent to a host.
  action_group:
    description: Use C(group/keyward.bitlocker.entra) in C(module_defaults) to set defaults for this.
    support: full
    membership: [keyward.bitlocker.entra]
  async:
    description: Whether the C(async) keyword can be used.
    support: none
  check_mode:
    description: Can run in C(check_mode) and return changed status prediction without modifying anything.
    support: full
    details: It only reads, so check mode makes no difference.
  diff_mode:
    description: Will return details on what has changed (or possibly needs changing in C(check_mode)), when in diff mode.
    support: N/A
    details: It changes nothing.
  idempotent:
    description: When run twice in a row outside check mode, with the same arguments, the second invocation indicates no change.
    support: full
    details: It changes nothing.
"""

    # a read-only action about recovery keys, wherever they are
    KEYS_INFO = r"""
options: {}
attributes:
  action:
    description: Whether a corresponding action plugin does the work on the controller.
    support: full
    details: All of it runs on the controller (the execution node). No code is sent to a host.
  action_group:
    description: Use C(group/keyward.bitlocker.keys) in C(module_defaults) to set defaults for this.
    support: full
    membership: [keyward.bitlocker.keys]
  async:
    description: Whether the C(async) keyword can be used.
    support: none
  check_mode:
    description: Can run in C(check_mode) and return changed status prediction without modifying anything.
    support: full
    details: It only reads, so check mode makes no difference.
  diff_mode:
    description: Will return details on what has changed (or possibly needs changing in C(check_mode)), when in diff mode.
    support: N/A
    details: It changes nothing.
  idempotent:
    description: When run twice in a row outside check mode, with the same arguments, the second invocation indicates no change.
    support: full
    details: It changes nothing.
"""

    # recovery keys, shown to a person
    KEYS_SHOW = r"""
options: {}
attributes:
  action:
    description: Whether a corresponding action plugin does the work on the controller.
    support: full
    details: All of it runs on the controller (the execution node). No code is sent to a host.
  action_group:
    description: Use C(group/keyward.bitlocker.keys) in C(module_defaults) to set defaults for this.
    support: full
    membership: [keyward.bitlocker.keys]
  async:
    description: Whether the C(async) keyword can be used.
    support: none
  check_mode:
    description: Can run in C(check_mode) and return changed status prediction without modifying anything.
    support: full
    details: In check mode the keys are looked for, and none is read or shown.
  diff_mode:
    description: Will return details on what has changed (or possibly needs changing in C(check_mode)), when in diff mode.
    support: N/A
    details: It changes nothing but the audit records.
  idempotent:
    description: When run twice in a row outside check mode, with the same arguments, the second invocation indicates no change.
    support: full
    details: It changes nothing but the audit records.
"""

    # recovery keys, written into a document
    KEYS_SHEET = r"""
options: {}
attributes:
  action:
    description: Whether a corresponding action plugin does the work on the controller.
    support: full
    details: All of it runs on the controller (the execution node). No code is sent to a host.
  action_group:
    description: Use C(group/keyward.bitlocker.keys) in C(module_defaults) to set defaults for this.
    support: full
    membership: [keyward.bitlocker.keys]
  async:
    description: Whether the C(async) keyword can be used.
    support: none
  check_mode:
    description: Can run in C(check_mode) and return changed status prediction without modifying anything.
    support: full
    details: In check mode the keys are looked for, and none is read or written.
  diff_mode:
    description: Will return details on what has changed (or possibly needs changing in C(check_mode)), when in diff mode.
    support: full
    details: The difference has the key IDs of the document and no digit of a key.
  idempotent:
    description: When run twice in a row outside check mode, with the same arguments, the second invocation indicates no change.
    support: none
    details: Every run makes the document anew. With O(force=false) one that is there is left as it is.
"""

    # a read-only action about the ledger
    LEDGER_INFO = r"""
options: {}
attributes:
  action:
    description: Whether a corresponding action plugin does the work on the controller.
    support: full
    details: All of it runs on the controller (the execution node). No code is sent to a host.
  async:
    description: Whether the C(async) keyword can be used.
    support: none
  check_mode:
    description: Can run in C(check_mode) and return changed status prediction without modifying anything.
    support: full
    details: It only reads, so check mode makes no difference.
  diff_mode:
    description: Will return details on what has changed (or possibly needs changing in C(check_mode)), when in diff mode.
    support: N/A
    details: It changes nothing.
  idempotent:
    description: When run twice in a row outside check mode, with the same arguments, the second invocation indicates no change.
    support: full
    details: It changes nothing.
"""

    # a read-only action about the audit file
    DISCLOSURE_INFO = r"""
options: {}
attributes:
  action:
    description: Whether a corresponding action plugin does the work on the controller.
    support: full
    details: All of it runs on the controller (the execution node). No code is sent to a host.
  async:
    description: Whether the C(async) keyword can be used.
    support: none
  check_mode:
    description: Can run in C(check_mode) and return changed status prediction without modifying anything.
    support: full
    details: It only reads, so check mode makes no difference.
  diff_mode:
    description: Will return details on what has changed (or possibly needs changing in C(check_mode)), when in diff mode.
    support: N/A
    details: It changes nothing.
  idempotent:
    description: When run twice in a row outside check mode, with the same arguments, the second invocation indicates no change.
    support: full
    details: It changes nothing.
"""

    # a read-only action about files and disks of the controller
    IMAGE_INFO = r"""
options: {}
attributes:
  action:
    description: Whether a corresponding action plugin does the work on the controller.
    support: full
    details: All of it runs on the controller (the execution node). No code is sent to a host.
  async:
    description: Whether the C(async) keyword can be used.
    support: none
  check_mode:
    description: Can run in C(check_mode) and return changed status prediction without modifying anything.
    support: full
    details: It only reads, so check mode makes no difference.
  diff_mode:
    description: Will return details on what has changed (or possibly needs changing in C(check_mode)), when in diff mode.
    support: N/A
    details: It changes nothing.
  idempotent:
    description: When run twice in a row outside check mode, with the same arguments, the second invocation indicates no change.
    support: full
    details: It changes nothing.
"""

    # the report: reads, judges, may write files on the controller
    REPORT = r"""
options: {}
attributes:
  action:
    description: Whether a corresponding action plugin does the work on the controller.
    support: full
    details: All of it runs on the controller (the execution node). No code is sent to a host.
  async:
    description: Whether the C(async) keyword can be used.
    support: none
  check_mode:
    description: Can run in C(check_mode) and return changed status prediction without modifying anything.
    support: full
    details: It reads and judges in check mode too, and writes nothing.
  diff_mode:
    description: Will return details on what has changed (or possibly needs changing in C(check_mode)), when in diff mode.
    support: none
  idempotent:
    description: When run twice in a row outside check mode, with the same arguments, the second invocation indicates no change.
    support: full
    details: A report whose content differs by its time stamp alone counts as unchanged.
"""

    # the second copy: reads directories, writes sealed files on the controller
    VAULT_COPY = r"""
options: {}
attributes:
  action:
    description: Whether a corresponding action plugin does the work on the controller.
    support: full
    details: All of it runs on the controller (the execution node). No code is sent to a host.
  action_group:
    description: Use C(group/keyward.bitlocker.keys) in C(module_defaults) to set defaults for this.
    support: full
    membership: [keyward.bitlocker.keys]
  async:
    description: Whether the C(async) keyword can be used.
    support: none
  check_mode:
    description: Can run in C(check_mode) and return changed status prediction without modifying anything.
    support: full
    details: It reads no recovery password and writes nothing in check mode. What an entry's value would come to is not known then.
  diff_mode:
    description: Will return details on what has changed (or possibly needs changing in C(check_mode)), when in diff mode.
    support: full
    details: It shows key IDs and sources, and no recovery password.
  idempotent:
    description: When run twice in a row outside check mode, with the same arguments, the second invocation indicates no change.
    support: full
    details: That a later run opened a copy is noted in the copy and is no change.
"""
