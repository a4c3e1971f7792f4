# SPDX-License-Identifier: GPL-3.0-or-later
"""The lookup recovery_key in templates of this ansible-core: plain, lazy, vaulted and undefined arguments, loops, records, errors."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from ansible.parsing.vault import VaultLib, VaultSecret
from ansible_collections.keyward.bitlocker.tests.unit.resolver_matrix.playbook import Run, run_playbook

#: a published test key (cryptsetup's BitLocker test images)
PUBLISHED = "042647-302313-590458-071500-554323-116567-412181-516978"
KEY_ID = "1A2B3C4D-0102-4304-8506-0708090A0B0C"
SAVED = (
    f"BitLocker Drive Encryption recovery key\r\n\r\nIdentifier:\r\n\r\n      {KEY_ID}\r\n\r\nRecovery Key:\r\n\r\n      {PUBLISHED}\r\n"
)
#: a name that a template would change
NAME = "BitLocker {{ 7 * 7 }}.TXT"
FQCN = "keyward.bitlocker.recovery_key"
GIVEN = "file=where, reason=why, audit_file=audit"

#: task -> expression and its value
EXPRESSIONS: dict[str, tuple[str, Any]] = {
    "plain": (f"lookup('{FQCN}', '1a2b3c4d', {GIVEN})", PUBLISHED),
    "list": (f"lookup('{FQCN}', terms, {GIVEN}, wantlist=true)", [PUBLISHED, PUBLISHED]),
    "query": (f"query('{FQCN}', *terms, {GIVEN})", [PUBLISHED, PUBLISHED]),
    "options as variables": (f"query('{FQCN}', '1a2b3c4d', **options)", [PUBLISHED]),
    "record": (f"lookup('{FQCN}', '1a2b3c4d', {GIVEN}, record=true).recovery_password", PUBLISHED),
    "a name is no template": (f"lookup('{FQCN}', '1a2b3c4d', {GIVEN}, record=true).owner | basename", NAME),
    "an error that is ignored": (f"lookup('{FQCN}', 'ffffffff', {GIVEN}, errors='ignore') is none", True),
    "boolean as text": (f"lookup('{FQCN}', '1a2b3c4d', {GIVEN}, record='yes').key_id", KEY_ID.lower()),
}
#: task -> expression and what its error says
WRONG = {
    "not there": (f"lookup('{FQCN}', 'ffffffff', {GIVEN})", "there is none in file"),
    "no reason": (f"lookup('{FQCN}', '1a2b3c4d', file=where, audit_file=audit)", "reason"),
    "no place for records": (f"lookup('{FQCN}', '1a2b3c4d', file=where, reason=why)", "KEYWARD_AUDIT_FILE"),
    "unknown option": (f"lookup('{FQCN}', '1a2b3c4d', {GIVEN}, sorces=['file'])", "sorces"),
    "undefined term": (f"lookup('{FQCN}', nothing_of_that, {GIVEN})", "undefined"),
    "undefined option": (f"lookup('{FQCN}', '1a2b3c4d', {GIVEN}, ticket=nothing_of_that)", "undefined"),
    "undefined inside an option": (f"lookup('{FQCN}', '1a2b3c4d', file=broken, reason=why, audit_file=audit)", "undefined"),
}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """One run over all expressions; each value is shown, since the test wants to see it."""
    folder = tmp_path_factory.mktemp("lookup")
    (folder / "keys").mkdir()
    (folder / "keys" / NAME).write_bytes(SAVED.encode("utf-16"))
    secret = VaultSecret(b"a passphrase of the tests")
    envelope = VaultLib([("default", secret)]).encrypt("INC-4711", secret).decode()
    variables = {
        "folder": "{{ playbook_dir }}/keys",
        "where": {"paths": ["{{ folder }}"]},
        "broken": {"paths": ["{{ nothing_of_that }}"]},
        "audit": str(folder / "private" / "audit.jsonl"),
        "terms": ["1a2b3c4d", "{{ '1A2B3C4D' | lower }}"],
        "options": {"file": "{{ where }}", "reason": "{{ why }}", "audit_file": "{{ audit }}"},
    }
    vaulted = "why: !vault |\n" + "\n".join(f"  {line}" for line in envelope.splitlines()) + "\n"
    debug = "ansible.builtin.debug"
    tasks: list[dict[str, Any]] = [{"name": name, debug: {"msg": f"{{{{ {text} }}}}"}} for name, (text, _value) in EXPRESSIONS.items()]
    tasks += [{"name": name, debug: {"msg": f"{{{{ {text} }}}}"}, "ignore_errors": True} for name, (text, _said) in WRONG.items()]
    item = f"{{{{ lookup('{FQCN}', item, {GIVEN}) }}}}"
    tasks.append({"name": "loop", debug: {"msg": item}, "loop": ["1a2b3c4d", KEY_ID, f"key_id:{KEY_ID}"]})
    asked = {"terms": "1a2b3c4d", "file": "{{ where }}", "reason": "{{ why }}", "audit_file": "{{ audit }}"}
    tasks.append({"name": "masked", "keyward.bitlocker.recovery_key_info": asked})
    tasks.append({"name": "revealed", "keyward.bitlocker.recovery_key_info": asked | {"reveal": True}, "register": "kept"})
    tasks.append({"name": "used", debug: {"msg": "{{ kept['keys'][0].recovery_password }}"}})
    plays = [{"hosts": "pc01", "gather_facts": False, "vars": variables, "vars_files": ["variables.yml"], "tasks": tasks}]
    files = {"variables.yml": vaulted, "passphrase": "a passphrase of the tests"}
    arguments = ["--vault-password-file", str(folder / "passphrase")]
    return run_playbook(folder, plays, {"pc01": {"ansible_connection": "local"}}, *arguments, files=files)


@pytest.mark.parametrize("name", list(EXPRESSIONS))
def test_what_a_template_gives(run: Run, name: str) -> None:
    assert run.result(name)["msg"] == EXPRESSIONS[name][1]


@pytest.mark.parametrize("name", list(WRONG))
def test_what_is_wrong_is_said(run: Run, name: str) -> None:
    failure = run.failure(name)["msg"]
    assert WRONG[name][1] in failure
    assert PUBLISHED[:6] not in failure


def test_each_item_of_a_loop_gets_its_key(run: Run) -> None:
    assert run.code == 0, run.output
    assert [item["msg"] for item in run.result("loop")["results"]] == [PUBLISHED] * 3


def test_the_module_masks_and_marks_its_result(run: Run) -> None:
    (row,) = run.result("masked")["keys"]
    assert row["recovery_password"] == "-".join(["******"] * 8)
    assert "censored" in run.result("revealed")
    assert run.result("used")["msg"] == PUBLISHED


def test_each_key_is_on_record_with_the_reason_from_the_vault(run: Run, tmp_path_factory: pytest.TempPathFactory) -> None:
    (audit,) = Path(tmp_path_factory.getbasetemp()).glob("lookup0/private/audit.jsonl")
    records = [json.loads(line) for line in audit.read_text(encoding="utf-8").splitlines()]
    given = [(record["action"], record["reason"]) for record in records if "action" in record]
    # two are looked up as a list, twice; the others one by one
    assert given == [("lookup", "INC-4711")] * (5 + 2 * 2 + 3) + [("reveal", "INC-4711")]
