# SPDX-License-Identifier: GPL-3.0-or-later
"""The examples of modules and guides are tasks that the actions accept: known options, values of their types, stores that can be set up."""

from __future__ import annotations

import importlib
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
import yaml
from ansible.plugins.loader import fragment_loader
from ansible.utils.plugin_docs import get_docstring
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._errors import OptionError
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._stores.active_directory.settings import DirectorySettings
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._stores.entra.settings import EntraSettings

ROOT = Path(__file__).resolve().parents[2]
MODULES = sorted(path.stem for path in (ROOT / "plugins" / "modules").glob("[!_]*.py"))
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs" / "docsite" / "rst").glob("*.rst"))]
#: what examples leave to the environment
ENVIRONMENT = {
    "MICROSOFT_AD_LDAP_PASSWORD": "made up",
    "AZURE_SECRET": "made up",
    "AZURE_FEDERATED_TOKEN_FILE": "/run/token",
}


def examples(module: str) -> Any:
    path = ROOT / "plugins" / "modules" / f"{module}.py"
    return yaml.safe_load(get_docstring(str(path), fragment_loader, collection_name="keyward.bitlocker", plugin_type="module")[1])


def tasks_of(node: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every task of ours in some YAML, as (module, arguments)."""
    if isinstance(node, list):
        for item in node:
            yield from tasks_of(item)
    elif isinstance(node, dict):
        for key, value in node.items():
            name = str(key).removeprefix("keyward.bitlocker.")
            if name in MODULES and str(key) != name:
                yield name, value or {}
            else:
                yield from tasks_of(value)


def blocks(path: Path) -> list[str]:
    """The YAML blocks of a document, without their indent."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".md":
        found = re.findall(r"^( *)```yaml\n(.*?)^ *```", text, re.MULTILINE | re.DOTALL)
        return ["\n".join(line.removeprefix(indent) for line in block.splitlines()) for indent, block in found]
    found = re.findall(r"^( *)\.\. code-block:: yaml\n\n((?:\1   .*\n|\n)+)", text, re.MULTILINE)
    return ["\n".join(line[len(indent) + 3 :] for line in block.splitlines()) for indent, block in found]


def variables_of(node: Any) -> dict[str, Any]:
    """The playbook's variables in some YAML, where that is variables alone."""
    if not isinstance(node, dict):
        return {}
    return {str(key).removeprefix("keyward_"): value for key, value in node.items() if str(key).startswith("keyward_")}


def accept(module: str, arguments: dict[str, Any]) -> None:
    action = importlib.import_module(f"ansible_collections.keyward.bitlocker.plugins.action.{module}").ActionModule
    # what is a template as a whole has any type
    plain = {name: value for name, value in arguments.items() if not re.fullmatch(r"\{\{.*\}\}", str(value), re.DOTALL)}
    if "recovery_password" in arguments:
        plain["recovery_password"] = "-".join(["000011"] * 8)
    # a ticket needs no password, and one without a user is refused
    named = "username" in str(plain)
    given = {name: value for name, value in ENVIRONMENT.items() if named or not name.startswith("MICROSOFT")}
    with mock.patch.dict(os.environ, given):
        params = action.option_spec().validate(plain).values
    if module == "ad_recovery_key_info" or params.get("ad"):
        DirectorySettings.from_options(params.get("ad") or params)
    if module == "entra_recovery_key_info" or params.get("entra"):
        EntraSettings.from_options(params.get("entra") or params)


@pytest.mark.parametrize("module", MODULES)
def test_examples_of_a_module_are_accepted_by_its_action(module: str) -> None:
    found = list(tasks_of(examples(module)))
    assert module in {name for name, _arguments in found}
    for name, arguments in found:
        accept(name, arguments)


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.stem)
def test_yaml_in_documents_is_accepted(path: Path) -> None:
    for block in blocks(path):
        content = yaml.safe_load(block)
        for name, arguments in tasks_of(content):
            accept(name, arguments)
        given = variables_of(content)
        for store in ("ad", "entra"):
            if store in given:
                accept("escrow_report", {store: given[store]})


def test_a_wrong_option_in_an_example_would_be_found() -> None:
    content = yaml.safe_load("- keyward.bitlocker.escrow_report:\n    ad: {server: dc1, user: me}\n")
    ((name, arguments),) = tasks_of(content)
    with pytest.raises(OptionError, match="user"):
        accept(name, arguments)


def test_the_report_is_shown_with_each_store_alone_and_with_both() -> None:
    shown = [
        (bool(arguments.get("ad")), bool(arguments.get("entra")), arguments.get("copies", 1))
        for name, arguments in tasks_of(examples("escrow_report"))
        if name == "escrow_report"
    ]
    assert {(True, False, 1), (False, True, 1), (True, True, 2)} <= set(shown)
    methods = {arguments["auth_method"] for name, arguments in tasks_of(examples("entra_recovery_key_info"))}
    assert methods == {"certificate", "client_secret", "federated_token", "managed_identity"}


def test_no_example_of_a_module_has_a_secret_in_its_arguments() -> None:
    for module in ("escrow_report", "entra_recovery_key_info"):
        for _name, arguments in tasks_of(examples(module)):
            for options in (arguments, arguments.get("ad", {}), arguments.get("entra", {})):
                assert options.keys().isdisjoint({"password", "secret", "certificate_password"})
