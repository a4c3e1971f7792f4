# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The option C(file) of everything that looks for keys in files.

Its counterpart in code is ``plugin_utils/_stores/files/settings.py``.
"""

from __future__ import annotations


class ModuleDocFragment:
    """Where files with keys lie, and how much of them is read."""

    DOCUMENTATION = r"""
options:
  file:
    description:
      - Files of the controller that hold recovery keys, recognised by their content in any language.
        Text files as Windows saves them and as scripts write them, printouts as PDF or text, exports as CSV,
        the page with recovery keys of a Microsoft account as HTML, PDF or text, and external keys (C(.BEK)), which are listed.
      - Nothing in a file is put right or guessed. What is damaged or cannot be told apart is named and not used.
    type: dict
    suboptions:
      paths:
        description:
          - Files, and folders that are searched with all that is below them. A share or a USB drive is named by where it is mounted.
          - Links below a folder are not followed, and nothing but regular files is opened. Archives are not unpacked.
        type: list
        elements: path
        required: true
      columns:
        description:
          - Which columns of an exported table hold what, by the text of the header or by number from 1.
            The keys are V(key_id) and V(recovery_password), both needed, and V(computer), V(serial), V(volume), V(volume_guid)
            and V(created).
          - Without it columns are recognised where that is clear, by content or by the names that Windows and the directories give them.
          - A table that lacks one of the named columns is read as if nothing had been named.
          - V(created) counts only where it is a time with its zone, as in V(2026-05-04T10:11:12Z).
        type: dict
      max_files:
        description: How many files are read at most. A search that ends there is reported as partial.
        type: int
        default: 10000
      max_file_mb:
        description: Files larger than this many megabytes are not read.
        type: int
        default: 16
      max_depth:
        description: How far below a folder files are looked for. With V(0) in the folder alone.
        type: int
        default: 8
      max_pages:
        description: A PDF with more pages is not read.
        type: int
        default: 200
      timeout:
        description: Seconds for the reading of all files together. A search that ends there is reported as partial.
        type: int
        default: 120
requirements:
  - pypdf 6.9.2 or newer, to read PDF files
"""
