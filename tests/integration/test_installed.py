# SPDX-License-Identifier: GPL-3.0-or-later
"""The collection as users get it: built, installed by ansible-galaxy, documented and played from there."""

from __future__ import annotations

import json
import re
import tarfile
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.keyward.bitlocker.tests.integration.playing import ROOT, Player
from ansible_collections.keyward.bitlocker.tests.lab.estate.compare import compare
from ansible_collections.keyward.bitlocker.tests.lab.lab import Lab

MODULES = ("ad_recovery_key_info", "escrow_report", "volume_info")


@pytest.fixture(scope="module")
def installed(fleet: Lab, tmp_path_factory: pytest.TempPathFactory) -> Player:
    """A player that knows only the collection out of the built tarball."""
    folder = tmp_path_factory.mktemp("installed")
    player = Player(folder, fleet, {"ANSIBLE_COLLECTIONS_PATH": str(folder / "collections")})
    built = player.command(["ansible-galaxy", "collection", "build", str(ROOT), "--output-path", str(folder)])
    assert built.code == 0, built.output
    (tarball,) = folder.glob("keyward-bitlocker-*.tar.gz")
    done = player.command(["ansible-galaxy", "collection", "install", "--offline", str(tarball), "-p", str(folder / "collections")])
    assert done.code == 0, done.output
    return player


def test_the_tarball_holds_the_product_and_nothing_else(installed: Player) -> None:
    (tarball,) = installed.folder.glob("keyward-bitlocker-*.tar.gz")
    with tarfile.open(tarball) as content:
        names = {name for name in content.getnames() if not name.endswith("/")}
    tops = {name.partition("/")[0] for name in names}
    assert {
        "FILES.json",
        "MANIFEST.json",
        "README.md",
        "COPYING",
        "plugins",
        "playbooks",
        "meta",
        "docs",
        "changelogs",
        "requirements.txt",
    } <= tops
    assert not tops & {"tests", "build", ".venv", ".collections", ".git", "conftest.py"}
    assert not [
        name for name in names if name.endswith((".pyc", ".tar.gz", ".pem", ".key")) or "/.venv" in name or name.startswith(".venv")
    ]
    assert "docs/escrow-report.schema.json" in names
    assert "playbooks/escrow_report.yml" in names


def test_the_documentation_is_readable(installed: Player) -> None:
    run = installed.command(["ansible-doc", "--json", "-t", "module", *[f"keyward.bitlocker.{name}" for name in MODULES]])
    assert run.code == 0, run.output
    documented: dict[str, Any] = json.loads(run.output[run.output.index("{") :])
    for name in MODULES:
        page = documented[f"keyward.bitlocker.{name}"]
        assert str(installed.folder) in page["doc"]["filename"]
        assert page["doc"]["options"]
        assert page["examples"]
        assert page["return"]
    shown = installed.command(["ansible-doc", "keyward.bitlocker.escrow_report"])
    assert shown.code == 0
    assert "OPTIONS" in shown.output
    listed = installed.command(["ansible-doc", "-l", "keyward.bitlocker"])
    assert {f"keyward.bitlocker.{name}" for name in MODULES} <= set(re.findall(r"keyward\.bitlocker\.\w+", listed.output))


def test_the_playbook_runs_from_there(installed: Player, fleet: Lab) -> None:
    run = installed.report("-v").no_traceback()
    assert run.code == 0, run.output
    assert compare(run.report, json.loads(fleet.truth_file.read_text(encoding="utf-8"))) == []
    # it really was that one: the checkout was out of reach
    traced = installed.command(["ansible-galaxy", "collection", "list", "keyward.bitlocker"])
    assert str(installed.folder / "collections") in traced.output
    assert str(Path(ROOT)) not in traced.output
