# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options of everything that hands out a recovery key: why, and where that is recorded.

Their counterpart in code is ``plugin_utils/_ansible/disclosure.py``.
"""

from __future__ import annotations


class ModuleDocFragment:
    """The options of the disclosure gate."""

    DOCUMENTATION = r"""
options:
  reason:
    description:
      - Why the recovery keys are needed, for the audit record. No key is handed out without one.
    type: str
  ticket:
    description:
      - The number of the ticket, incident or change that this is for, for the audit record.
    type: str
  audit_file:
    description:
      - The file that every key is recorded in before it is handed out, one JSON object a line, each chained to the one before.
      - It is made with mode C(0600) where it is not there. Several playbooks and accounts may write to the same file.
      - There is no default. Without this and without O(audit_syslog) no key is handed out.
      - If the value is not specified, the value of the environment variable E(KEYWARD_AUDIT_FILE) is used.
    type: path
  audit_syslog:
    description:
      - Where to send each record by syslog as well. Either V(true) for C(/dev/log), the path of another socket,
        or V(tcp://host:port) for a log server that takes RFC 5424 messages with a length before each (RFC 6587).
      - Without O(audit_file) it must accept each record, or no key is handed out. With it a syslog that is down is a warning.
      - That it was accepted does not prove that it was kept.
      - If the value is not specified, the value of the environment variable E(KEYWARD_AUDIT_SYSLOG) is used.
    type: str
  max_reveals:
    description:
      - How many keys one account of the controller may be handed out within an hour. When they are used up, there are no more.
      - They are counted in O(audit_file), so all playbooks that record there share them. Without it each task counts for itself.
      - Give a larger number on purpose where a play needs more.
    type: int
    default: 20
"""
