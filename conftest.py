# SPDX-License-Identifier: GPL-3.0-or-later
"""Make the checkout importable as ansible_collections.keyward.bitlocker, with Ansible's own collection finder."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent


def _collections_tree() -> Path:
    for parent in ROOT.parents:
        if parent.name == "ansible_collections":
            return parent.parent
    link = ROOT / ".collections" / "ansible_collections" / "keyward" / "bitlocker"
    link.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(FileExistsError):
        link.symlink_to("../../..")
    return ROOT / ".collections"


def pytest_configure(config: pytest.Config) -> None:
    """Install the collection finder before any test module is imported."""
    tree = str(_collections_tree())
    os.environ["ANSIBLE_COLLECTIONS_PATH"] = tree
    from ansible.utils.collection_loader._collection_finder import _AnsibleCollectionFinder

    _AnsibleCollectionFinder(paths=[tree])._install()
