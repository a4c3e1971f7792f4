# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's command line: what starts also stops, whatever happens between."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

MODULE = "ansible_collections.keyward.bitlocker.tests.lab"
ROOT = Path(__file__).resolve().parents[3]
LAB_FAILED = 70


def command(*words: str) -> list[str]:
    return [sys.executable, "-m", MODULE, *words]


def environment() -> dict[str, str]:
    # the tree that the root conftest chose; keyward-lab's cache stays where it is
    return {**os.environ, "PYTHONPATH": os.environ["ANSIBLE_COLLECTIONS_PATH"]}


def lab(*words: str, before: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*before, *command(*words)], capture_output=True, text=True, timeout=180, check=False, env=environment())


def description(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "lab.json").read_text(encoding="utf-8"))
    return found


def gone(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
    except OSError:
        return True
    return state == "Z"


def wait_until_gone(pids: list[int], seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while not all(gone(pid) for pid in pids):
        assert time.monotonic() < deadline, f"of {pids} some still run"
        time.sleep(0.05)


def test_run_gives_the_command_a_lab_and_returns_its_exit_code(tmp_path: Path) -> None:
    folder = tmp_path / "lab"
    script = 'ls "$KEYWARD_LAB"; cat "$ANSIBLE_INVENTORY" >/dev/null && command -v ansible-playbook && exit 7'
    done = lab("run", "--dir", str(folder), "--hosts", "8", "--", "sh", "-c", script)
    assert done.returncode == 7, done.stderr
    for name in ("inventory.yml", "estate.yml", "truth.json", "lab.json"):
        assert name in done.stdout
    found = description(folder)
    assert found["hosts"] == 8
    assert set(found["processes"]) == {"hosts", "samba", "entra"}
    wait_until_gone(list(found["processes"].values()))
    assert (folder / "inventory.yml").stat().st_mode & 0o077 == 0
    assert (folder / "estate.yml").stat().st_mode & 0o077 == 0
    assert (folder / "directory" / "samba.log").stat().st_size


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_a_broken_off_run_leaves_nothing_running(tmp_path: Path, number: signal.Signals) -> None:
    folder = tmp_path / "lab"
    words = command("run", "--dir", str(folder), "--hosts", "5", "--", "sh", "-c", "echo up; exec sleep 600")
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True, env=environment(), start_new_session=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "up\n"
            pids = list(description(folder)["processes"].values())
            assert len(pids) == 3
            process.send_signal(number)
            process.wait(30)
        finally:
            # the command itself outlives only a kill that nobody can catch
            os.killpg(process.pid, signal.SIGKILL) if number == signal.SIGKILL else process.kill()
    wait_until_gone(pids)


def test_up_status_down(tmp_path: Path) -> None:
    folder = tmp_path / "lab"
    words = ("--dir", str(folder))
    up = lab("up", *words, "--hosts", "5")
    try:
        assert up.returncode == 0, up.stderr
        assert "ansible-playbook -i" in up.stdout
        pids = list(description(folder)["processes"].values())
        assert lab("status", *words).returncode == 0
        again = lab("up", *words)
        assert again.returncode == LAB_FAILED
        assert "a lab runs in" in again.stderr
        assert lab("run", *words, "--", "true").returncode == LAB_FAILED
    finally:
        down = lab("down", *words)
    assert down.returncode == 0, down.stderr
    wait_until_gone(pids)
    assert lab("status", *words).returncode == 1
    assert "no lab runs in" in lab("down", *words).stderr


def test_every_printed_command_works(tmp_path: Path) -> None:
    folder = tmp_path / "lab"
    up = lab("up", "--dir", str(folder), "--hosts", "7")
    try:
        assert up.returncode == 0, up.stderr
        printed = up.stdout.partition("Try:\n")[2].splitlines()
        commands = [line.strip() for line in printed if not line.startswith("  #")]
        # a lab has findings, so its gate ends with 2
        commands = [f"{command} || test $? -eq 2" if "compliance_gate" in command else command for command in commands]
        # without the right to low ports the first starts a shell inside, which reads the others
        enter = commands.pop(0).replace("$SHELL", "sh") if commands[0].startswith("nsenter") else "sh"
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("ANSIBLE_", "PYTHON"))}
        script = "\n".join(["set -ex", *commands])
        done = subprocess.run(
            shlex.split(enter), input=script, capture_output=True, text=True, timeout=180, check=False, env=kept | {"LC_ALL": "C.UTF-8"}
        )
    finally:
        lab("down", "--dir", str(folder))
    assert done.returncode == 0, done.stdout + done.stderr
    assert (folder / "report" / "escrow-report.html").exists()
    assert '"observation"' in done.stdout
    assert '"in_ad.entries": [' in done.stdout
    assert '"in_entra.entries": [' in done.stdout
    assert (folder / "report-2" / "escrow-report.json").exists()
    assert "FINDINGS: " in done.stdout
    # the last of them stopped the lab
    assert f"The lab in {folder} is stopped" in done.stdout


def test_a_pid_file_of_another_process_stops_nobody(tmp_path: Path) -> None:
    (tmp_path / "lab.pid").write_text(json.dumps([os.getpid(), 1]), encoding="utf-8")
    assert lab("down", "--dir", str(tmp_path)).returncode == LAB_FAILED
    assert not (tmp_path / "lab.pid").exists()


def test_two_labs_run_side_by_side(tmp_path: Path) -> None:
    inner = [*command("run", "--dir", str(tmp_path / "inner"), "--hosts", "3", "--", "true")]
    done = lab("run", "--dir", str(tmp_path / "outer"), "--hosts", "3", "--", *inner)
    assert done.returncode == 0, done.stderr
    assert description(tmp_path / "outer")["directory"] != description(tmp_path / "inner")["directory"]


def test_ad_down_starts_no_directory(tmp_path: Path) -> None:
    folder = tmp_path / "lab"
    assert lab("run", "--dir", str(folder), "--hosts", "5", "--fault", "ad_down", "--", "true").returncode == 0
    assert description(folder)["directory"] is None
    assert "KW-STO-001" in json.loads((folder / "truth.json").read_text(encoding="utf-8"))["run_findings"]


def test_ad_no_rights_gives_the_report_another_account(tmp_path: Path) -> None:
    folder = tmp_path / "lab"
    assert lab("run", "--dir", str(folder), "--hosts", "5", "--fault", "ad_no_rights", "--", "true").returncode == 0
    assert "svc-norights@lab.example" in (folder / "estate.yml").read_text(encoding="utf-8")
    assert "KW-STO-002" in json.loads((folder / "truth.json").read_text(encoding="utf-8"))["run_findings"]


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("--fault", "ad_on_fire"), "unknown fault 'ad_on_fire'; known are ad_down"),
        (("--fault", "entra_down", "--no-entra"), "needs a lab with Entra"),
        (("--copies", "2", "--no-entra"), "one store"),
        (("--copies", "3"), "two stores"),
        (("--hosts", "0"), "no estate of 0 hosts"),
    ],
)
def test_what_cannot_be_had_is_said(tmp_path: Path, words: tuple[str, ...], text: str) -> None:
    done = lab("run", "--dir", str(tmp_path / "lab"), *words, "--", "true")
    assert done.returncode == LAB_FAILED
    assert text in done.stderr
    assert "Traceback" not in done.stderr


def test_a_folder_that_is_not_a_labs_is_not_cleared(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("mine", encoding="utf-8")
    done = lab("run", "--dir", str(tmp_path), "--", "true")
    assert done.returncode == LAB_FAILED
    assert (tmp_path / "precious").read_text(encoding="utf-8") == "mine"


def test_without_the_right_to_low_ports_it_runs_in_its_own_namespace(tmp_path: Path) -> None:
    setpriv = shutil.which("setpriv")
    assert setpriv, "apt-get install -y --no-install-recommends util-linux"
    before = () if os.geteuid() else (setpriv, "--bounding-set", "-net_bind_service", "--inh-caps", "-net_bind_service")
    done = lab("run", "--dir", str(tmp_path / "lab"), "--hosts", "3", "--", "readlink", "/proc/self/ns/net", before=before)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() != os.readlink("/proc/self/ns/net")


def test_recording_puts_a_proxy_before_the_directory(tmp_path: Path) -> None:
    folder = tmp_path / "lab"
    script = (
        'LDAPTLS_REQCERT=demand ldapsearch -LLL -x -H "ldaps://$(grep -oE "127[.0-9]+\\.11" "$KEYWARD_LAB/estate.yml" | head -1)" '
        "-D svc-report@lab.example -w Lab-Report-4711 -b DC=lab,DC=example -E pr=50/noprompt '(objectClass=msFVE-RecoveryInformation)' cn"
    )
    done = lab("run", "--dir", str(folder), "--hosts", "5", "--record-ldap", "--", "sh", "-c", script)
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in (folder / "logs" / "ldap-requests.jsonl").read_text(encoding="utf-8").splitlines()]
    searches = [line for line in lines if line["operation"] == "search"]
    assert searches
    assert searches[0]["page_size"] == 50
    assert searches[0]["attributes"] == ["cn"]
