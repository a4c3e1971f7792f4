# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's command line.

up --dir D        start a lab in the background and print commands to try
down --dir D      stop it
status --dir D    say what runs
run --dir D -- C  start a lab, run command C with it, stop the lab; the exit code is C's
demo --dir D      start a lab, run the escrow report's playbook, hold the report against the truth, stop the lab

Without root everything happens in a user and network namespace of its own.
"""

from __future__ import annotations

import argparse
import json
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import Any

from ansible_collections.keyward.bitlocker.tests.lab import demo, hands_on, namespace
from ansible_collections.keyward.bitlocker.tests.lab.background import Background, NotRunningError
from ansible_collections.keyward.bitlocker.tests.lab.directory.address import AddressError
from ansible_collections.keyward.bitlocker.tests.lab.directory.domain_controller import DirectoryError
from ansible_collections.keyward.bitlocker.tests.lab.directory.processes import ChildError
from ansible_collections.keyward.bitlocker.tests.lab.lab import FAULTS, Lab, LabError, LabOptions, python_path
from ansible_collections.keyward.bitlocker.tests.lab.namespace import NamespaceError

MODULE = "ansible_collections.keyward.bitlocker.tests.lab"
#: what a person can do something about; everything else is a mistake of ours and keeps its traceback
EXPECTED = (LabError, DirectoryError, ChildError, AddressError, NamespaceError, NotRunningError)
#: exit code of the lab itself failing, apart from those a command usually has
LAB_FAILED = 70


def parser() -> argparse.ArgumentParser:
    """The arguments."""
    top = argparse.ArgumentParser(
        prog=f"python -m {MODULE}", description="A lab of real Samba, simulated Windows hosts and a simulated Entra tenant."
    )
    commands = top.add_subparsers(dest="command", required=True)
    about = {
        "up": "start a lab in the background",
        "down": "stop it",
        "status": "say what runs",
        "run": "start a lab, run a command with it, stop it",
        "demo": "start a lab, run the escrow report against it, hold it against the truth, stop it",
        "serve": argparse.SUPPRESS,
    }
    for name, text in about.items():
        command = commands.add_parser(name, help=text)
        command.add_argument("--dir", type=Path, required=True, help="folder of the lab")
        if name in ("up", "run", "demo", "serve"):
            _add_options(command)
        if name == "demo":
            text = "keep a ledger, change and remove keys that were proven, run a second time (needs --proof live)"
            command.add_argument("--again", action="store_true", help=text)
        if name == "run":
            command.add_argument("words", nargs=argparse.REMAINDER, metavar="-- COMMAND", help="the command and its arguments")
    return top


def _add_options(command: argparse.ArgumentParser) -> None:
    default = LabOptions()
    command.add_argument("--hosts", type=int, default=default.hosts, help="inventory hosts (%(default)s)")
    command.add_argument("--seed", type=int, default=default.seed, help="of the estate (%(default)s)")
    command.add_argument("--copies", type=int, default=default.copies, help="required copies (%(default)s)")
    command.add_argument("--proof", default=default.proof, help="none or live (%(default)s)")
    command.add_argument("--no-entra", dest="entra", action="store_false", help="the directory alone, no Entra tenant beside it")
    command.add_argument("--fault", default=None, help="; ".join(f"{name}: {meaning}" for name, meaning in FAULTS.items()))
    command.add_argument("--kerberos", action="store_true", help="start a KDC and give the hosts' services keys")
    command.add_argument("--record-ldap", action="store_true", help="write every LDAP request to logs/ldap-requests.jsonl")


def lab_options(given: argparse.Namespace) -> LabOptions:
    """The options of a lab out of the arguments."""
    return LabOptions(
        hosts=given.hosts,
        seed=given.seed,
        copies=given.copies,
        proof=given.proof,
        entra=given.entra,
        fault=given.fault or None,
        kerberos=given.kerberos,
        record_ldap=given.record_ldap,
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the arguments say; the exit code."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    given = parser().parse_args(words)
    folder: Path = given.dir.resolve()
    try:
        if given.command == "down":
            return _down(folder)
        if given.command == "status":
            return _status(folder)
        lab_options(given).check()
        if given.command == "up":
            return _up(folder, words, lab_options(given))
        namespace.enter([sys.executable, "-m", MODULE, *words])
        _stop_on_signals()
        if given.command == "serve":
            return _serve(folder, lab_options(given))
        Background(folder).refuse_if_running()
        if given.command == "demo":
            return demo.run(folder, lab_options(given), again=given.again)
        return _run(folder, lab_options(given), [word for word in given.words if word != "--" or word != given.words[0]])
    except EXPECTED as error:
        print(f"lab: {error}", file=sys.stderr)
        return LAB_FAILED


def _run(folder: Path, options: LabOptions, command: list[str]) -> int:
    if not command:
        raise LabError("run needs a command after --")
    with Lab(folder, options) as lab:
        try:
            process = subprocess.Popen(command, env=lab.environment())
        except OSError as error:
            raise LabError(f"cannot run {command[0]}: {error.strerror}") from error
        try:
            status = process.wait()
        except BaseException:
            # an interrupt reaches the command too, or it is asked now; either way it is gone before its lab
            process.terminate()
            process.wait()
            raise
    return 128 - status if status < 0 else status


def _up(folder: Path, words: list[str], options: LabOptions) -> int:
    background = Background(folder)
    background.refuse_if_running()
    serve = [sys.executable, "-m", MODULE, "serve", *words[words.index("up") + 1 :]]
    begun = time.monotonic()
    # the namespace, if one is needed, is made by the child
    background.launch(serve, python_path(), timeout=120.0 + options.hosts)
    print(f"The lab runs ({time.monotonic() - begun:.1f} s). It is in {folder}:")
    print((folder / "lab.json").read_text(encoding="utf-8"))
    tried = hands_on.commands(folder, _description(folder), background.pid, inside=bool(namespace.enclosing_command()))
    print(hands_on.printed(tried))
    return 0


def _serve(folder: Path, options: LabOptions) -> int:
    background = Background(folder)
    with Lab(folder, options):
        background.announce()
        try:
            while True:
                signal.pause()
        finally:
            background.withdraw()


def _down(folder: Path) -> int:
    Background(folder).stop(timeout=60.0)
    print(f"The lab in {folder} is stopped; its logs are in {folder / 'logs'}.")
    return 0


def _status(folder: Path) -> int:
    background = Background(folder)
    if not background.running:
        print(f"No lab runs in {folder}.")
        return 1
    print(f"The lab in {folder} runs as process {background.pid}:")
    print(json.dumps(_description(folder), indent=2))
    return 0


def _description(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "lab.json").read_text(encoding="utf-8"))
    return found


def _stop_on_signals() -> None:
    """Let SIGTERM and SIGHUP end this process as Ctrl-C does, through every context manager; a second one does not disturb the first."""

    def leave(number: int, _frame: FrameType | None) -> None:
        for known in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
            signal.signal(known, signal.SIG_IGN)
        raise SystemExit(128 + number)

    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(number, leave)
