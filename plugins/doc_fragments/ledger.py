# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options of everything that uses the ledger, once: at the top of a module, or under its option ``ledger``.

Their counterpart in code is ``plugin_utils/_ledger/settings.py``.
"""

from __future__ import annotations

from textwrap import indent


class ModuleDocFragment:
    """The same options twice: equal by construction."""

    DOCUMENTATION = r"""
options:
  path:
    description:
      - The file of a ledger in SQLite. A report makes it, with mode C(0600), where it is not there. Either this or C(url) is needed.
      - It must belong to the account that runs the playbook, in a folder that nobody else can write to, and be no link.
      - A network file system is refused, because SQLite's locks do not hold there. Several controllers share a ledger in PostgreSQL.
    type: path
  url:
    description:
      - The URL of a ledger in PostgreSQL, as C(postgresql://user@host/database). It must hold no password.
      - The server's certificate is verified (C(sslmode=verify-full)) unless the URL says otherwise or the server is on this machine.
    type: str
  password:
    description:
      - The password for C(url). Better kept in the file that libpq's variable C(PGPASSFILE) names.
      - If the value is not specified, the value of the environment variable E(KEYWARD_LEDGER_PASSWORD) is used.
    type: str
  hmac_key_file:
    description:
      - The file with the key that every row of the ledger is sealed with. A report makes it, with mode C(0600), where it is not there.
      - Rows without a right seal are not believed. So who can write into the database, but has not this file, can forge no proof.
      - It must not lie in the folder of C(path), and does not belong into a backup of the ledger.
    type: path
    required: true
requirements:
  - SQLAlchemy 2 (for the ledger)
  - psycopg 3 (for a ledger in PostgreSQL)
"""

    SUBOPTIONS: str


#: what only a run that writes asks
_WRITING = r"""
  keep_days:
    description:
      - How many days observations, entries and verdicts of a run are kept, and proofs. Older ones are removed at the end of a run.
      - The runs themselves and their numbers stay.
    type: int
    default: 400
  compare_days:
    description: How many days an entry that vanished or changed stays a finding.
    type: int
    default: 7
"""


def _under_ledger(documentation: str) -> str:
    options, mark, requirements = documentation.strip().partition("\nrequirements:\n")
    listed = options.removeprefix("options:").strip("\n") + "\n" + _WRITING.strip("\n")
    return f"options:\n  ledger:\n    suboptions:\n{indent(listed, '    ')}{mark}{requirements}\n"


ModuleDocFragment.SUBOPTIONS = _under_ledger(ModuleDocFragment.DOCUMENTATION)
