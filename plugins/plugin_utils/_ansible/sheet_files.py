# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""The files of a recovery sheet: where they go, how they are sealed, and what is refused because others could read it."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from ansible.parsing.dataloader import DataLoader

from .._core.redaction import Secret
from .._errors import OptionError
from .._report import sheet_html, sheet_pdf
from .._report.sheet import Sheet
from .._stores.vault.settings import VaultSettings
from .files import write_atomically
from .vault_sealing import sealers_of

FORMATS = ("html", "pdf")
#: ends of the names of sealed files: what is left without them is the name of what comes out
_ENDINGS = {"age": ".age", "ansible_vault": ".vault"}
_NAME = re.compile(r"\w[\w.-]{0,150}")
_OTHERS = 0o007
MODE = 0o600


class DocumentSealer(Protocol):
    """One of the sealings of the second copy."""

    name: str

    @property
    def seals(self) -> bool:
        """Whether it has what is needed to seal."""

    @property
    def sealed_for(self) -> str:
        """For whom it seals."""

    def seal_document(self, document: Secret[bytes]) -> bytes:
        """The document, sealed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SheetFiles:
    """Where a sheet goes. ``sealer`` None: in the open."""

    folder: Path
    name: str
    formats: tuple[str, ...]
    sealer: DocumentSealer | None

    @classmethod
    def from_options(cls, params: Mapping[str, Any], loader: DataLoader) -> SheetFiles:
        """From the options of recovery_sheet.

        Raises:
            OptionError: one cannot be used, or there is nothing to seal with.
        """
        if not _NAME.fullmatch(params["name"]):
            raise _refused("name", "it is no name of a file, or has more than letters, digits, dots, hyphens and underscores")
        folder = Path(os.path.abspath(os.path.expanduser(params["dest"])))
        formats = tuple(name for name in FORMATS if name in params["formats"])
        if not formats:
            raise _refused("formats", "there is none")
        sealer = _sealer(params, folder, loader) if params["sealed"] else None
        found = cls(folder=folder, name=params["name"], formats=formats, sealer=sealer)
        if sealer is None:
            found._refuse_open_folder()
        return found

    @property
    def paths(self) -> dict[str, Path]:
        """The files, by format."""
        ending = _ENDINGS[self.sealer.name] if self.sealer else ""
        return {name: self.folder / f"{self.name}.{name}{ending}" for name in self.formats}

    @property
    def all_there(self) -> bool:
        """Whether every file is there already."""
        return all(path.is_file() for path in self.paths.values())

    def write(self, sheet: Sheet) -> None:
        """Make the documents and put them into their places, each whole or not at all; only their owner can read them.

        Raises:
            OptionError, SealError: one cannot be sealed or written.
        """
        style = (Path(sheet_html.__file__).with_name("assets") / sheet_html.STYLE).read_text(encoding="utf-8")
        contents = {name: self._content(_document(name, sheet, style)) for name in self.formats}
        _make_private(self.folder)
        if self.sealer is None:
            # it may have been made, or changed, since it was looked at
            self._refuse_open_folder()
        for name, path in self.paths.items():
            write_atomically(path, contents[name], mode=MODE)

    def _content(self, document: Secret[bytes]) -> bytes:
        """What goes to the disk: sealed, or in the open where ``sealed: false`` says so."""
        return document.reveal() if self.sealer is None else self.sealer.seal_document(document)

    def _refuse_open_folder(self) -> None:
        try:
            facts = self.folder.stat()
        except OSError:
            return  # it will be made, for its owner alone, or fail with a reason
        if facts.st_mode & _OTHERS:
            raise _refused("dest", f"everybody can look into {self.folder}, and the sheet is not to be sealed")


def _document(name: str, sheet: Sheet, style: str) -> Secret[bytes]:
    return sheet_pdf.render(sheet) if name == "pdf" else sheet_html.render(sheet, style)


def _make_private(folder: Path) -> None:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except (OSError, ValueError):
        return  # whoever writes there says why


def _sealer(params: Mapping[str, Any], folder: Path, loader: DataLoader) -> DocumentSealer:
    recipients: Sequence[str] = params["recipients"] or ()
    settings = VaultSettings(
        path=folder,
        vault_id=params["vault_id"] or "default",
        vault_password_file=params["vault_password_file"],
        recipients=tuple(text.strip() for text in recipients if text.strip()),
    )
    ansible_vault, age = sealers_of(settings, loader)
    if recipients:
        age.check()
        return age
    if not ansible_vault.seals:
        raise OptionError(
            "seal the recovery sheet",
            target=f"vault ID {settings.vault_id}",
            meaning="there are no recipients, and Ansible has no password of this vault ID",
            remedy="Give the option recipients, run the playbook with --vault-id, or say sealed: false.",
        )
    return ansible_vault


def _refused(option: str, meaning: str) -> OptionError:
    return OptionError(
        "write the recovery sheet",
        target=f"option {option}",
        meaning=meaning,
        remedy="Seal it, or give a folder of its own with mode 0700." if option == "dest" else "Give another one.",
    )
