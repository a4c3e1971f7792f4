# SPDX-License-Identifier: GPL-3.0-or-later
"""Run the tests that depend on ansible-core under every core: ``python3 tests/matrix.py [2.16 2.19 2.21] [-- pytest arguments]``.

Makes an environment per core in the checkout (``.venv-core-2.16``, git-ignored) with a Python of this machine that the core supports,
and says plainly where there is none: that core then counts as not run, and the exit code is 3 (1: a test failed).
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
#: ansible-core -> the Pythons it runs on (its metadata and the support matrix of its documentation), newest first
CORES = {"2.16": ((3, 12), (3, 11)), "2.19": ((3, 13), (3, 12), (3, 11)), "2.21": ((3, 14), (3, 13), (3, 12))}
PACKAGES = ("pytest", "hypothesis", "pywinrm", "ldap3", "requests", "dnspython", "jmespath", "SQLAlchemy", "pyrage")
TESTS = ("tests/unit/resolver_matrix", "tests/unit/plugins/plugin_utils/_ansible")
FAILED, NOT_RUN = 1, 3


def interpreter(versions: tuple[tuple[int, int], ...]) -> Path | None:
    """A Python of one of these versions that really answers; pyenv's shims exist for versions that are not active."""
    for major, minor in versions:
        named = [Path(found)] if (found := shutil.which(f"python{major}.{minor}")) else []
        # a shim lies in pyenv's own folder, wherever that is; it may answer for versions that are not active
        roots = {Path.home() / ".pyenv", *(Path(found).parents[1] for found in named if found.parent.name == "shims")}
        pyenv = sorted((path for root in roots for path in root.glob(f"versions/{major}.{minor}.*/bin/python")), reverse=True)
        for candidate in [*pyenv, *named]:
            asked = subprocess.run(
                [candidate, "-c", "import sys, venv; print(*sys.version_info[:2])"], capture_output=True, text=True, check=False
            )
            if asked.stdout.split() == [str(major), str(minor)]:
                return candidate
    return None


def environment(core: str, python: Path) -> Path:
    """The environment of one core, made where it is missing or incomplete; returns its Python."""
    home = ROOT / f".venv-core-{core}"
    inside, done = home / "bin" / "python", home / ".done"
    wanted = "\n".join(PACKAGES)
    if not done.exists() or done.read_text(encoding="utf-8") != wanted:
        print(f"== making {home.name} with {python}", flush=True)
        subprocess.run([python, "-m", "venv", "--clear", home], check=True)
        install = [inside, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", f"ansible-core=={core}.*", *PACKAGES]
        subprocess.run(install, check=True)
        done.write_text(wanted, encoding="utf-8")
    return inside


def run(core: str, arguments: list[str]) -> int:
    """Run the tests under one core."""
    python = interpreter(CORES[core])
    if python is None:
        wanted = ", ".join(f"{major}.{minor}" for major, minor in CORES[core])
        print(f"== ansible-core {core}: NOT RUN, no Python {wanted} on PATH or in ~/.pyenv/versions", flush=True)
        return NOT_RUN
    inside = environment(core, python)
    print(f"== ansible-core {core} on {python}", flush=True)
    variables = os.environ | {"PATH": f"{inside.parent}:/usr/bin:/bin", "PYTHONPATH": ""}
    command = [inside, "-m", "pytest", "-q", "-p", "no:cacheprovider", *(arguments or TESTS)]
    return FAILED if subprocess.run(command, cwd=ROOT, env=variables, check=False).returncode else 0


def main(words: list[str]) -> int:
    """Run the wanted cores, all of them by default; the worst exit code counts."""
    wanted, arguments = (words[: words.index("--")], words[words.index("--") + 1 :]) if "--" in words else (words, [])
    if strangers := set(wanted) - set(CORES):
        print(f"unknown ansible-core {', '.join(sorted(strangers))}; known are {', '.join(CORES)}", file=sys.stderr)
        return 2
    codes = {core: run(core, arguments) for core in wanted or CORES}
    for core, code in codes.items():
        print(f"== ansible-core {core}: {'passed' if not code else 'not run' if code == NOT_RUN else 'FAILED'}")
    return FAILED if FAILED in codes.values() else max(codes.values())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
