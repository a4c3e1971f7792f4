# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a secret may leave its type: an explicit list, read against the sources. Anything else needs a decision here first."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PLUGINS = Path(__file__).resolve().parents[2] / "plugins"
SOURCES = sorted(path for path in PLUGINS.rglob("*.py") if "__pycache__" not in path.parts)

#: file and function -> why a secret must leave its type there
EXITS = {
    ("plugin_utils/_ansible/disclosure.py", "disclose"): "the disclosure gate: to a user, after its audit record",
    ("filter/recovery_key_spoken.py", "read_out"): "a filter: its user's own value, in words, into its user's own template",
    ("plugin_utils/_core/recovery_password_forms.py", "_said"): "the words of a group; the result is a Secret again",
    ("plugin_utils/_core/recovery_password_forms.py", "digits"): "taking out separators; the result is a Secret again",
    ("plugin_utils/_core/recovery_password_forms.py", "groups"): "taking it apart; the results are Secrets again",
    ("action/recovery_key_show.py", "_log"): "a key, after its audit record: into the job's log, by output: job_log alone",
    ("plugin_utils/_ansible/controlling_terminal.py", "_write"): "a key, after its audit record: to the terminal, past Ansible",
    ("plugin_utils/_ansible/sheet_files.py", "_content"): "a recovery sheet, after its audit records: to the disk, by sealed: false alone",
    ("plugin_utils/_report/key_screen.py", "screen"): "the digits, into a screen that is a Secret",
    ("plugin_utils/_report/key_codes.py", "square_of"): "a recovery sheet: the QR code of the digits",
    ("plugin_utils/_report/key_codes.py", "bars_of"): "a recovery sheet: the bar code of the digits",
    ("plugin_utils/_report/sheet_html.py", "_groups"): "a recovery sheet: the digits, into a document that is a Secret",
    ("plugin_utils/_report/sheet_pdf.py", "_groups"): "a recovery sheet: the digits, into a document that is a Secret",
    ("plugin_utils/_core/recovery_password.py", "parse"): "arithmetic on the digits; the result is a Secret again",
    ("plugin_utils/_core/recovery_password.py", "damaged_groups"): "arithmetic on the digits; the result is positions",
    ("plugin_utils/_ansible/proof_pool.py", "to_line"): "what is to be proven: to a worker, by its standard input",
    ("plugin_utils/_core/key_files/contents.py", "is_pdf"): "how a file begins; the result is a yes or no",
    ("plugin_utils/_core/key_files/contents.py", "is_other"): "how a file begins; the result is a yes or no",
    ("plugin_utils/_core/key_files/contents.py", "recognise"): "taking a file apart; its passwords are Secrets again",
    ("plugin_utils/_core/key_files/contents.py", "_mark"): "a keyed hash, to tell equal passwords from different ones",
    ("plugin_utils/_stores/files/pdf.py", "pdf_texts"): "a PDF: to the process that takes its text out, by its standard input",
    ("plugin_utils/_stores/files/walk.py", "read"): "the size of a file",
    ("plugin_utils/_core/key_proof/external_key.py", "parse_external_key"): "taking a .BEK file apart; its key is a Secret again",
    ("plugin_utils/_core/key_proof/unsealing.py", "recovery_password_key"): "the stretch; the result is a Secret again",
    ("plugin_utils/_core/key_proof/unsealing.py", "unwrap"): "the key: to AES-CCM",
    ("plugin_utils/_core/proof_plan.py", "datum_digest"): "finding a protector in its package; the digest is of what is wrapped",
    ("plugin_utils/_ansible/repair_proofs.py", "written_at"): "finding a protector in its package; the result is a time",
    ("plugin_utils/_ansible/repair_proofs.py", "_digest"): "finding a protector in its package; the digest is of what is wrapped",
    ("plugin_utils/_core/recovery_password.py", "to_binary"): "arithmetic on the digits; the result is a Secret again",
    ("plugin_utils/_core/recovery_password.py", "from_binary"): "arithmetic on the bytes; the result is a Secret again",
    ("plugin_utils/_ansible/vault_sealing.py", "seal"): "a copy's text as bytes, which are a Secret again",
    ("plugin_utils/_ansible/vault_sealing.py", "seal_document"): "a copy or a recovery sheet: to Ansible Vault, which seals it",
    ("plugin_utils/_core/vault_record.py", "mark_of"): "a recovery password: to HMAC, of which an eighth is kept",
    ("plugin_utils/_core/vault_text.py", "body_text"): "recovery passwords: into the text that is sealed, a Secret again",
    ("plugin_utils/_core/vault_text.py", "read_body"): "a copy's text: taken apart; its passwords are Secrets again",
    ("plugin_utils/_stores/vault/age.py", "_quietly_parsed"): "private keys: to pyrage",
    ("plugin_utils/_stores/vault/age.py", "seal"): "a copy's text as bytes, which are a Secret again",
    ("plugin_utils/_stores/vault/age.py", "seal_document"): "a copy or a recovery sheet: to pyrage, which seals it",
    ("plugin_utils/_ledger/engine.py", "_postgresql"): "the ledger's password: to the database driver",
    ("plugin_utils/_ledger/seal.py", "_derive"): "the ledger's key: to HMAC; the result is a Secret again",
    ("plugin_utils/_ledger/seal.py", "_digest"): "the ledger's key: to HMAC",
    ("plugin_utils/_ledger/seal.py", "_write_key"): "the ledger's key: into its own file, when it is made",
    ("plugin_utils/_ledger/seal.py", "value_mark"): "a recovery password: to HMAC with a key that lies outside the ledger",
    ("plugin_utils/_stores/active_directory/connect.py", "_bind"): "simple bind: to the directory, over TLS",
    ("plugin_utils/_stores/active_directory/kerberos.py", "credentials"): "the account's password: to the Kerberos library",
    ("plugin_utils/_stores/entra/credentials.py", "client_credential"): "the client secret: to msal",
    ("plugin_utils/_stores/entra/credentials.py", "read"): "the federated token: to msal, when it asks for it",
    ("plugin_utils/_stores/entra/credentials.py", "_load"): "the password of a certificate's key: to cryptography",
    ("plugin_utils/_stores/entra/graph.py", "_headers"): "the token: to Graph, over TLS",
    ("plugin_utils/_windows/key_packages.py", "encoded_readings"): "a key package: into the result of volume_info, which is then no-log",
    ("plugin_utils/_windows/wsman/transports/kerberos.py", "kinit"): "the account's password: to kinit, by its standard input",
    ("plugin_utils/_windows/wsman/transports/lean.py", "_authorization"): "Basic authentication: to the host",
    ("plugin_utils/_windows/wsman/transports/pywinrm.py", "__init__"): "authentication: to pywinrm",
}
#: the type itself
THE_TYPE = "plugin_utils/_core/redaction.py"

#: names of what makes a secret that nobody has put into the type yet, and where alone they may stand
RAW = {
    "private_bytes": {("plugin_utils/_stores/entra/credentials.py", "_certificate")},
    "access_token": {("plugin_utils/_stores/entra/auth.py", "renew")},
}

#: modules that turn objects into bytes or run text as code, and so pass by a type's mask
FORBIDDEN_MODULES = {"pickle", "cPickle", "_pickle", "marshal", "shelve", "copyreg", "dill", "cloudpickle", "joblib", "jsonpickle"}
FORBIDDEN_CALLS = {"eval", "exec", "compile", "__import__"}


def revelations(tree: ast.AST, function: str = "") -> Iterator[tuple[str, int]]:
    """Function and line of what takes a secret out of its type, or looks as if: ``reveal`` or ``_hidden``, as attribute or as text.

    A call of another ``reveal``, which takes arguments, is none: a secret's own takes nothing.
    """
    for node in ast.iter_child_nodes(tree):
        inner = node.name if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) else function
        if _reveals(node):
            yield inner, getattr(node, "lineno", 0)
        if isinstance(node, ast.Call) and node.args and isinstance(node.func, ast.Attribute) and _is_an_object(node.func.value):
            for part in (node.func.value, *node.args, *node.keywords):
                yield from revelations(ast.Expression(body=part) if isinstance(part, ast.expr) else part, inner)
        else:
            yield from revelations(node, inner)


def _is_an_object(node: ast.expr) -> bool:
    """Whether a method's owner is an object and not a class, through which ``Secret.reveal(secret)`` would go."""
    return not isinstance(node, ast.Call) and not (isinstance(node, ast.Name) and node.id[:1].isupper())


def _reveals(node: ast.AST) -> bool:
    if isinstance(node, ast.Attribute):
        return node.attr in {"reveal", "_hidden"}
    if isinstance(node, ast.Constant):
        return node.value == "_hidden"
    if isinstance(node, ast.Call) and any(isinstance(argument, ast.Constant) and argument.value == "reveal" for argument in node.args):
        return getattr(node.func, "id", getattr(node.func, "attr", "")) in {"getattr", "methodcaller", "attrgetter"}
    return False


def forbidden(tree: ast.AST) -> Iterator[str]:
    """Imports and calls that nothing in plugins/ may make."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.partition(".")[0] in FORBIDDEN_MODULES)
        elif isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] in FORBIDDEN_MODULES:
            yield str(node.module)
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in FORBIDDEN_CALLS:
            yield node.func.id


def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(PLUGINS)))
def test_a_secret_leaves_its_type_only_where_listed(path: Path) -> None:
    name = str(path.relative_to(PLUGINS))
    if name == THE_TYPE:
        return
    strays = [f"{function or 'the module'} in line {line}" for function, line in revelations(parsed(path)) if (name, function) not in EXITS]
    assert not strays, f"{name} takes a secret out of its type ({', '.join(strays)}); the exits are listed in this test"


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(PLUGINS)))
def test_nothing_passes_by_the_mask(path: Path) -> None:
    assert list(forbidden(parsed(path))) == []


def raw(tree: ast.AST, function: str = "") -> Iterator[tuple[str, str]]:
    """Names of RAW, as attribute or as text, and the function that they stand in."""
    for node in ast.iter_child_nodes(tree):
        inner = node.name if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) else function
        found = node.attr if isinstance(node, ast.Attribute) else node.value if isinstance(node, ast.Constant) else None
        if isinstance(found, str) and found in RAW:
            yield found, inner
        yield from raw(node, inner)


def test_secrets_are_made_where_they_are_put_away() -> None:
    places: dict[str, set[tuple[str, str]]] = {}
    for path in SOURCES:
        for found, function in raw(parsed(path)):
            places.setdefault(found, set()).add((str(path.relative_to(PLUGINS)), function))
    assert places == RAW


@pytest.mark.parametrize(("name", "function"), EXITS, ids=str)
def test_every_listed_exit_is_one(name: str, function: str) -> None:
    assert function in {found for found, _line in revelations(parsed(PLUGINS / name))}, "take it off the list"


def test_there_is_something_to_read() -> None:
    assert len(SOURCES) > 10


@pytest.mark.parametrize(
    "source",
    [
        "x = secret.reveal()",
        "f = secret.reveal",
        "x = secret._hidden",
        "getattr(secret, 'reveal')()",
        "object.__getattribute__(secret, '_hidden')",
        "operator.methodcaller('reveal')(s)",
        "Secret.reveal(secret)",
        "type(secret).reveal(secret)",
        "print(secret.reveal())",
        "sink.write(secret.reveal(), x)",
        "lookup.reveal(secret.reveal())",
        "map(Secret.reveal, secrets)",
    ],
)
def test_positive_control_exits_are_seen(source: str) -> None:
    assert list(revelations(ast.parse(source)))


@pytest.mark.parametrize(
    "source", ["import pickle", "import pickle as p", "from marshal import dumps", "import os, shelve", "eval('1')", "exec('x')"]
)
def test_positive_control_forbidden_is_seen(source: str) -> None:
    assert list(forbidden(ast.parse(source)))


@pytest.mark.parametrize(
    "source",
    ["params['reveal']", "lookup.reveal(entry)", "params.get('reveal')", "import re; re.compile('x')", "reveal = True", "self.reveals(x)"],
)
def test_negative_control(source: str) -> None:
    tree = ast.parse(source)
    assert not list(revelations(tree))
    assert not list(forbidden(tree))
