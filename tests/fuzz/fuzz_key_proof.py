# SPDX-License-Identifier: GPL-3.0-or-later
"""Coverage-guided fuzzing of the key proof: packages, metadata blocks, boot sectors, .BEK files; run by ``make soak``.

    python tests/fuzz/fuzz_key_proof.py -max_total_time=600 -max_len=65536 build/fuzz/key_proof

Packages of the lab's own encoder are the seeds in the corpus folder (the last argument). A wrong password that is proven is a finding, and
so is a right one that is refuted while its salt, its wrapped key and its digits are whole, and whatever is no error of ours.
"""

from __future__ import annotations

import sys
from pathlib import Path

import atheris
from ansible.utils.collection_loader._collection_finder import _AnsibleCollectionFinder

ROOT = Path(__file__).resolve().parents[2]
_AnsibleCollectionFinder(paths=[str(ROOT / ".collections")])._install()

with atheris.instrument_imports():
    from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.key_proof.external_key import parse_external_key
    from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.key_proof.proof import (
        Outcome,
        prove_external_key,
        prove_recovery_password,
    )
    from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.key_proof.volume import metadata_offsets, parse_block
    from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.redaction import Secret
    from ansible_collections.keyward.bitlocker.plugins.plugin_utils._errors import KeywardError
    from ansible_collections.keyward.bitlocker.tests.lab.fve.volumes import FveVolume, boot_sector
    from ansible_collections.keyward.bitlocker.tests.unit.plugins.plugin_utils._core.key_proof.synthesised import (
        KEY_ID,
        RIGHT,
        WRONG,
        cryptographic,
        lab_stretch,
        our_stretch,
        package,
        prove,
        volume,
    )

EXTERNAL_ID = "7d9e0f12-3456-4789-8abc-def012345678"
WHOLE = [bytes(package(form)[position] for position in sorted(cryptographic(package(form)))) for form in ("windows_7", "windows_10")]


def seeds() -> dict[str, bytes]:
    """What the fuzzer begins with."""
    outside = FveVolume(seed="outside", stretch=lab_stretch)
    outside.add_external_key(EXTERNAL_ID)
    made = {form: package(form) for form in ("windows_7", "windows_8", "windows_10", "labelled")}
    return {
        **made,
        "block": volume().block(),
        "external": outside.package(EXTERNAL_ID),
        "bek": outside.bek(EXTERNAL_ID, windows_11=True),
        "boot": boot_sector(),
    }


def one_input(data: bytes) -> None:
    """One input by every reader."""
    if prove(WRONG, data).outcome is Outcome.PROVEN:
        raise AssertionError("a wrong password was proven")
    if prove(RIGHT, data).outcome is Outcome.REFUTED and any(_holds(data, whole) for whole in WHOLE):
        raise AssertionError("a right password was refuted")
    prove_recovery_password(Secret(RIGHT), KEY_ID, [data, data[::-1]], stretch=our_stretch)
    if prove_external_key(Secret(bytes(32)), EXTERNAL_ID, [data, data]).outcome is Outcome.PROVEN:
        raise AssertionError("an external key of zeros was proven")
    for reader in (lambda: parse_external_key(Secret(data)), lambda: metadata_offsets(data), lambda: parse_block(data)):
        try:
            reader()
        except KeywardError as error:
            str(error)


def _holds(data: bytes, whole: bytes) -> bool:
    """Whether everything cryptographic of a seed is still where the protector's datum says that it is."""
    try:
        return bytes(data[position] for position in sorted(cryptographic(data))) == whole
    except (ValueError, IndexError, RecursionError):
        return False


def main() -> None:
    """Seed the corpus and fuzz."""
    corpus = [argument for argument in sys.argv[1:] if not argument.startswith("-")]
    if corpus:
        folder = Path(corpus[0])
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in seeds().items():
            (folder / name).write_bytes(content)
    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
