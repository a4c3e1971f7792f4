# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""The sealing by Ansible Vault, with the passwords that Ansible was given or those of a file, and the sealers of a copy's options."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ansible.errors import AnsibleError
from ansible.parsing.dataloader import DataLoader
from ansible.parsing.vault import VaultLib, get_file_vault_secret, match_secrets, parse_vaulttext_envelope

from .._core.redaction import Secret
from .._errors import OptionError
from .._stores.vault.age import AgeSealer
from .._stores.vault.sealing import ANSIBLE_VAULT, Sealer, SealError
from .._stores.vault.settings import VaultSettings
from .._stores.vault.source import VaultSource

#: pairs of a vault ID and what Ansible holds its password in
Secrets = Sequence[tuple[str, Any]]


class AnsibleVaultSealer:
    """Seals with the password of one vault ID, and opens with any that there is."""

    name = ANSIBLE_VAULT

    def __init__(self, secrets: Secrets, vault_id: str) -> None:
        self._secrets, self._vault_id = list(secrets), vault_id

    @property
    def seals(self) -> bool:
        """There is a password of the vault ID."""
        return self._own() is not None

    @property
    def opens(self) -> bool:
        """There is any password."""
        return bool(self._secrets)

    @property
    def sealed_for(self) -> str:
        """The vault ID."""
        return self._vault_id

    def _own(self) -> Any:
        return next((secret for _unused, secret in match_secrets(self._secrets, [self._vault_id])), None)

    def seal(self, text: Secret[str]) -> bytes:
        """As ``ansible-vault encrypt --encrypt-vault-id`` does."""
        return self.seal_document(Secret(text.reveal().encode("utf-8")))

    def seal_document(self, document: Secret[bytes]) -> bytes:
        """As :meth:`seal`, what need not be text."""
        secret = self._own()
        if secret is None:
            raise SealError(
                "seal a copy",
                target=f"vault ID {self._vault_id}",
                meaning="Ansible has no password of this vault ID",
                remedy="Run the playbook with --vault-id, or give the option vault_password_file.",
            )
        # a label makes the header 1.2; without one, ansible-vault writes 1.1
        label = None if self._vault_id == "default" else self._vault_id
        try:
            return bytes(VaultLib(self._secrets).encrypt(document.reveal(), secret=secret, vault_id=label))
        except AnsibleError:
            raise SealError("seal a copy", target=f"vault ID {self._vault_id}", meaning="Ansible Vault refuses") from None

    def open(self, sealed: bytes, where: str) -> Secret[str]:
        """As ``ansible-vault view`` does."""
        return self._opened(self._secrets, sealed, where)

    def opens_with_current(self, sealed: bytes, where: str) -> bool | None:
        """Whether the password of the vault ID opens it, and its label says so."""
        secret = self._own()
        if secret is None:
            return False
        try:
            label = parse_vaulttext_envelope(sealed)[3]
            self._opened([(self._vault_id, secret)], sealed, where)
        except (SealError, AnsibleError):
            return False
        return (label or "default") == self._vault_id

    @staticmethod
    def _opened(secrets: Secrets, sealed: bytes, where: str) -> Secret[str]:
        try:
            return Secret(bytes(VaultLib(secrets).decrypt(sealed)).decode("utf-8"))
        except (AnsibleError, ValueError, TypeError, LookupError):  # what it stumbles over when a file is damaged
            raise SealError(
                "open a copy",
                target=where,
                meaning="none of the vault passwords opens it, or it is damaged",
                remedy="Run the playbook with the --vault-id that it was sealed with, or give the option vault_password_file.",
            ) from None


def _secrets_of(settings: VaultSettings, loader: DataLoader) -> Secrets:
    given = list(getattr(getattr(loader, "_vault", None), "secrets", None) or [])
    if settings.vault_password_file is None:
        return given
    try:
        secret = get_file_vault_secret(filename=settings.vault_password_file, vault_id=settings.vault_id, loader=loader)
        secret.load()
    except AnsibleError as error:
        raise OptionError(
            "use the second copy",
            target="option vault_password_file",
            meaning=type(error).__name__ + ": the password could not be read from it",
            remedy="Give a file that holds the password, or a script that prints it.",
        ) from None
    # the first one of a vault ID seals; those that Ansible was given open what was sealed before
    return [(settings.vault_id, secret), *given]


def sealers_of(settings: VaultSettings, loader: DataLoader) -> tuple[AnsibleVaultSealer, AgeSealer]:
    """Both sealings, with whatever the options and the command line gave for them.

    Raises:
        OptionError: an option cannot be used.
    """
    ansible_vault = AnsibleVaultSealer(_secrets_of(settings, loader), settings.vault_id)
    return ansible_vault, AgeSealer(recipients=settings.recipients, identity_file=settings.identity_file)


def libraries_of(options: Mapping[str, Any]) -> Sequence[str]:
    """What must be installed for these options ``vault``, by import name."""
    return ["pyrage"] if options.get("identity_file") or options.get("recipients") else []


def vault_source(options: Mapping[str, Any], loader: DataLoader) -> VaultSource:
    """The second copy as a source of keys, from the option ``vault`` and the loader of the action or lookup.

    Raises:
        OptionError: an option cannot be used.
    """
    settings = VaultSettings.from_options(options)
    sealers: tuple[Sealer, ...] = sealers_of(settings, loader)
    return VaultSource(settings, sealers)
