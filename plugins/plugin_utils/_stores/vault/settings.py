# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""The options of the doc fragment ``vault_source`` as one checked value."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..._errors import OptionError
from ..shown import path_shown
from .sealing import AGE, ANSIBLE_VAULT, ENDINGS

DEFAULT_VAULT_ID = "default"
#: recipients of one copy
MAX_RECIPIENTS = 64
_NOT_IN_AN_ID = frozenset(";\n\r\0@,")


@dataclass(frozen=True, slots=True, kw_only=True)
class VaultSettings:
    """Where the second copy is, and what opens and seals it.

    ``vault_id`` is Ansible's name of the password to seal with. ``vault_password_file`` None: the passwords that Ansible was given.
    ``identity_file`` holds age's private keys, ``recipients`` the public ones. ``sealing`` None: only to read. ``persistent``: the folder
    outlives the job, as its owner says.
    """

    path: Path
    vault_id: str = DEFAULT_VAULT_ID
    vault_password_file: str | None = None
    identity_file: Path | None = None
    recipients: tuple[str, ...] = ()
    sealing: str | None = None
    persistent: bool = False

    def __post_init__(self) -> None:
        """Refuse what cannot be used.

        Raises:
            OptionError: it names the option.
        """
        if not self.path.is_absolute() or "\0" in str(self.path):
            raise _refused("path", "it is not an absolute path", "Give the whole path of the copy's folder.")
        if not self.vault_id or len(self.vault_id) > 100 or _NOT_IN_AN_ID & set(self.vault_id):
            raise _refused("vault_id", "it is no vault ID", "Give the name before the @ of --vault-id.")
        if self.sealing not in (None, *ENDINGS):
            raise _refused("sealing", "there is no such sealing", f"Use {' or '.join(ENDINGS)}.")
        if self.sealing == AGE and not self.recipients:
            raise _refused("recipients", "sealing age needs at least one public key", "Give the public keys that age-keygen printed.")
        if self.sealing == ANSIBLE_VAULT and self.recipients:
            raise _refused("recipients", "Ansible Vault has none", "Set sealing to age, or remove the recipients.")
        if len(self.recipients) > MAX_RECIPIENTS:
            raise _refused("recipients", f"there are more than {MAX_RECIPIENTS}", "Give the public keys of those who restore.")

    @classmethod
    def from_options(cls, options: Mapping[str, Any]) -> VaultSettings:
        """From the option ``vault``; what a reader has no option for keeps its default.

        Raises:
            OptionError: an option cannot be used.
        """
        identity = options.get("identity_file")
        return cls(
            path=_absolute("path", options["path"]),
            vault_id=options.get("vault_id") or DEFAULT_VAULT_ID,
            vault_password_file=options.get("vault_password_file"),
            identity_file=None if identity is None else _absolute("identity_file", identity),
            recipients=tuple(text.strip() for text in options.get("recipients") or () if text.strip()),
            sealing=options.get("sealing") or (AGE if options.get("recipients") else None),
            persistent=bool(options.get("persistent")),
        )


def _absolute(name: str, given: str) -> Path:
    if "\0" in given or not given:
        raise _refused(name, "it is no path", "Give the whole path.")
    return Path(os.path.abspath(os.path.expanduser(given)))


def _refused(option: str, meaning: str, remedy: str) -> OptionError:
    return OptionError("use the second copy", target=f"option {path_shown(option)}", meaning=meaning, remedy=remedy)
