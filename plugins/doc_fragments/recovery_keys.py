# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options of everything that looks for a recovery key: where, how far, and how to choose.

Their counterpart in code is ``plugin_utils/_ansible/key_sources.py``.
"""

from __future__ import annotations


class ModuleDocFragment:
    """Where keys are looked for; the suboptions of each source have a fragment of their own."""

    DOCUMENTATION = r"""
options:
  sources:
    description:
      - Where to look, in this order.
      - V(host) is the computer itself, where a term is a host of the inventory. It is reached by its connection variables, and tells which
        of its keys are in use now.
      - V(ad), V(entra), V(file) and V(vault) need the option of that name. V(ad) and V(entra) can do with the environment alone.
      - Defaults to those that have their option.
    type: list
    elements: str
    choices: [host, ad, entra, file, vault]
  search:
    description:
      - Whether all sources are searched (V(all)), or each one only for what those before it do not have (V(first)).
      - With V(all) a key that several sources have is read from each of them, and is not handed out if they do not agree. A source that is
        down is a warning as long as another one has the key.
      - V(first) asks less, and leaves less in the audit log of Entra ID.
    type: str
    choices: [all, first]
    default: all
  match:
    description:
      - What to do where several keys fit.
      - V(single) is an error that lists them, by key ID, owner, date and source.
      - V(newest) takes the one that a directory got last. Dates in names or files count only where no directory says one. It is an error
        where the keys lie under more than one owner, or were asked for by their IDs.
      - V(all) takes every one.
      - With V(single) and V(newest) a key that the computer itself lists goes before those that it does not, and a key whose owner is
        deleted comes last. That does not hold for terms that are key IDs.
    type: str
    choices: [single, newest, all]
    default: single
  ad:
    description:
      - How to reach Active Directory.
      - Leave O(ad.password) out, and give it in the environment.
    type: dict
  entra:
    description:
      - How to reach Entra ID. The application needs the permissions C(BitlockerKey.Read.All) and C(Device.Read.All). For metadata alone
        C(BitlockerKey.ReadBasic.All) is enough in the place of the first.
      - Leave O(entra.secret) out, and give it in the environment.
    type: dict
  vault:
    description:
      - Where the second copy lies, which M(keyward.bitlocker.vault_copy) writes.
    type: dict
"""
