# SPDX-License-Identifier: GPL-3.0-or-later
"""Loaded by every Python of a watched run (PYTHONPATH): notes what a scan afterwards could not see any more. It changes nothing.

Python's audit hooks (PEP 578) tell of every child with its arguments and environment, of every file that is opened for writing, and of
every file that is about to be removed or overwritten: of the latter a copy is kept. When a connection is opened it is noted whether the
process would leave a core dump. With KEYWARD_LOGGING (a file) everything that any library logs goes there from the first connection on,
as with a root logger at DEBUG. With KEYWARD_SABOTAGE a library fails in the middle of its work, see sabotage.py.
"""

from __future__ import annotations

import ctypes
import json
import logging
import os
import resource
import shutil
import stat
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

_FOLDER = os.environ.get("KEYWARD_WATCH", "")
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
_MAX_KEPT = 64 * 1024 * 1024
_PR_GET_DUMPABLE = 3
_busy = threading.local()
_prctl = ctypes.CDLL(None).prctl


def _text(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.decode("utf-8", "surrogateescape")
    if isinstance(value, dict):
        return {str(_text(key)): _text(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_text(item) for item in value]
    return value if isinstance(value, str | int | None) else str(value)


def _note(event: str, **more: Any) -> None:
    line = json.dumps({"event": event, "pid": os.getpid(), **{key: _text(value) for key, value in more.items()}}) + "\n"
    handle = os.open(f"{_FOLDER}/{os.getpid()}.jsonl", os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    try:
        os.write(handle, line.encode("utf-8", "surrogateescape"))
    finally:
        os.close(handle)


def _where(path: Any, folder: Any = None) -> str:
    if isinstance(path, int):
        return f"/proc/self/fd/{path}"
    name = os.fsdecode(path)
    if isinstance(folder, int) and folder >= 0 and not os.path.isabs(name):
        return os.path.join(os.path.realpath(f"/proc/self/fd/{folder}"), name)
    return os.path.abspath(name)


def _keep(path: str) -> None:
    """Copy a file that is about to lose its content."""
    try:
        status = os.lstat(path)
    except OSError:
        return
    if not stat.S_ISREG(status.st_mode) or not 0 < status.st_size <= _MAX_KEPT or path.startswith(_FOLDER):
        return
    kept = f"{_FOLDER}/removed/{os.getpid()}-{time.monotonic_ns()}-{os.path.basename(path)}"
    shutil.copyfile(path, kept)


def _keep_tree(path: str) -> None:
    for folder, _folders, files in os.walk(path):
        for name in files:
            _keep(os.path.join(folder, name))


def _child(executable: Any, arguments: Any, environment: Any) -> None:
    if not isinstance(arguments, str | bytes):
        arguments = list(arguments)
    _note("child", executable=executable, arguments=arguments, environment=dict(os.environ if environment is None else environment))


def _caller() -> str:
    """Whose code it is, the standard library's apart."""
    frame: Any = sys._getframe(1)
    while frame is not None and (frame.f_code.co_filename == __file__ or frame.f_code.co_filename.endswith("tempfile.py")):
        frame = frame.f_back
    return "" if frame is None else frame.f_code.co_filename


def _on_open(path: Any, mode: Any, flags: Any) -> None:
    if not isinstance(flags, int) or not flags & _WRITES or isinstance(path, int):
        return
    where = _where(path)
    if flags & os.O_TRUNC:
        _keep(where)
    if flags & os.O_TMPFILE == os.O_TMPFILE:
        _note("unnamed", path=where, by=_caller())
    else:
        _note("write", path=where)


def _log_everything() -> None:
    root = logging.getLogger()
    if root.level != logging.DEBUG and "KEYWARD_LOGGING" in os.environ:
        handler = logging.FileHandler(os.environ["KEYWARD_LOGGING"], encoding="utf-8")
        handler.setFormatter(logging.Formatter("%(process)d %(name)s %(levelname)s %(message)s %(args)r"))
        root.addHandler(handler)
        root.setLevel(logging.DEBUG)


def _on_connect(_socket: Any, address: Any) -> None:
    _log_everything()
    soft, hard = resource.getrlimit(resource.RLIMIT_CORE)
    _note("connect", address=address, core=[soft, hard], dumpable=_prctl(_PR_GET_DUMPABLE, 0, 0, 0, 0))


def _on_rename(source: Any, target: Any, source_folder: Any = None, target_folder: Any = None) -> None:
    _keep(_where(target, target_folder))
    _note("write", path=_where(target, target_folder))


_HANDLERS: dict[str, Callable[..., None]] = {
    "subprocess.Popen": lambda executable, arguments, _folder, environment: _child(executable, arguments, environment),
    "os.exec": _child,
    "os.posix_spawn": _child,
    "os.system": lambda command: _child("/bin/sh", command, None),
    "open": _on_open,
    "os.remove": lambda path, folder=None: _keep(_where(path, folder)),
    "os.truncate": lambda path, _length: _keep(_where(path)),
    "os.rename": _on_rename,
    "shutil.rmtree": lambda path, folder=None: _keep_tree(_where(path, folder)),
    "socket.connect": _on_connect,
}


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    handler = _HANDLERS.get(event)
    if handler is None or getattr(_busy, "now", False):
        return
    _busy.now = True
    try:
        handler(*arguments)
    except OSError as error:
        # the watched run must go on; the test fails on this note
        _note("trouble", what=f"{event}: {error}")
    finally:
        _busy.now = False


if _FOLDER:
    os.makedirs(f"{_FOLDER}/removed", exist_ok=True)
    sys.addaudithook(_hook)
    if os.environ.get("KEYWARD_SABOTAGE"):
        import sabotage

        sabotage.install(os.environ["KEYWARD_SABOTAGE"], _note)
