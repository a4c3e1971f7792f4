# SPDX-License-Identifier: GPL-3.0-or-later
"""What is said twice about the collection is said alike: requirements and their floors, action groups and attributes, versions."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.plugins.loader import fragment_loader
from ansible.utils.plugin_docs import get_docstring

ROOT = Path(__file__).resolve().parents[2]
MODULES = sorted((ROOT / "plugins" / "modules").glob("[!_]*.py"))
RUNTIME = yaml.safe_load((ROOT / "meta" / "runtime.yml").read_text(encoding="utf-8"))


def floors(path: str) -> dict[str, str]:
    """Library -> its floor, of a requirements file; every line must have exactly one."""
    found = {}
    for line in (ROOT / path).read_text(encoding="utf-8").splitlines():
        text = line.partition("#")[0].strip()
        if not text or text.startswith("-r") or ">=" not in text:
            assert not text or "tests" not in path, line
            continue
        name, _unused, floor = text.partition(">=")
        found[name.strip().lower()] = floor.strip()
    return found


def documentation(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = get_docstring(str(path), fragment_loader, collection_name="keyward.bitlocker", plugin_type="module")[0]
    return found


def test_an_execution_environment_gets_what_requirements_ask() -> None:
    needed, environment = floors("requirements.txt"), floors("meta/ee-requirements.txt")
    # ansible-core comes with the environment
    del needed["ansible-core"]
    assert {name: environment.get(name) for name in needed} == needed


def test_what_an_execution_environment_gets_beyond_that_has_the_floors_of_the_tests() -> None:
    beyond = {name: floor for name, floor in floors("meta/ee-requirements.txt").items() if name not in floors("requirements.txt")}
    tested = floors("requirements-dev.txt")
    assert {name: tested.get(name) for name in beyond} == beyond


def test_the_execution_environment_names_its_files() -> None:
    described = yaml.safe_load((ROOT / "meta" / "execution-environment.yml").read_text(encoding="utf-8"))
    for path in described["dependencies"].values():
        assert (ROOT / path).is_file(), path


def test_the_oldest_core_is_the_same_everywhere() -> None:
    assert RUNTIME["requires_ansible"] == f">={floors('requirements.txt')['ansible-core']}.0"
    assert "ansible-core 2.16 or newer" in (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_a_module_is_in_the_groups_that_its_attribute_names(path: Path) -> None:
    attribute = documentation(path)["attributes"].get("action_group", {})
    named = {group.removeprefix("keyward.bitlocker.") for group in attribute.get("membership", [])}
    listed = {group for group, members in RUNTIME["action_groups"].items() if path.stem in members}
    assert listed == named


def test_groups_hold_only_modules_that_exist_each_once() -> None:
    known = {path.stem for path in MODULES}
    for group, members in RUNTIME["action_groups"].items():
        assert set(members) <= known, group
        assert len(members) == len(set(members)), group


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_every_module_has_an_action_and_every_action_a_module(path: Path) -> None:
    assert (ROOT / "plugins" / "action" / path.name).is_file()
    assert {action.name for action in (ROOT / "plugins" / "action").glob("[!_]*.py")} == {module.name for module in MODULES}


def test_versions_agree() -> None:
    version = yaml.safe_load((ROOT / "galaxy.yml").read_text(encoding="utf-8"))["version"]
    assert re.fullmatch(r"\d+\.\d+\.\d+", version)
    for path in MODULES:
        added = tuple(int(part) for part in str(documentation(path)["version_added"]).split("."))
        assert added <= tuple(int(part) for part in version.split(".")), path
