# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that others publish inside Python packages: got from the registry by the package's name and version, kept in build/."""

from __future__ import annotations

import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

from ansible_collections.keyward.bitlocker.tests.integration.playing import ROOT

KEPT = ROOT / "build" / "published"
#: the schema of JUnit files that Jenkins' xUnit plugin publishes; pytest holds its own files against it
JUNIT = ("pytest==8.3.4", "testing/example_scripts/junit-10.xsd")
#: the schemas of both forges' files, as check-jsonschema collects them
GITHUB = ("check-jsonschema==0.39.0", "check_jsonschema/builtin_schemas/vendor/github-workflows.json")
GITLAB = ("check-jsonschema==0.39.0", "check_jsonschema/builtin_schemas/vendor/gitlab-ci.json")


def published(package: str, inside: str) -> Path:
    """One file of a package, whatever kind of archive it comes in; pytest's wheel has no tests, its source has."""
    path = KEPT / inside.rpartition("/")[2]
    if not path.exists():
        folder = KEPT / package.replace("==", "-")
        folder.mkdir(parents=True, exist_ok=True)
        kind = ["--no-binary", ":all:"] if package.startswith("pytest") else []
        command = [
            sys.executable,
            "-m",
            "pip",
            "download",
            "--quiet",
            "--disable-pip-version-check",
            "--no-deps",
            *kind,
            "-d",
            str(folder),
            package,
        ]
        subprocess.run(command, check=True, capture_output=True, timeout=300)
        new = path.with_suffix(".new")
        new.write_bytes(_content(next(folder.iterdir()), inside))
        new.rename(path)
    return path


def _content(archive: Path, inside: str) -> bytes:
    if archive.suffix == ".whl":
        with zipfile.ZipFile(archive) as wheel:
            return wheel.read(inside)
    with tarfile.open(archive) as source:
        member = next(name for name in source.getnames() if name.partition("/")[2] == inside)
        file = source.extractfile(member)
        assert file is not None
        return file.read()
