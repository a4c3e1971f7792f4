# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""Sealed to public keys, in the format age-encryption.org/v1 with its armour, by pyrage: who writes needs nothing that opens it.

Anybody can seal to a public key, so the sealing says nothing about who wrote a file: the folder's permissions have to.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ..._core.redaction import Secret
from ..._errors import KeywardError, OptionError
from .folder import read_file
from .sealing import AGE, SealError

MAX_IDENTITIES = 65536
_SSH = ("ssh-ed25519 ", "ssh-rsa ")
_SSH_KEY = "-----BEGIN"


def _pyrage() -> Any:
    """The library, which only who uses this sealing needs."""
    import pyrage

    return pyrage


class AgeSealer:
    """Seals to ``recipients``, and opens with the keys of ``identity_file`` where one is given."""

    name = AGE

    def __init__(self, *, recipients: Sequence[str] = (), identity_file: Path | None = None) -> None:
        self._texts = tuple(recipients)
        self._recipients: list[Any] | None = None
        self._identity_file = identity_file
        self._identities: list[Any] | None = None

    @property
    def seals(self) -> bool:
        """There is somebody to seal to."""
        return bool(self._texts)

    @property
    def opens(self) -> bool:
        """A file of private keys was given."""
        return self._identity_file is not None

    @property
    def sealed_for(self) -> str:
        """A digest of the recipients, in any order."""
        keys = "\n".join(sorted(" ".join(text.split()[:2]) for text in self._texts))
        return f"{len(self._texts)} public keys, sha256:{hashlib.sha256(keys.encode()).hexdigest()[:16]}"

    def check(self) -> None:
        """Read the recipients.

        Raises:
            OptionError: one of them is no public key.
        """
        if self._recipients is None:
            self._recipients = [_recipient(text, number) for number, text in enumerate(self._texts, start=1)]

    def seal(self, text: Secret[str]) -> bytes:
        """The text, sealed to every recipient."""
        return self.seal_document(Secret(text.reveal().encode("utf-8")))

    def seal_document(self, document: Secret[bytes]) -> bytes:
        """As :meth:`seal`, what need not be text."""
        self.check()
        try:
            sealed: bytes = _pyrage().encrypt(document.reveal(), self._recipients, armored=True)
        except _pyrage().EncryptError as error:
            raise SealError("seal a copy", meaning="pyrage refuses the public keys", remedy="Check the option recipients.") from error
        return sealed

    def open(self, sealed: bytes, where: str) -> Secret[str]:
        """What was sealed."""
        opened = _quietly(lambda: _pyrage().decrypt(sealed, self._keys()))
        if opened is None:
            raise SealError(
                "open a copy",
                target=where,
                meaning="none of the private keys opens it, or it is damaged",
                remedy="Give in identity_file the private key of one of those whom it was sealed to.",
            )
        try:
            return Secret(opened.decode("utf-8"))
        except UnicodeDecodeError:
            raise SealError("open a copy", target=where, meaning="what it holds is not text") from None

    def opens_with_current(self, sealed: bytes, where: str) -> bool | None:
        """An age file does not say whom it is sealed to."""
        return None

    def _keys(self) -> list[Any]:
        if self._identities is None:
            if self._identity_file is None:
                raise SealError("open a copy", meaning="there is no identity_file")
            self._identities = _identities(self._identity_file)
        return self._identities


def _quietly(work: Callable[[], bytes]) -> bytes | None:
    """What a library in Rust returns, None where it fails in any way: a panic there is no Exception here."""
    try:
        return work()
    except KeywardError:
        raise
    except Exception:  # noqa: BLE001 (whatever the library raises, its text is about foreign bytes)
        return None
    except BaseException as error:
        if type(error).__name__ == "PanicException":
            return None
        raise


def _recipient(text: str, number: int) -> Any:
    try:
        return _pyrage().ssh.Recipient.from_str(text) if text.startswith(_SSH) else _pyrage().x25519.Recipient.from_str(text)
    except _pyrage().RecipientError as error:
        private = text.upper().startswith("AGE-SECRET-KEY")
        raise OptionError(
            "seal the second copy",
            target="option recipients",
            meaning=f"number {number} is {'a private key, which must not be here' if private else 'no public key'}",
            remedy="Give public keys as age-keygen prints them (age1…), or lines of ssh-ed25519 or ssh-rsa keys.",
        ) from error


def _identities(path: Path) -> list[Any]:
    """The private keys of a file: lines as age-keygen writes them, or one SSH key without a passphrase."""
    data = Secret(read_file(path, MAX_IDENTITIES))
    found = _quietly_parsed(data)
    if not found:
        raise OptionError(
            "open the second copy",
            target=f"option identity_file, {path}",
            meaning="it holds no private key of age, or one that asks for a passphrase",
            remedy="Give the file that age-keygen wrote, or an SSH key of Ed25519 or RSA without a passphrase.",
        )
    return found


def _quietly_parsed(data: Secret[bytes]) -> list[Any]:
    try:
        content = data.reveal()
        if content.lstrip().startswith(_SSH_KEY.encode()):
            return [_pyrage().ssh.Identity.from_buffer(content)]
        lines = [line.strip() for line in content.decode("ascii").splitlines()]
        return [_pyrage().x25519.Identity.from_str(line) for line in lines if line and not line.startswith("#")]
    except (_pyrage().IdentityError, UnicodeDecodeError):
        return []
