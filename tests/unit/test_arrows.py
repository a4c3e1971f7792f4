# SPDX-License-Identifier: GPL-3.0-or-later
"""Who may import whom: the arrows of the house run one way, and this reads every import to see that they do."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
COLLECTION = "ansible_collections.keyward.bitlocker"
UTILS = "plugins.plugin_utils"

#: room -> the rooms it may import from (itself apart); a plugin room is one of plugins/action, lookup, ...
ALLOWED = {
    "_core": set(),
    "_errors": set(),
    "_windows": {"_core", "_errors"},
    "_stores": {"_core", "_errors"},
    "_report": {"_core", "_errors"},
    "_ledger": {"_core", "_errors"},
    "_ansible": {"_core", "_errors", "_windows", "_stores", "_report", "_ledger"},
    "plugin": {"_core", "_errors", "_windows", "_stores", "_report", "_ledger", "_ansible"},
}
#: _core may also raise our errors, and nothing else of ours
ALLOWED["_core"] = {"_errors"}

#: what _core may use of the standard library: nothing that reaches outside the process
_PURE_NAMES = """
    __future__ abc base64 binascii bisect calendar collections contextlib csv dataclasses datetime decimal enum fractions functools hashlib
    heapq hmac html io itertools json math operator re secrets statistics string struct textwrap types typing unicodedata uuid zlib
"""
PURE = frozenset(_PURE_NAMES.split())
#: what only _ansible and the plugins may import
ANSIBLE = {"ansible", "ansible_collections"}
#: third-party libraries _core may never know; _core may import cryptography, guarded, for proofs
CORE_THIRD_PARTY = {"cryptography"}


@dataclass(frozen=True)
class Import:
    """One import: the absolute dotted module, where, and whether it is guarded (in a try, a function, or for types only)."""

    module: str
    line: int
    guarded: bool


def imports(path: Path, package: str) -> Iterator[Import]:
    """Every import of a source file with relative ones made absolute; ``package`` is the dotted package that holds the file."""
    yield from _imports(ast.parse(path.read_text(encoding="utf-8"), filename=str(path)), package, guarded=False)


def _imports(node: ast.AST, package: str, *, guarded: bool) -> Iterator[Import]:
    for child in ast.iter_child_nodes(node):
        inner = (
            guarded
            or isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
            or _catches_import_error(child)
            or _types_only(child)
        )
        if isinstance(child, ast.Import):
            yield from (Import(alias.name, child.lineno, guarded) for alias in child.names)
        elif isinstance(child, ast.ImportFrom):
            base = package.split(".")[: len(package.split(".")) - child.level + 1] if child.level else []
            stem = ".".join([*base, *([child.module] if child.module else [])])
            # "from . import x" may name modules: take each name as one
            yield from (
                Import(f"{stem}.{alias.name}" if child.level and not child.module else stem, child.lineno, guarded) for alias in child.names
            )
        else:
            yield from _imports(child, package, guarded=inner)


def _catches_import_error(node: ast.AST) -> bool:
    if not isinstance(node, ast.Try):
        return False
    caught = [name.id for handler in node.handlers for name in ast.walk(handler.type or ast.Name("all")) if isinstance(name, ast.Name)]
    return "ImportError" in caught or "ModuleNotFoundError" in caught


def _types_only(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)


def dotted(path: Path) -> str:
    """The dotted package that holds a file of the checkout, without the collection's own name."""
    return ".".join(path.relative_to(ROOT).parent.parts)


def room(module: str) -> str:
    """The room of a module of plugins/: a folder of plugin_utils, ``_errors``, or ``plugin`` for the thin layer."""
    parts = module.split(".")
    if parts[:2] == ["plugins", "plugin_utils"]:
        return parts[2] if len(parts) > 2 else "plugin"
    return "plugin"


def ours(module: str, package: str) -> str | None:
    """The module without the collection's name where it is one of the collection, else None."""
    for prefix in (f"{COLLECTION}.", "plugins.", "tests."):
        if module.startswith(prefix):
            return module.removeprefix(f"{COLLECTION}.")
    return None


def wrong_arrows(path: Path, package: str) -> list[str]:
    """Sentences about the imports of a file under plugins/ that the house does not allow."""
    here = room(f"{package}.{path.stem}")
    wrong = []
    for found in imports(path, package):
        target = ours(found.module, package)
        top = found.module.partition(".")[0]
        if target is not None and not target.startswith("plugins."):
            wrong.append(f"line {found.line}: plugins import nothing of {target}")
        elif target is not None and room(target) != here and room(target) not in ALLOWED[here]:
            wrong.append(f"line {found.line}: {here} may not import {room(target)} ({target})")
        elif target is None and top in ANSIBLE and here not in {"_ansible", "plugin"}:
            wrong.append(f"line {found.line}: {here} may not import {found.module}")
        elif target is None and here in {"_core", "_errors"} and top not in PURE | CORE_THIRD_PARTY:
            wrong.append(f"line {found.line}: {here} is pure and may not import {found.module}")
        elif target is None and top not in sys.stdlib_module_names and top not in ANSIBLE and not found.guarded:
            wrong.append(f"line {found.line}: {found.module} is imported unguarded at the top of the module")
    return wrong


PLUGINS = sorted(path for path in (ROOT / "plugins").rglob("*.py") if "__pycache__" not in path.parts)
LAB = sorted(path for path in (ROOT / "tests" / "lab").rglob("*.py") if "__pycache__" not in path.parts)


@pytest.mark.parametrize("path", PLUGINS, ids=lambda path: str(path.relative_to(ROOT)))
def test_plugins_keep_the_arrows(path: Path) -> None:
    assert wrong_arrows(path, dotted(path)) == []


@pytest.mark.parametrize("path", LAB, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_lab_shares_no_code_with_plugins(path: Path) -> None:
    targets = [ours(found.module, dotted(path)) for found in imports(path, dotted(path))]
    assert [target for target in targets if target and target.startswith("plugins")] == []


def test_there_is_something_to_read() -> None:
    assert len(PLUGINS) > 10
    assert LAB


@pytest.mark.parametrize(
    ("place", "source", "expected"),
    [
        ("plugins/plugin_utils/_core", "from .._windows.wsman import session", "_core may not import _windows"),
        ("plugins/plugin_utils/_core", "import socket", "pure"),
        ("plugins/plugin_utils/_core", "import os", "pure"),
        ("plugins/plugin_utils/_core", "def f():\n    from pathlib import Path", "pure"),
        ("plugins/plugin_utils/_core", "from ansible.errors import AnsibleError", "may not import ansible"),
        ("plugins/plugin_utils/_windows/wsman", "from ..._stores import x", "_windows may not import _stores"),
        ("plugins/plugin_utils/_stores/ad", "from ..._ansible.base import KeywardAction", "_stores may not import _ansible"),
        ("plugins/plugin_utils/_report", "from .. import _windows", "_report may not import _windows"),
        ("plugins/plugin_utils/_ledger", "from .._stores.port import Store", "_ledger may not import _stores"),
        ("plugins/plugin_utils/_stores/ad", "from ..._ledger.seal import Seal", "_stores may not import _ledger"),
        ("plugins/plugin_utils/_ledger", "import sqlalchemy", "unguarded"),
        ("plugins/plugin_utils/_report", "from ansible.errors import AnsibleError", "may not import ansible"),
        ("plugins/plugin_utils/_ansible", "from ...action.volume_info import ActionModule", "_ansible may not import plugin"),
        ("plugins/plugin_utils/_stores/ad", "import ldap3", "unguarded"),
        ("plugins/action", f"from {COLLECTION}.tests.lab import model", "plugins import nothing of tests.lab"),
    ],
)
def test_positive_control_a_wrong_arrow_is_seen(tmp_path: Path, place: str, source: str, expected: str) -> None:
    path = tmp_path / "sample.py"
    path.write_text(source, encoding="utf-8")
    (problem,) = wrong_arrows(path, place.replace("/", "."))
    assert expected in problem


@pytest.mark.parametrize(
    ("place", "source"),
    [
        ("plugins/plugin_utils/_core", "import hashlib\nfrom .._errors import BadDataError\nfrom .redaction import Secret"),
        ("plugins/plugin_utils/_core", "try:\n    import cryptography\nexcept ImportError:\n    cryptography = None"),
        ("plugins/plugin_utils/_stores/ad", "try:\n    import ldap3\nexcept ImportError:\n    ldap3 = None"),
        ("plugins/plugin_utils/_stores/ad", "def f():\n    import ldap3"),
        ("plugins/plugin_utils/_stores/ad", "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import ldap3"),
        ("plugins/plugin_utils/_windows/wsman", "import socket, ssl\nfrom ..._core.model import Entry\nfrom .port import Transport"),
        ("plugins/plugin_utils/_ansible", "from ansible.errors import AnsibleError\nfrom .._stores.ad import store"),
        ("plugins/action", "from ..plugin_utils._ansible.base import KeywardAction\nfrom ..plugin_utils._report import document"),
    ],
)
def test_negative_control(tmp_path: Path, place: str, source: str) -> None:
    path = tmp_path / "sample.py"
    path.write_text(source, encoding="utf-8")
    assert wrong_arrows(path, place.replace("/", ".")) == []
