# SPDX-License-Identifier: GPL-3.0-or-later
"""The stretch in machine code: the same as hashlib's to the last bit, used only where that was seen, and nothing left behind."""

from __future__ import annotations

import ctypes
import importlib
import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._ansible import native_stretch as native
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._ansible import proof_worker
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._ansible.native_stretch import NoNativeStretchError, native_stretch
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.key_proof.proof import Outcome, prove_recovery_password
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.key_proof.unsealing import ROUNDS, Rounds, self_test, stretch
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.redaction import Secret
from ansible_collections.keyward.bitlocker.tests.lab.fve.volumes import FveVolume
from hypothesis import given, settings
from hypothesis import strategies as st

KEY_ID = "0f5c8a52-7c4e-4a0b-9a57-3c1d5e6f7a8b"
RIGHT = "042647-302313-590458-071500-554323-116567-412181-516978"
WRONG = "042647-302313-590458-071500-554323-116567-516978-412181"

importlib_import = importlib.import_module


@pytest.fixture(scope="module")
def rounds() -> Rounds:
    pytest.importorskip("llvmlite", reason="llvmlite is optional; requirements-dev.txt has it")
    return native_stretch()


def forbid(monkeypatch: pytest.MonkeyPatch, **modules: Any) -> None:
    """Importing ``llvmlite.binding`` (here ``llvm``) or ``_hashlib`` gives this, or raises it."""

    def imported(name: str) -> Any:
        given = modules.get({"llvmlite.binding": "llvm", "_hashlib": "hashes"}.get(name, ""))
        if isinstance(given, Exception):
            raise given
        return given if given is not None else importlib_import(name)

    monkeypatch.setattr(native, "importlib", SimpleNamespace(import_module=imported))


@settings(max_examples=60, deadline=None)
@given(st.binary(min_size=32, max_size=32), st.binary(min_size=16, max_size=16), st.integers(0, ROUNDS - 1), st.integers(1, 300))
def test_it_is_hashlib_s_to_the_last_bit(rounds: Any, intermediate: bytes, salt: bytes, start: int, number: int) -> None:
    stop = min(start + number, ROUNDS)
    assert rounds(intermediate, salt, start=start, stop=stop) == stretch(intermediate, salt, start=start, stop=stop)


def test_the_whole_of_it_opens_the_published_example(rounds: Rounds) -> None:
    assert self_test(rounds)
    sample = bytes(range(32)), bytes(range(16, 32))
    assert rounds(*sample) == stretch(*sample)


@pytest.mark.parametrize(("intermediate", "salt"), [(31, 16), (33, 16), (32, 15), (32, 17), (0, 0), (600, 16)])
def test_other_sizes_are_refused_before_anything_is_written(rounds: Rounds, intermediate: int, salt: int) -> None:
    with pytest.raises(ValueError, match="an intermediate key has 32 bytes and a salt 16"):
        rounds(bytes(intermediate), bytes(salt))


def test_its_buffer_is_cleared(rounds: Rounds, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[bytes, bytes]] = []
    memset = ctypes.memset

    def watched(address: int, value: int, size: int) -> None:
        before = ctypes.string_at(address, size)
        memset(address, value, size)
        seen.append((before, ctypes.string_at(address, size)))

    monkeypatch.setattr(ctypes, "memset", watched)
    found: Any = rounds
    assert found(b"s" * 32, b"t" * 16, stop=3) == stretch(b"s" * 32, b"t" * 16, stop=3)
    ((before, after),) = seen
    assert b"s" * 32 + b"t" * 16 in before
    assert after == bytes(512)


def broken_llvm(**answers: Any) -> SimpleNamespace:
    def fine(*_unused: Any, **_named: Any) -> Any:
        return SimpleNamespace(verify=fine, finalize_object=fine, get_function_address=lambda _name: 0, create_target_machine=fine)

    names = ("check_jit_execution", "initialize_native_target", "initialize_native_asmprinter", "parse_assembly", "create_mcjit_compiler")
    return SimpleNamespace(**dict.fromkeys(names, fine) | {"Target": SimpleNamespace(from_default_triple=fine)} | answers)


def failing(error: Exception) -> Any:
    def fail(*_unused: Any, **_named: Any) -> Any:
        raise error

    return fail


@pytest.mark.parametrize(
    ("modules", "reason"),
    [
        ({"llvm": ModuleNotFoundError("No module named 'llvmlite'")}, "llvmlite is not installed"),
        ({"llvm": OSError("libllvmlite.so: cannot open shared object file")}, "llvmlite cannot be loaded"),
        ({"llvm": broken_llvm(check_jit_execution=failing(OSError(13, "SELinux")))}, "this system allows no code"),
        ({"llvm": broken_llvm(parse_assembly=failing(RuntimeError("expected type")))}, "of a version that does not understand it"),
        ({"llvm": SimpleNamespace(check_jit_execution=lambda: None)}, "of a version that does not understand it"),
        ({"llvm": broken_llvm()}, "llvmlite made nothing of it"),
        ({"hashes": ImportError("no _hashlib")}, "libcrypto cannot be called"),
        ({"hashes": SimpleNamespace()}, "libcrypto cannot be called"),
        ({"hashes": SimpleNamespace(__file__="/nowhere.so")}, "libcrypto cannot be called"),
        # a library that has no such function
        ({"hashes": SimpleNamespace(__file__=importlib_import("_ctypes").__file__)}, "libcrypto cannot be called"),
    ],
)
def test_what_is_missing_or_forbidden_is_said_and_hashlib_does_it(
    modules: dict[str, Any], reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    forbid(monkeypatch, **modules)
    with pytest.raises(NoNativeStretchError, match=reason):
        native_stretch()
    assert proof_worker.quickest_rounds()[0] is stretch
    assert reason in proof_worker.quickest_rounds()[1]


def test_a_big_endian_machine_uses_hashlib(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(native, "sys", SimpleNamespace(byteorder="big"))
    with pytest.raises(NoNativeStretchError, match="little-endian"):
        native_stretch()


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("i32 1779033703", "i32 1779033702"),
        ("add i64 %number, 1", "add i64 %number, 2"),
        ("store i64 %number", "store i64 %start"),
        ("ptr %state, ptr %second", "ptr %state, ptr %work"),
        ("store i64 %number, ptr %counter", "store i64 0, ptr %counter"),
    ],
)
def test_code_that_gives_something_else_is_never_used(rounds: Rounds, old: str, new: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert old in native._PROGRAM
    monkeypatch.setattr(native, "_PROGRAM", native._PROGRAM.replace(old, new))
    with pytest.raises(NoNativeStretchError, match="does not give what hashlib gives"):
        native_stretch()


def test_quick_rounds_that_are_wrong_after_all_refute_nothing() -> None:
    volume = FveVolume(seed="quick")
    volume.add_recovery_password(KEY_ID, RIGHT)
    readings = [volume.package(KEY_ID)] * 2

    def wrong(_intermediate: bytes, _salt: bytes) -> bytes:
        return bytes(32)

    proof = prove_recovery_password(Secret(RIGHT), KEY_ID, readings, rounds=wrong)
    assert (proof.outcome, proof.reason) == (Outcome.INCONCLUSIVE, "the cryptography of this machine does not open a known example")


def test_quick_rounds_prove_and_refute(rounds: Rounds) -> None:
    volume = FveVolume(seed="quick")
    volume.add_recovery_password(KEY_ID, RIGHT)
    readings = [volume.package(KEY_ID)] * 2
    assert prove_recovery_password(Secret(RIGHT), KEY_ID, readings, rounds=rounds).outcome is Outcome.PROVEN
    assert prove_recovery_password(Secret(WRONG), KEY_ID, readings, rounds=rounds).outcome is Outcome.REFUTED


def worker(*arguments: str, before: str = "") -> subprocess.CompletedProcess[str]:
    """What a worker says that is given no job; ``before``: done in its process first."""
    tree = Path(native.__file__).parents[6]
    module = proof_worker.__name__.rpartition(".")[0]
    program = f"import sys; {before}sys.path.insert(0, sys.argv[1]); from {module} import proof_worker; proof_worker.main()"
    command = [sys.executable, "-I", "-c", program, str(tree), *arguments]
    return subprocess.run(command, input="", capture_output=True, text=True, check=False, env={})


@pytest.mark.parametrize("arguments", [[], ["plain"]])
def test_a_worker_says_first_that_it_is_ready_and_whether_it_is_slow(arguments: list[str], rounds: Rounds) -> None:
    done = worker(*arguments)
    assert [json.loads(line) for line in done.stdout.splitlines()] == [{"ready": True, "slow": ""}]
    assert (done.stderr, done.returncode) == ("", 0)


def test_a_kernel_that_forbids_machine_code_is_obeyed(rounds: Rounds) -> None:
    # prctl(PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN): nothing that was written may be run, as under SELinux without execmem
    done = worker(before="import ctypes; ctypes.CDLL(None).prctl(65, 1, 0, 0, 0) and sys.exit(77); ")
    if done.returncode == 77:
        pytest.skip("this kernel is older than 6.3 and cannot forbid it, so a system that does is not tried")
    assert json.loads(done.stdout) == {"ready": True, "slow": "this system allows no code that is made while a program runs"}
