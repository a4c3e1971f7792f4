# SPDX-License-Identifier: GPL-3.0-or-later
"""Made-up computers with keys, both sealings with secrets of their own, and a look at a whole copy, for the tests of this folder."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ansible.parsing.vault import VaultSecret
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._ansible.vault_sealing import AnsibleVaultSealer
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.key_search import parse_term
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.recovery_password import from_binary
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.redaction import Secret
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.vault_record import KeyCopy, Machine, Origin, key_copy
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._stores.vault.age import AgeSealer
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._stores.vault.sealing import Sealer
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._stores.vault.settings import VaultSettings
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._stores.vault.source import VaultSource
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._stores.vault.writable import WritableFolder
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._stores.vault.writer import VaultWriter

PYRAGE: Any = importlib.import_module("pyrage")
T0 = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)


def guid(number: int) -> str:
    return f"{number:08x}-1111-4222-8333-444444444444"


def password(number: int) -> str:
    return from_binary(Secret(number.to_bytes(16, "little"))).reveal()


def machine(number: int, **more: Any) -> Machine:
    return Machine(names=(f"pc{number:02}.lab.example", f"pc{number:02}"), ad_guid=guid(0xAD0000 + number), **more)


def key(number: int, *, value: int | None = None, source: str = "ad", created: datetime | None = T0) -> KeyCopy:
    origin = Origin(source=source, owner=f"PC{number}", owner_id=f"{source}-{number}", location="x", created=created, copied_at=T0)
    return key_copy(guid(number), Secret(password(number if value is None else value)), origin, volume="C:")


def vault(*passwords: str, vault_id: str = "new") -> AnsibleVaultSealer:
    """Ansible Vault with these passwords, each of the vault ID of its own name; sealing with ``vault_id``."""
    return AnsibleVaultSealer([(text, VaultSecret(f"{text} password".encode())) for text in passwords], vault_id)


class Keys:
    """Key pairs of age in a folder, by name."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.public: dict[str, str] = {}

    def pair(self, name: str) -> str:
        """The public key of this name, made where there is none."""
        if name not in self.public:
            identity = PYRAGE.x25519.Identity.generate()
            self.public[name] = str(identity.to_public())
            self.file(name).write_text(f"# made for a test\n{identity}\n", encoding="ascii")
        return self.public[name]

    def file(self, name: str) -> Path:
        return self.folder / f"{name}.key"

    def sealer(self, *names: str, opens: str = "") -> AgeSealer:
        return AgeSealer(recipients=[self.pair(name) for name in names], identity_file=self.file(opens) if opens else None)


def writer(folder: Path, sealer: Sealer, *others: Sealer, run: str = "run 1") -> VaultWriter:
    folder_of = WritableFolder(folder, lock_seconds=5)
    folder_of.prepare()
    made = VaultWriter(folder_of, sealer, (sealer, *others), run=run)
    with folder_of.locked():
        made.catalogue.refresh()
    return made


def source(folder: Path, *sealers: Sealer) -> VaultSource:
    return VaultSource(VaultSettings(path=folder), sealers)


def everything(folder: Path, sealers: Sequence[Sealer], numbers: Sequence[int]) -> set[tuple[str, str]]:
    """Key IDs and values that a reader with these sealers gets of these key numbers; a problem with any value fails."""
    reader = source(folder, *sealers)
    terms = [parse_term(f"key_id:{guid(number)}") for number in numbers]
    found = [candidate for candidates in reader.find(terms).found.values() for candidate in candidates]
    values = list(reader.values(found))
    reader.close()
    assert [item.problem for item in values if item.problem] == []
    return {(item.candidate.key_id, item.value.reveal()) for item in values if item.value is not None}


def pairs(*numbers: int) -> set[tuple[str, str]]:
    return {(guid(number), password(number)) for number in numbers}
