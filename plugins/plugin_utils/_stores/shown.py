# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""What of an option's value may stand in an error; pure."""

from __future__ import annotations

#: no file system has longer names
_LONGEST_NAME = 255


def path_shown(given: str) -> str:
    """A path as it was given. What is none, since somebody gave the content in its place (a key in PEM, a token), is not repeated."""
    is_content = "-----BEGIN" in given or given.lstrip().startswith("eyJ") or any(character in given for character in "\n\r\0")
    if is_content or any(len(name) > _LONGEST_NAME for name in given.split("/")):
        return "a text that is no path"
    return given
