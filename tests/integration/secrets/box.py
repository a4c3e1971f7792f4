# SPDX-License-Identifier: GPL-3.0-or-later
"""One watched run of ansible-playbook in a folder of its own, where everything that it leaves anywhere is kept for the scanner.

Every place that a run writes to is a sink here: standard output and error at -vvvv, Ansible's log, whatever libraries log at DEBUG,
the results that callbacks get (our own one, junit, tree), the fact cache, local and remote temporary folders (kept, removed files too), the
home folder, the report, the ledger, the audit file, and what was seen of processes; of a traced run every exec too, by strace. ``in`` holds
what is given to the run and is the one folder that the scanner leaves out.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[2]
INPUTS = "in"
#: files that were removed or overwritten while the run lasted, and what Python noted
WATCH = "watch"
PROCESSES = "processes.jsonl"
EXECS = "execs"
#: every exec with the whole of its arguments and environment, whatever becomes of it and whoever makes it
TRACE = ("strace", "-f", "-qq", "--seccomp-bpf", "-v", "-x", "-s", "10000000", "-e", "trace=execve,execveat", "-e", "signal=none")
#: where a leak can be, as the beginning of a scanned file's name
SINKS = (
    "stdout",
    "stderr",
    "log",
    "logging",
    "callback.jsonl",
    "junit/",
    "tree/",
    "facts/",
    "local_tmp/",
    "remote_tmp/",
    "tmp/",
    "home/",
    "report/",
    "ledger/",
    "audit.jsonl",
    PROCESSES,
    EXECS,
    f"{WATCH}/",
)
#: written by a run without harm outside its folder
ELSEWHERE = ("/dev/", "/proc/")
#: Ansible's lock between its workers, an empty file without a name
LOCK = "ansible/executor/task_queue_manager.py"


@dataclass
class Box:
    """The folder of one run. ``environment`` is added to the run's own."""

    folder: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    returned: int | None = None

    def __post_init__(self) -> None:
        for name in (INPUTS, "home", "tmp", "local_tmp", "remote_tmp", "facts", "junit", "tree", "report", "ledger", f"{WATCH}/removed"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        (self.folder / "ledger").chmod(0o700)

    @property
    def report(self) -> Path:
        """Where reports are to go."""
        return self.folder / "report"

    @property
    def audit(self) -> Path:
        """The audit file."""
        return self.folder / "audit.jsonl"

    @property
    def ledger(self) -> dict[str, str]:
        """The option ``ledger``; its key is no place that is looked at, and a secret everywhere else."""
        return {"path": str(self.folder / "ledger" / "ledger.db"), "hmac_key_file": str(self.folder / INPUTS / "ledger.key")}

    def give(self, name: str, content: Any) -> Path:
        """Write an input of the run: a playbook, variables, an inventory."""
        path = self.folder / INPUTS / name
        path.touch(mode=0o600)
        path.write_text(yaml.safe_dump(content, sort_keys=False, width=1000), encoding="utf-8")
        return path

    def text(self, name: str) -> str:
        """What a sink holds."""
        return (self.folder / name).read_text(encoding="utf-8", errors="replace")

    def play(
        self,
        playbook: Path | str,
        *arguments: str,
        inventory: Path | str = "localhost,",
        variables: Sequence[Path] = (),
        timeout: float = 240,
        traced: bool = False,
        terminal: str = "",
    ) -> int:
        """Run the playbook and return its exit status; the scan comes afterwards. ``traced``: with every exec noted in ``execs``.

        ``terminal`` is the path of one that the run is to have as its own.

        Raises:
            subprocess.TimeoutExpired: it took too long.
        """
        command = [str(Path(sys.executable).parent / "ansible-playbook"), "-vvvv", "--diff", "-i", str(inventory)]
        for path in variables:
            command += ["-e", f"@{path}"]
        if traced:
            command = [*TRACE, "-o", str(self.folder / EXECS), *command]
        with (self.folder / "stdout").open("wb") as out, (self.folder / "stderr").open("wb") as error:
            process = subprocess.Popen(
                [*command, *arguments, str(playbook)],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=error,
                cwd=self.folder / "home",
                env=self._environment(),
                preexec_fn=_before(terminal),
            )
            with Watcher(process.pid, self.folder / PROCESSES):
                try:
                    self.returned = process.wait(timeout)
                except BaseException:
                    process.kill()
                    process.wait()
                    raise
        return self.returned

    def _environment(self) -> dict[str, str]:
        base = {name: os.environ[name] for name in ("LANG", "KRB5_CONFIG", "TZ") if name in os.environ}
        ours = {
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"]),
            "LC_ALL": "C.UTF-8",
            "COLUMNS": "80",
            "HOME": "home",
            "TMPDIR": "tmp",
            "ANSIBLE_HOME": "home/.ansible",
            "ANSIBLE_LOCAL_TEMP": "local_tmp",
            "ANSIBLE_REMOTE_TEMP": "remote_tmp",
            "ANSIBLE_LOG_PATH": "log",
            "ANSIBLE_CACHE_PLUGIN_CONNECTION": "facts",
            "ANSIBLE_CALLBACK_TREE_DIR": "tree",
            "JUNIT_OUTPUT_DIR": "junit",
            "KEYWARD_EVERYTHING": "callback.jsonl",
            "KEYWARD_AUDIT_FILE": "audit.jsonl",
            "KEYWARD_WATCH": WATCH,
            "KEYWARD_LOGGING": "logging",
        }
        inside = {"HOME", "TMPDIR", "JUNIT_OUTPUT_DIR"} | {name for name in ours if name.startswith(("ANSIBLE_", "KEYWARD_"))}
        ours = {name: str(self.folder / value) if name in inside else value for name, value in ours.items()}
        settings = {
            "ANSIBLE_COLLECTIONS_PATH": os.environ["ANSIBLE_COLLECTIONS_PATH"],
            "ANSIBLE_CALLBACK_PLUGINS": str(HERE / "callback_plugins"),
            "ANSIBLE_ACTION_PLUGINS": str(HERE / "action_plugins"),
            "ANSIBLE_CALLBACKS_ENABLED": "ansible.builtin.junit,ansible.builtin.tree,everything",
            "ANSIBLE_CACHE_PLUGIN": "ansible.builtin.jsonfile",
            "ANSIBLE_KEEP_REMOTE_FILES": "1",
            "ANSIBLE_DISPLAY_ARGS_TO_STDOUT": "1",
            "ANSIBLE_LOCALHOST_WARNING": "0",
            "ANSIBLE_INVENTORY_UNPARSED_WARNING": "0",
            "ANSIBLE_FORKS": "12",
            "ANSIBLE_NOCOLOR": "1",
            "ANSIBLE_PYTHON_INTERPRETER": sys.executable,
            "PYTHONPATH": str(HERE / "watch"),
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        return {**base, **ours, **settings, **self.environment}

    def notes(self, event: str) -> Iterator[dict[str, Any]]:
        """What the run's Pythons noted of one kind (see watch/sitecustomize.py)."""
        for path in sorted((self.folder / WATCH).glob("*.jsonl")):
            for line in path.read_text(encoding="utf-8", errors="surrogateescape").splitlines():
                note = json.loads(line)
                if note["event"] == event:
                    yield note

    def written_elsewhere(self) -> list[str]:
        """Files outside the folder, or without a name, that the run opened for writing: what the scanner would never see."""
        inside = (f"{self.folder}/", *ELSEWHERE)
        strays = [note["path"] for note in self.notes("write") if not note["path"].startswith(inside)]
        strays += [note["by"] for note in self.notes("unnamed") if not note["by"].endswith(LOCK)]
        return strays


def _before(terminal: str) -> Callable[[], None]:
    """What the child does before it becomes ansible-playbook."""

    def do() -> None:
        _allow_core_dumps()
        if terminal:
            os.setsid()
            # the leader of a session gets the first terminal that it opens
            os.close(os.open(terminal, os.O_RDWR))

    return do


def _allow_core_dumps() -> None:
    """As generous as the machine allows, so that a process without dumps has chosen so."""
    hard = resource.getrlimit(resource.RLIMIT_CORE)[1]
    resource.setrlimit(resource.RLIMIT_CORE, (hard, hard))


class Watcher:
    """Looks at a process and all that descend from it, a hundred times a second: command line and environment as anybody sees them.

    What lives for less than that is known from Python's own notes; this is for everything else, and for what /proc shows of Python.
    """

    def __init__(self, root: int, path: Path) -> None:
        self._root = root
        self._path = path
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._seen: set[tuple[int, bytes, bytes]] = set()

    def __enter__(self) -> Watcher:
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._stop.set()
        self._thread.join(10)

    def _watch(self) -> None:
        with self._path.open("w", encoding="utf-8") as out:
            while not self._stop.wait(0.01):
                for pid in _descendants(self._root):
                    line, surroundings = _read(pid, "cmdline"), _read(pid, "environ")
                    if (pid, line, surroundings) not in self._seen:
                        self._seen.add((pid, line, surroundings))
                        shown = {"pid": pid, "cmdline": line.decode("utf-8", "replace"), "environ": surroundings.decode("utf-8", "replace")}
                        out.write(json.dumps(shown, ensure_ascii=False) + "\n")


def _descendants(root: int) -> list[int]:
    found, waiting = [], [root]
    while waiting:
        pid = waiting.pop()
        found.append(pid)
        for task in _listed(Path(f"/proc/{pid}/task")):
            waiting += [int(child) for child in _read(pid, f"task/{task}/children").split()]
    return found


def _listed(folder: Path) -> list[str]:
    try:
        return os.listdir(folder)
    except OSError:
        return []


def _read(pid: int, name: str) -> bytes:
    try:
        return Path(f"/proc/{pid}/{name}").read_bytes()
    except OSError:
        # it has ended, or is not ours to look at: then it is nobody else's either
        return b""
