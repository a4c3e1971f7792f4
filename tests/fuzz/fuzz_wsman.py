# SPDX-License-Identifier: GPL-3.0-or-later
"""Coverage-guided fuzzing of everything that reads a WS-Man answer; run by ``make soak``.

    python tests/fuzz/fuzz_wsman.py -max_total_time=600 -max_len=65536 build/fuzz/wsman

Atheris is needed by this file alone. The frozen answers are written into the corpus folder (the last argument) as its seeds. Whatever is
not an error of ours is a finding: atheris stops with the input that made it.
"""

from __future__ import annotations

import sys
from pathlib import Path

import atheris
from ansible.utils.collection_loader._collection_finder import _AnsibleCollectionFinder

ROOT = Path(__file__).resolve().parents[2]
_AnsibleCollectionFinder(paths=[str(ROOT / ".collections")])._install()

with atheris.instrument_imports():
    from ansible_collections.keyward.bitlocker.plugins.plugin_utils._errors import KeywardError
    from ansible_collections.keyward.bitlocker.plugins.plugin_utils._windows.wsman import answer as answers
    from ansible_collections.keyward.bitlocker.plugins.plugin_utils._windows.wsman.faults import read_fault
    from ansible_collections.keyward.bitlocker.plugins.plugin_utils._windows.wsman.instance import Instance
    from ansible_collections.keyward.bitlocker.plugins.plugin_utils._windows.wsman.session import Limits, Session
    from ansible_collections.keyward.bitlocker.plugins.plugin_utils._windows.wsman.transports.kerberos import service_principals

READERS = ("string", "integer", "boolean", "strings", "integers", "octets", "timestamp", "interval", "has")
MESSAGE_ID = "uuid:11111111-1111-4111-8111-111111111111"


class Host:
    """Answers every request with the next part of the input, and with the last for ever."""

    authenticated_names: tuple[str, ...] = ()

    def __init__(self, parts: list[bytes]) -> None:
        self.parts = parts
        self.asked = 0

    def send(self, envelope: bytes) -> bytes:
        self.asked += 1
        if self.asked > 60:
            raise AssertionError("the session does not end")
        return self.parts.pop(0) if len(self.parts) > 1 else self.parts[0]

    def close(self) -> None:
        """Nothing to close."""


def read_instance(item: Instance) -> None:
    """Every value by every type."""
    repr(item)
    for name in item.names:
        for reader in READERS:
            try:
                getattr(item, reader)(name)
            except KeywardError as error:
                str(error)


def read_answer(data: bytes) -> None:
    """One answer by every reader."""
    answer = answers.read_answer(data, attempted="read")
    if answer.fault is not None:
        str(read_fault(answer.fault, attempted="read", username="bob"))
    read_instance(answers.output(answer, "GetKeyProtectors"))
    for item in answers.page(answer, attempted="read").items:
        read_instance(item)


def one_input(data: bytes) -> None:
    """One input of the fuzzer: as an answer, as a script of answers, as a ticket cache."""
    service_principals(data)
    session = Session(
        Host(data.split(b"\x00\xff") or [b""]), sleep=lambda _unused: None, new_id=lambda: MESSAGE_ID, limits=Limits(pages=40)
    )
    for attempt in (
        lambda: read_answer(data),
        lambda: list(session.enumerate("root/cimv2", "Win32_Volume")),
        lambda: session.get("root/cimv2", "Win32_Volume", {}),
    ):
        try:
            attempt()
        except KeywardError as error:
            str(error)


def main() -> None:
    """Seed the corpus and fuzz."""
    corpus = [argument for argument in sys.argv[1:] if not argument.startswith("-")]
    if corpus:
        folder = Path(corpus[0])
        folder.mkdir(parents=True, exist_ok=True)
        for seed in (ROOT / "tests" / "unit" / "fixtures" / "wsman").glob("*.xml"):
            (folder / seed.name).write_bytes(seed.read_bytes())
    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
