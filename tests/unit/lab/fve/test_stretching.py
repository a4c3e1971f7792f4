# SPDX-License-Identifier: GPL-3.0-or-later
"""Stretched keys are made once, by processes of their own, and found again."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.key_proof.unsealing import recovery_password_key
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.recovery_password import to_binary
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.redaction import Secret
from ansible_collections.keyward.bitlocker.tests.lab.fve import sealing
from ansible_collections.keyward.bitlocker.tests.lab.fve.stretching import Stretcher
from ansible_collections.keyward.bitlocker.tests.unit.lab.fve.written import PASSWORD, stretched

SALT = bytes(range(16))


def test_the_labs_stretch_and_the_products_agree() -> None:
    assert recovery_password_key(to_binary(Secret(PASSWORD)), SALT) == Secret(stretched(PASSWORD, SALT))
    assert sealing.password_text(sealing.password_bytes(PASSWORD)) == PASSWORD


def test_once_made_whoever_asks(tmp_path: Path) -> None:
    cache = tmp_path / "cache" / "keys"
    stretcher = Stretcher(cache, workers=1)
    try:
        answers: list[bytes] = []
        threads = [threading.Thread(target=lambda: answers.append(stretcher(PASSWORD, SALT))) for _unused in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert answers == [stretched(PASSWORD, SALT)] * 4
        assert len(cache.read_text(encoding="ascii").split("\n\n")) == 1
        assert cache.stat().st_mode & 0o777 == 0o600
    finally:
        stretcher.close()


def test_a_key_that_was_made_costs_no_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = tmp_path / "keys"
    first = Stretcher(cache)
    monkeypatch.setattr(first, "_make", stretched)
    first(PASSWORD, SALT)
    # a line that a killed lab did not finish
    cache.write_text(cache.read_text(encoding="ascii") + "\nabc 12", encoding="ascii")
    second = Stretcher(cache)
    monkeypatch.setattr(second, "_make", lambda *_unused: pytest.fail("made again"))
    assert second(PASSWORD, SALT) == stretched(PASSWORD, SALT)


def test_what_another_process_made_meanwhile_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = tmp_path / "keys"
    first, second = Stretcher(cache), Stretcher(cache)
    monkeypatch.setattr(first, "_make", lambda _password, salt: salt * 2)
    monkeypatch.setattr(second, "_make", lambda *_unused: pytest.fail("made again"))
    for number in range(5):
        salt = bytes([number]) * 16
        assert first(PASSWORD, salt) == second(PASSWORD, salt) == salt * 2
    # half a line, as somebody else is about to write it
    with cache.open("a", encoding="ascii") as stream:
        stream.write("\n" + "0" * 64 + " ")
    monkeypatch.setattr(second, "_make", lambda _password, salt: salt[::-1] * 2)
    assert second(PASSWORD, SALT) == SALT[::-1] * 2
    assert first(PASSWORD, SALT) == SALT[::-1] * 2


def test_what_fails_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    stretcher = Stretcher()

    def broken(_password: str, _salt: bytes) -> bytes:
        raise RuntimeError("a worker has ended")

    monkeypatch.setattr(stretcher, "_make", broken)
    with pytest.raises(RuntimeError):
        stretcher(PASSWORD, SALT)
    monkeypatch.setattr(stretcher, "_make", stretched)
    assert stretcher(PASSWORD, SALT) == stretched(PASSWORD, SALT)
