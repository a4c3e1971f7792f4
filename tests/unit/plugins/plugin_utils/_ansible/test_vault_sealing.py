# SPDX-License-Identifier: GPL-3.0-or-later
"""The two sealings of the second copy: where passwords come from, and that damaged or hostile files are refused in one way only."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest
from ansible.parsing.dataloader import DataLoader
from ansible.parsing.vault import VaultSecret
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._ansible.run_identity import run_identity
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._ansible.vault_sealing import sealers_of, vault_source
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.redaction import Secret
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._errors import OptionError
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._stores.vault.sealing import Sealer, SealError, sealer_for
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._stores.vault.settings import VaultSettings
from ansible_collections.keyward.bitlocker.tests.unit.plugins.plugin_utils._stores.vault.copies import Keys, vault
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

TEXT = Secret('{"keyward_vault": 1}\n')
FUZZED = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def loader_with(**passwords: bytes) -> DataLoader:
    """A loader as ansible-playbook makes it from --vault-id."""
    made: Any = DataLoader()
    made.set_vault_secrets([(vault_id, VaultSecret(password)) for vault_id, password in passwords.items()])
    return cast(DataLoader, made)


@pytest.fixture
def loader() -> DataLoader:
    return loader_with(default=b"first", bitlocker=b"second")


@pytest.fixture(params=["ansible_vault", "age"])
def sealer(request: pytest.FixtureRequest, tmp_path: Path) -> Sealer:
    keys = Keys(tmp_path)
    keys.pair("one")
    return vault("new") if request.param == "ansible_vault" else keys.sealer("one", opens="one")


class TestSecrets:
    def test_ansibles_own_passwords_are_used_by_their_name(self, loader: DataLoader) -> None:
        sealed = sealers_of(VaultSettings(path=Path("/x"), vault_id="bitlocker"), loader)[0].seal(TEXT)
        assert sealed.startswith(b"$ANSIBLE_VAULT;1.2;AES256;bitlocker\n")
        only = loader_with(other=b"second")
        assert sealers_of(VaultSettings(path=Path("/x")), only)[0].open(sealed, "x") == TEXT

    def test_the_default_has_no_label(self, loader: DataLoader) -> None:
        sealer = sealers_of(VaultSettings(path=Path("/x")), loader)[0]
        sealed = sealer.seal(TEXT)
        assert sealed.startswith(b"$ANSIBLE_VAULT;1.1;AES256\n")
        assert sealer.opens_with_current(sealed, "x") is True

    def test_a_password_file_goes_before_ansibles_passwords(self, loader: DataLoader, tmp_path: Path) -> None:
        (tmp_path / "password").write_text("third\n")
        chosen = VaultSettings(path=Path("/x"), vault_id="bitlocker", vault_password_file=str(tmp_path / "password"))
        sealed = sealers_of(chosen, loader)[0].seal(TEXT)
        with pytest.raises(SealError, match="none of the vault passwords"):
            sealers_of(VaultSettings(path=Path("/x")), loader)[0].open(sealed, "x")

    def test_a_new_password_under_the_same_name_seals_and_the_old_one_still_opens(self, loader: DataLoader, tmp_path: Path) -> None:
        (tmp_path / "password").write_text("third\n")
        before = sealers_of(VaultSettings(path=Path("/x"), vault_id="bitlocker"), loader)[0].seal(TEXT)
        chosen = VaultSettings(path=Path("/x"), vault_id="bitlocker", vault_password_file=str(tmp_path / "password"))
        both = sealers_of(chosen, loader)[0]
        assert both.open(before, "x") == TEXT
        assert both.opens_with_current(before, "x") is False
        assert both.opens_with_current(both.seal(TEXT), "x") is True

    def test_a_script_may_print_the_password(self, loader: DataLoader, tmp_path: Path) -> None:
        script = tmp_path / "password.sh"
        script.write_text("#!/bin/sh\necho first\n")
        script.chmod(0o700)
        chosen = VaultSettings(path=Path("/x"), vault_password_file=str(script))
        ours = sealers_of(VaultSettings(path=Path("/x")), loader)[0]
        assert ours.open(sealers_of(chosen, DataLoader())[0].seal(TEXT), "x") == TEXT

    @pytest.mark.parametrize("content", [None, ""])
    def test_a_password_file_without_a_password_is_refused(self, loader: DataLoader, tmp_path: Path, content: str | None) -> None:
        if content is not None:
            (tmp_path / "password").write_text(content)
        with pytest.raises(OptionError, match="vault_password_file"):
            sealers_of(VaultSettings(path=Path("/x"), vault_password_file=str(tmp_path / "password")), loader)

    def test_without_any_password_it_neither_seals_nor_opens(self) -> None:
        sealer = sealers_of(VaultSettings(path=Path("/x")), DataLoader())[0]
        assert (sealer.seals, sealer.opens) == (False, False)
        with pytest.raises(SealError, match="no password of this vault ID"):
            sealer.seal(TEXT)
        with pytest.raises(SealError, match="--vault-id"):
            sealer_for([sealer], vault("new").seal(TEXT), "x")

    def test_a_password_of_another_id_does_not_seal(self, loader: DataLoader) -> None:
        assert not sealers_of(VaultSettings(path=Path("/x"), vault_id="nobody"), loader)[0].seals


class TestSettings:
    @pytest.mark.parametrize(
        ("options", "told"),
        [
            ({"path": ""}, "path"),
            ({"path": "/x\0y"}, "path"),
            ({"path": "/x", "vault_id": "a;b"}, "vault_id"),
            ({"path": "/x", "vault_id": "a\nb"}, "vault_id"),
            ({"path": "/x", "sealing": "age"}, "recipients"),
            ({"path": "/x", "sealing": "ansible_vault", "recipients": ["age1x"]}, "recipients"),
            ({"path": "/x", "recipients": ["age1x"] * 65}, "recipients"),
        ],
    )
    def test_what_cannot_be_used_is_refused_by_name(self, options: dict[str, object], told: str) -> None:
        with pytest.raises(OptionError, match=f"option {told}"):
            VaultSettings.from_options(options)

    def test_recipients_choose_the_sealing(self) -> None:
        assert VaultSettings.from_options({"path": "/x", "recipients": ["age1x"]}).sealing == "age"
        assert VaultSettings.from_options({"path": "/x"}).sealing is None

    def test_a_reader_needs_no_more_than_a_path(self, tmp_path: Path) -> None:
        assert vault_source({"path": str(tmp_path)}, DataLoader()).find([]).problems == ()


BEGINNINGS = (b"", b"$ANSIBLE_VAULT;1.1;AES256\n", b"age-encryption.org/v1\n-> X25519 ", b"-----BEGIN AGE ENCRYPTED FILE-----\n")


class TestHostileFiles:
    @FUZZED
    @given(st.sampled_from(BEGINNINGS), st.binary(max_size=300))
    def test_any_bytes_are_refused(self, sealer: Sealer, beginning: bytes, data: bytes) -> None:
        with pytest.raises(SealError):
            sealer.open(beginning + data, "x")

    def test_whatever_is_changed_in_a_sealed_file_it_is_refused_or_the_same(self, sealer: Sealer) -> None:
        # sealed once: what is drawn must not hang on how long it happens to be
        sealed = sealer.seal(TEXT)

        @FUZZED
        @given(st.floats(0, 1, exclude_max=True), st.integers(0, 3), st.binary(max_size=3))
        def changed(where: float, cut: int, put: bytes) -> None:
            place = int(where * len(sealed))
            data = sealed[:place] + put + sealed[place + cut :]
            try:
                found = sealer.open(data, "x")
            except SealError:
                return
            assert found == TEXT

        changed()

    def test_what_is_sealed_but_no_text_is_refused(self, tmp_path: Path) -> None:
        keys = Keys(tmp_path)
        pyrage = pytest.importorskip("pyrage", reason="needs pyrage, which requirements-dev.txt names")
        sealed = pyrage.encrypt(b"\xff\xfe", [pyrage.x25519.Recipient.from_str(keys.pair("one"))], armored=True)
        with pytest.raises(SealError, match="not text"):
            keys.sealer("one", opens="one").open(sealed, "x")


class TestRun:
    def test_one_process_is_one_run(self) -> None:
        assert run_identity() == run_identity()
        assert len(run_identity()) == 16

    def test_where_the_system_tells_nothing_each_task_is_its_own(self, tmp_path: Path) -> None:
        assert run_identity(tmp_path / "one") != run_identity(tmp_path / "two")
