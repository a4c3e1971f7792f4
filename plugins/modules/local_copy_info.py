#!/usr/bin/python
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the action plugin of the same name; the argument spec is derived from it."""

from __future__ import annotations

DOCUMENTATION = r"""
module: local_copy_info
short_description: Find copies of BitLocker recovery keys on the computer itself
version_added: 0.1.0
description:
  - Looks for saved recovery passwords (C(BitLocker Recovery Key <ID>.TXT), in any language) and external keys (C(<ID>.BEK)) in the root of
    every volume and in the usual folders of every user's profile.
  - The name of such a file holds the ID of the protector. So each file is held against the protectors that the computer has now. A file
    whose key opens a volume today is told from an old one, and a key that lies on the very volume it unlocks is told from one beside it.
  - No file is opened, and none is removed. The result holds names and key IDs.
  - The search is bounded. What was searched and what was not is in the result, with the reason.
author:
  - The keyward.bitlocker developers (@keyward)
options:
  profiles:
    description:
      - Search the profiles of all users and the public one. These are the profile's own folder, C(Desktop), C(Documents), C(Downloads), and
        every C(OneDrive) folder with its C(Desktop) and C(Documents).
    type: bool
    default: true
  folders:
    description:
      - Further folders to search, with their drive, such as C(D:\Backup\Keys). Wildcards are not understood, and folders below are not
        searched.
    type: list
    elements: str
    default: []
  timeout:
    description:
      - For how many seconds folders are searched at most. A question that is being answered then is waited for.
    type: int
    default: 120
  max_files:
    description:
      - How many files are listed at most.
    type: int
    default: 1000
extends_documentation_fragment:
  - keyward.bitlocker.attributes.windows_info
notes:
  - It asks one question to list each profile and two a folder. A computer with five profiles takes about sixty questions.
  - Windows shows files of local fixed disks only, not those of removable drives and network shares.
  - The account needs to be an administrator of the host, to see the folders of all users.
seealso:
  - module: keyward.bitlocker.volume_info
  - module: keyward.bitlocker.escrow_report
"""

EXAMPLES = r"""
- name: Look for recovery keys that lie on the computers themselves
  keyward.bitlocker.local_copy_info:
  register: copies

- name: List those that open a volume today
  ansible.builtin.debug:
    msg: "{{ copies.files | selectattr('current', 'equalto', true) | map(attribute='path') }}"

- name: Search two folders and no profile
  keyward.bitlocker.local_copy_info:
    profiles: false
    folders:
      - D:\Backup\Keys
      - C:\IT
"""

RETURN = r"""
files:
  description: The files, by their path.
  returned: success
  type: list
  elements: dict
  contains:
    path:
      description: The whole path as Windows gives it, in lower case.
      type: str
    kind:
      description: V(recovery_text) for a text file with a GUID in its name, V(external_key) for a C(.BEK) file.
      type: str
    key_id:
      description: The protector's ID in the name, in lower case. V(null) for a C(.BEK) file that somebody renamed.
      type: str
    size:
      description: Bytes.
      type: int
    modified:
      description: When it was last written, in UTC.
      type: str
    hidden:
      description: Whether it is hidden, as Windows hides C(.BEK) files.
      type: bool
    current:
      description:
        - Whether a volume of this computer has a protector with that ID now. V(null) where that is not known, because there is no ID or
          because not every protector could be read.
      type: bool
    unlocks:
      description: The volumes that have it.
      type: list
      elements: str
    protector_type:
      description: The type of that protector, V(null) where there is none.
      type: str
    on_volume:
      description: The drive that the file lies on.
      type: str
    on_volume_it_unlocks:
      description: Whether the file lies on a volume that its key opens. V(null) where RV(files[].current) is.
      type: bool
summary:
  description: How many there are.
  returned: success
  type: dict
  contains:
    files:
      description: All of them.
      type: int
    current:
      description: Those whose key opens a volume of this computer now.
      type: int
    unknown:
      description: Those of which that is not known.
      type: int
    on_volume_it_unlocks:
      description: Those that lie on a volume that their key opens.
      type: int
searched:
  description: The folders that were searched, each for both kinds of files. One that does not exist is searched and empty.
  returned: success
  type: list
  elements: str
not_searched:
  description: What was not searched, or not to the end. An empty list says that nothing within RV(limits) was left out.
  returned: success
  type: list
  elements: dict
  contains:
    path:
      description: A folder, a volume, or a list of folders.
      type: str
    reason:
      description: Why.
      type: str
limits:
  description: What no search of this kind can see, as sentences.
  returned: success
  type: list
  elements: str
reason:
  description: Why the host could not be observed. One of V(unreachable), V(authentication), V(authorization), V(tls), V(protocol).
  returned: when it could not
  type: str
"""
