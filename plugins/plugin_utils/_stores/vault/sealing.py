# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""What every way to seal a copy offers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from ..._core.redaction import Secret
from ..._errors import KeywardError

ANSIBLE_VAULT = "ansible_vault"
AGE = "age"
#: ends of the names of sealed files, by sealing
ENDINGS = {ANSIBLE_VAULT: ".vault.yml", AGE: ".age"}
#: how a sealed file begins, by sealing: Ansible Vault's header (its user guide, "Format of files encrypted with Ansible Vault"); age's
#: armour, which is PEM (age-encryption.org/v1, "ASCII armor"), and its plain form
BEGINNINGS = {ANSIBLE_VAULT: (b"$ANSIBLE_VAULT;",), AGE: (b"-----BEGIN AGE ENCRYPTED FILE-----", b"age-encryption.org/v1")}


class SealError(KeywardError):
    """A copy could not be sealed or opened."""


class NoOpenerError(SealError):
    """Nothing was given that could open a copy; a job that only writes has nothing."""


class Sealer(Protocol):
    """One way to seal texts. ``name`` is a key of :data:`ENDINGS`."""

    name: str

    @property
    def seals(self) -> bool:
        """Whether it has what is needed to seal."""

    @property
    def opens(self) -> bool:
        """Whether it has what is needed to open, at least as far as can be told without trying."""

    @property
    def sealed_for(self) -> str:
        """For whom it seals now, in a form that may be shown: a vault ID, or the recipients."""

    def seal(self, text: Secret[str]) -> bytes:
        """The text, sealed. SealError: it cannot be."""

    def open(self, sealed: bytes, where: str) -> Secret[str]:
        """What was sealed; ``where`` names the file. SealError: it cannot be opened, and why."""

    def opens_with_current(self, sealed: bytes, where: str) -> bool | None:
        """Whether what :meth:`seal` uses now opens this; None where that cannot be told."""


def sealing_of(data: bytes) -> str | None:
    """The sealing that a file's content shows, None where it is none of ours."""
    return next((name for name, beginnings in BEGINNINGS.items() if data.startswith(beginnings)), None)


def sealer_for(sealers: Sequence[Sealer], data: bytes, where: str) -> Sealer:
    """The one that may open this file.

    Raises:
        SealError: it is no sealed file, or nothing is given that could open it.
    """
    name = sealing_of(data)
    if name is None:
        raise SealError(
            "open a copy",
            target=where,
            meaning="it is sealed in no way that this collection knows",
            remedy="Take the file from a backup, or remove it and copy the keys again.",
        )
    for sealer in sealers:
        if sealer.name == name and sealer.opens:
            return sealer
    needed = "identity_file, with the private key," if name == AGE else "vault_password_file, or Ansible a vault password (--vault-id),"
    raise SealError(
        "open a copy", target=where, meaning="nothing was given that opens it", remedy=f"Give the option {needed} and try again."
    )
