# SPDX-License-Identifier: GPL-3.0-or-later
"""The filters and the test of recovery keys in templates: plain, vaulted, unsafe, undefined and wrong values."""

from __future__ import annotations

from typing import Any

import pytest
from ansible.parsing.vault import VaultLib, VaultSecret
from ansible_collections.keyward.bitlocker.tests.unit.resolver_matrix.playbook import Run, run_playbook

#: a published test key (cryptsetup's BitLocker test images)
PUBLISHED = "042647-302313-590458-071500-554323-116567-412181-516978"
BROKEN = PUBLISHED.replace("590458", "590459")
MASKED = "-".join(["******"] * 8)
FQCN = "keyward.bitlocker"

#: task -> expression
EXPRESSIONS = {
    "mask": f"key | {FQCN}.recovery_key_mask",
    "mask of a vaulted one": f"vaulted | {FQCN}.recovery_key_mask",
    "mask of what a lookup gives": f"lookup('ansible.builtin.file', playbook_dir ~ '/key.txt') | {FQCN}.recovery_key_mask",
    "mask of a list": f"[key, vaulted] | map('{FQCN}.recovery_key_mask') | list",
    "spoken length": f"(vaulted | {FQCN}.recovery_key_spoken).splitlines() | length",
    "spoken word": f"(key | {FQCN}.recovery_key_spoken('de')).split() | first",
    "valid": f"[key is {FQCN}.valid_recovery_key, vaulted is {FQCN}.valid_recovery_key, broken is {FQCN}.valid_recovery_key]",
    "no texts": f"[17 is {FQCN}.valid_recovery_key, none is {FQCN}.valid_recovery_key, [] is {FQCN}.valid_recovery_key]",
    "selected": f"[key, broken, 'x'] | select('{FQCN}.valid_recovery_key') | list | length",
}
EXPECTED = {
    "mask": MASKED,
    "mask of a vaulted one": MASKED,
    "mask of what a lookup gives": MASKED,
    "mask of a list": [MASKED, MASKED],
    "spoken length": 8,
    "spoken word": "Gruppe",
    "valid": [True, True, False],
    "no texts": [False, False, False],
    "selected": 1,
}
#: task -> expression and what its error says
WRONG = {
    "damaged": (f"broken | {FQCN}.recovery_key_mask", "the third group is damaged"),
    "damaged, spoken": (f"broken | {FQCN}.recovery_key_spoken", "the third group is damaged"),
    "short": (f"key[:20] | {FQCN}.recovery_key_mask", "not eight groups"),
    "a number": (f"17 | {FQCN}.recovery_key_mask", "type int"),
    "a list": (f"[key] | {FQCN}.recovery_key_mask", "recovery password as text"),
    "unknown language": (f"key | {FQCN}.recovery_key_spoken('tlh')", "Choose one of en, de"),
    "undefined": (f"nothing_of_that | {FQCN}.recovery_key_mask", "undefined"),
    "undefined, tested": (f"nothing_of_that is {FQCN}.valid_recovery_key", "undefined"),
}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """One run over all expressions, at -vvvv."""
    folder = tmp_path_factory.mktemp("filters")
    secret = VaultSecret(b"a passphrase of the tests")
    envelope = VaultLib([("default", secret)]).encrypt(PUBLISHED, secret).decode()
    variables = (
        f"key: '{PUBLISHED}'\nbroken: '{BROKEN}'\nvaulted: !vault |\n" + "\n".join(f"  {line}" for line in envelope.splitlines()) + "\n"
    )
    debug = "ansible.builtin.debug"
    tasks: list[dict[str, Any]] = [{"name": name, debug: {"msg": f"{{{{ {text} }}}}"}} for name, text in EXPRESSIONS.items()]
    tasks += [{"name": name, debug: {"msg": f"{{{{ {text} }}}}"}, "ignore_errors": True} for name, (text, _said) in WRONG.items()]
    plays = [{"hosts": "pc01", "gather_facts": False, "vars_files": ["variables.yml"], "tasks": tasks}]
    files = {"variables.yml": variables, "key.txt": PUBLISHED, "passphrase": "a passphrase of the tests"}
    arguments = ["-vvvv", "--vault-password-file", str(folder / "passphrase")]
    return run_playbook(folder, plays, {"pc01": {"ansible_connection": "local"}}, *arguments, files=files)


@pytest.mark.parametrize("name", list(EXPRESSIONS))
def test_what_a_template_gives(run: Run, name: str) -> None:
    found = run.result(name)["msg"]
    # ansible-core before 2.19 makes a text of a number
    assert (type(EXPECTED[name])(found) if isinstance(EXPECTED[name], int) else found) == EXPECTED[name]


@pytest.mark.parametrize("name", list(WRONG))
def test_what_is_wrong_is_said(run: Run, name: str) -> None:
    assert WRONG[name][1] in run.failure(name)["msg"]


def test_nothing_of_a_key_is_printed(run: Run) -> None:
    assert run.code == 0, run.output
    digits = [PUBLISHED, BROKEN, *(group for group in PUBLISHED.split("-") if group != "000000")]
    assert [text for text in digits if text in run.output + str(run.record)] == []
