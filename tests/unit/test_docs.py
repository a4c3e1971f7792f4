# SPDX-License-Identifier: GPL-3.0-or-later
"""The guides are held against the code: what they name exists, and what exists is named.

Read are the files themselves: README.md, CONTRIBUTING.md, docs/docsite/rst, the playbook, and the text constants of plugins/.
"""

from __future__ import annotations

import ast
import functools
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, get_type_hints

import jmespath
import pytest
import yaml
from ansible.plugins.loader import fragment_loader
from ansible.utils.plugin_docs import get_docstring
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._ansible import connection, host_options
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core import model
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.estate import judge_estate, known_computers
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.finding_catalogue import CATALOGUE
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.joins import InventoryHost, inventory_computers
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.requirements import Requirements
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._report import document
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._stores.active_directory.settings import DirectorySettings

ROOT = Path(__file__).resolve().parents[2]
GUIDES = ROOT / "docs" / "docsite" / "rst"
LABEL = "ansible_collections.keyward.bitlocker.docsite."
#: options of escrow_report that the playbook has no variable for, and why
NOT_IN_PLAYBOOK = {"observation_variable": "the playbook registers under the default name"}
#: variables of the playbook that are no option of escrow_report
OTHER_VARIABLES = {"keyward_gather_subset", "keyward_allow_incomplete"}


def guide(name: str) -> str:
    return (GUIDES / f"{name}.rst").read_text(encoding="utf-8")


def documented_options(module: str) -> dict[str, Any]:
    tree = ast.parse((ROOT / "plugins" / "modules" / f"{module}.py").read_text(encoding="utf-8"))
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.targets[0].id == "DOCUMENTATION":
            return dict(yaml.safe_load(ast.literal_eval(node.value))["options"])
    raise AssertionError(f"{module} has no DOCUMENTATION")


def table_rows(text: str) -> list[list[str]]:
    """The rows of every list-table, cells on one line each."""
    rows: list[list[str]] = []
    inside = False
    for line in text.splitlines():
        if line.startswith("   * -"):
            rows.append([line[6:].strip()])
            inside = True
        elif inside and line.startswith("     -"):
            rows[-1].append(line[6:].strip())
        elif inside and line.startswith("       "):
            rows[-1][-1] = f"{rows[-1][-1]} {line.strip()}"
        elif line.strip():
            inside = False
    return rows


def first_words(text: str) -> set[str]:
    """The literals in the first cells of all tables."""
    return {literal for row in table_rows(text) for literal in re.findall(r"``([^`]+)``", row[0])}


def section(text: str, label: str) -> str:
    """What follows a label of the page, up to the next one."""
    return text.partition(f".. _{LABEL}{label}:")[2].partition(f".. _{LABEL}")[0]


# --- reading the report ------------------------------------------------------------------------------------------------------------------


def test_every_finding_code_is_in_the_guide_with_its_name_and_severity() -> None:
    rows = [row for row in table_rows(guide("reading_the_report")) if row[0].startswith("KW-")]
    described = {row[0]: (row[1], row[2]) for row in rows}
    assert len(rows) == len(described), "a code is described twice"
    assert described == {code: (meaning.name, meaning.severity.value) for code, meaning in CATALOGUE.items()}
    assert all(row[3] for row in rows), "a code has nothing to do"


def test_the_guides_name_no_code_that_does_not_exist() -> None:
    for path in (ROOT / "README.md", *GUIDES.glob("*.rst")):
        named = set(re.findall(r"KW-[A-Z]{3}-\d{3}", path.read_text(encoding="utf-8")))
        assert named <= CATALOGUE.keys(), path.name


@pytest.mark.parametrize(
    ("label", "words"),
    [
        ("verdicts", model.Verdict),
        ("flags", model.Flag),
        ("states", [*model.EntryState, *model.StoreState]),
        ("joins", model.Join),
    ],
)
def test_every_word_of_the_report_is_explained_once_and_in_order(label: str, words: Any) -> None:
    rows = table_rows(section(guide("reading_the_report"), f"reading_the_report.{label}"))
    explained = [row[0].strip("`") for row in rows if row[0].startswith("``")]
    assert explained == [word.value for word in words]


def test_every_requirement_is_explained() -> None:
    explained = first_words(section(guide("reading_the_report"), "reading_the_report.requirements"))
    assert explained == set(get_type_hints(Requirements))


def example_report() -> dict[str, Any]:
    """A report with an escrowed, an unescrowed and an unobserved computer."""
    now = datetime(2026, 11, 22, 12, tzinfo=UTC)
    keys = {"pc01": "0123abcd-1111-2222-3333-444444444444", "pc02": "89abcdef-1111-2222-3333-444444444444"}

    def said(name: str) -> model.Observation:
        volume = model.ObservedVolume(
            device_id="\\\\?\\Volume{1}\\",
            letter="C:",
            type="os",
            conversion="fully_encrypted",
            method="xts_aes_256",
            protection="on",
            locked=False,
            protectors=(
                model.ObservedProtector(key_id="aaaaaaaa-1111-2222-3333-444444444444", type="tpm"),
                model.ObservedProtector(key_id=keys[name], type="recovery_password"),
            ),
        )
        return model.Observation(host=name, observed_at=now, dns_name=f"{name}.corp.example", bitlocker_installed=True, volumes=(volume,))

    failed = model.Observation(host="pc03", observed_at=now, reason=model.FailureReason.UNREACHABLE)
    requirements = Requirements(stores=("ad",))
    observations = {"pc01": [said("pc01")], "pc02": [said("pc02")], "pc03": [failed]}
    computers = inventory_computers([InventoryHost(name=name) for name in observations], observations, now=now, requirements=requirements)
    owners = tuple(
        model.Owner(store="ad", owner_id=f"id-{name}", name=name, location=name, dns_name=f"{name}.corp.example") for name in keys
    )
    entries = tuple(
        model.Entry(store="ad", owner_id="id-pc01", entry_id=f"entry-{at}", location=f"CN={at}", key_ids=(keys["pc01"],), created=created)
        for at, created in (("old", now.replace(year=2025)), ("new", now))
    )
    reading = model.StoreReading(store="ad", state=model.StoreState.SEARCHED, owners=owners, entries=entries)
    return document.build(judge_estate(known_computers(computers, [reading]), [reading], requirements, now=now), {})


def test_the_examples_of_queries_work_and_give_what_is_said() -> None:
    queries = re.findall(r"\.\. code-block:: text\n\n   (.+)\n", guide("reading_the_report"))
    assert len(queries) == 3
    report = example_report()
    nowhere, unseen, places = (jmespath.search(query, report) for query in queries)
    assert nowhere == [["pc02.corp.example", "C:"]]
    assert unseen == [{"name": "pc03", "verdict": "unknown", "why": "unreachable"}]
    assert [(place["state"], place["at"]) for place in places] == [("present", "CN=new"), ("absent", None)]


def test_every_key_of_the_report_that_the_guide_explains_exists() -> None:
    report = example_report()
    for key in ("summary", "complete", "passed", "stores", "requirements", "computers", "schema_version", "generated_at"):
        assert f"``{key}" in guide("reading_the_report")
        assert key in report


# --- first run: the playbook's variables -------------------------------------------------------------------------------------------------


def playbook_text() -> str:
    return (ROOT / "playbooks" / "escrow_report.yml").read_text(encoding="utf-8")


def playbook_task() -> dict[str, Any]:
    plays = yaml.safe_load(playbook_text())
    return next(
        dict(task["keyward.bitlocker.escrow_report"])
        for play in plays
        for task in play["tasks"]
        if len(task) > 1 and task["name"] == "Write the escrow report"
    )


def test_every_option_of_the_report_is_set_by_the_playbook_from_a_variable_of_its_name() -> None:
    options, given = documented_options("escrow_report"), playbook_task()
    assert given.keys() == options.keys() - NOT_IN_PLAYBOOK.keys()
    for name, value in given.items():
        assert f"keyward_{name}" in value, f"{name} is not set from keyward_{name}"


def test_the_variables_of_the_playbook_are_in_the_guide() -> None:
    explained = first_words(section(guide("first_run"), "first_run.variables"))
    used = set(re.findall(r"\bkeyward_[a-z_]+", re.sub(r"#.*", "", playbook_text()))) - {"keyward_observation", "keyward_report"}
    assert used == {f"keyward_{name}" for name in playbook_task()} | OTHER_VARIABLES
    assert explained == used


def test_the_readme_names_only_variables_that_the_playbook_has() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    recover = (ROOT / "playbooks" / "recover_key.yml").read_text(encoding="utf-8")
    known = set(re.findall(r"\bkeyward_[a-z_]+", playbook_text() + recover))
    assert set(re.findall(r"\bkeyward_[a-z_]+", readme)) - {"keyward_adapter"} <= known


# --- recover a key -----------------------------------------------------------------------------------------------------------------------


def recover_tasks() -> dict[str, dict[str, Any]]:
    """The arguments of the tasks of recover_key that are ours, by the task's name."""
    (play,) = yaml.safe_load((ROOT / "playbooks" / "recover_key.yml").read_text(encoding="utf-8"))
    return {task["name"]: task[key] for task in play["tasks"] for key in task if key.startswith("keyward.bitlocker.")}


def options_with_fragments(module: str) -> set[str]:
    path = ROOT / "plugins" / "modules" / f"{module}.py"
    return set(get_docstring(str(path), fragment_loader, collection_name="keyward.bitlocker", plugin_type="module")[0]["options"])


def test_the_playbook_for_a_recovery_offers_every_option_of_its_modules() -> None:
    tasks = recover_tasks()
    assert tasks["Show the key"].keys() == options_with_fragments("recovery_key_show")
    # sealed it always is, and made anew
    assert tasks["Seal the key into a file"].keys() == options_with_fragments("recovery_sheet") - {"sealed", "force"}


def test_the_variables_of_the_playbook_for_a_recovery_are_in_the_guide() -> None:
    text = (ROOT / "playbooks" / "recover_key.yml").read_text(encoding="utf-8")
    used = set(re.findall(r"\bkeyward_[a-z_]+", re.sub(r"#.*", "", text))) - {"keyward_sheet"}
    explained = first_words(section(guide("recover_a_key"), "recover_a_key.variables"))
    assert {name for name in explained if name.startswith("keyward_")} == used


def test_the_messages_of_the_guide_to_a_recovery_are_those_of_the_code() -> None:
    text = guide("recover_a_key").partition("When something is wrong")[2]
    literals = [literal for row in table_rows(text) for literal in re.findall(r"``([^`]+)``", row[0])]
    assert len(literals) == 5
    assert [literal for literal in literals if literal not in texts_of_the_code()] == []


# --- connecting, Active Directory --------------------------------------------------------------------------------------------------------


def test_every_winrm_variable_beside_the_plugins_own_is_in_the_guide() -> None:
    text = guide("connecting")
    for name in connection._EXTRAS:
        assert f"``ansible_winrm_{name}``" in text, name
    for name in connection._PSRP_ELSEWHERE:
        assert f"``{name}``" in text, name
    for adapter in connection.ADAPTERS:
        assert f"``{adapter}``" in text or f"{connection.ADAPTER_VARIABLE}: {adapter}" in text


def test_every_authentication_is_in_the_guide() -> None:
    assert first_words(guide("connecting")) >= connection.AUTHENTICATIONS
    assert host_options.Keywords.__dataclass_fields__.keys() == {"connection", "remote_user", "port", "password"}


def test_every_option_for_the_directory_is_in_the_guide_with_the_default_of_the_code() -> None:
    rows = {literal: row for row in table_rows(guide("active_directory")) for literal in re.findall(r"``([^`]+)``", row[0])}
    names = {"servers": "server", "idle_days": "max_idle_days"}
    for name, definition in DirectorySettings.__dataclass_fields__.items():
        row = rows[names.get(name, name)]
        if isinstance(definition.default, bool | int) and definition.default is not None:
            assert row[1] == str(definition.default).lower(), name


def test_the_grants_are_the_same_wherever_they_stand() -> None:
    readme, page = (ROOT / "README.md").read_text(encoding="utf-8"), guide("active_directory")
    lines = re.findall(r"^\s*(dsacls .*)$", readme, re.MULTILINE)
    assert len(lines) == 3
    assert [line for line in lines if line not in page] == []
    for found in re.findall(r"\(OA;CIIO;[^)]*\)", readme):
        assert found in page


# --- troubleshooting ---------------------------------------------------------------------------------------------------------------------


@functools.cache
def texts_of_the_code() -> str:
    """Every text constant of plugins/ and the playbook, a line each; texts with values in them are cut there."""
    found = [" ".join(playbook_text().split())]
    for path in sorted((ROOT / "plugins").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.append(node.value)
    return "\n".join(found)


def test_every_message_in_the_guide_is_one_that_the_code_makes() -> None:
    unknown = []
    foreign = {"Failed to import the required Python library"}
    rows = [row for row in table_rows(guide("troubleshooting")) if row[0] != "Message"]
    assert len(rows) > 80
    for row in rows:
        for literal in re.findall(r"``([^`]+)``", row[0]):
            pieces = [piece.strip() for piece in literal.split("…") if piece.strip()]
            unknown += [piece for piece in pieces if piece not in texts_of_the_code() and piece not in foreign]
    assert unknown == []


def test_a_message_that_nobody_makes_would_be_found() -> None:
    assert "the host refuses connections at this port" in texts_of_the_code()
    assert "the host declines connections at this port" not in texts_of_the_code()


# --- links -------------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md"])
def test_relative_links_lead_to_files(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    links = re.findall(r"\]\(([^)\s]+)\)", text)
    assert links
    dead = [link for link in links if "://" not in link and not (ROOT / link.partition("#")[0]).exists()]
    assert dead == []


def test_the_guides_are_those_of_the_table_of_contents_each_with_its_label() -> None:
    listed = yaml.safe_load((ROOT / "docs" / "docsite" / "extra-docs.yml").read_text(encoding="utf-8"))["sections"][0]["toctree"]
    assert sorted(listed) == sorted(path.stem for path in GUIDES.glob("*.rst"))
    for name in listed:
        assert f"\n.. _{LABEL}{name}:\n\n" in guide(name)


def test_references_between_guides_lead_to_labels() -> None:
    texts = [path.read_text(encoding="utf-8") for path in GUIDES.glob("*.rst")]
    labels = {label for text in texts for label in re.findall(r"^\.\. _(\S+):$", text, re.MULTILINE)}
    for text in texts:
        assert set(re.findall(rf":ref:`(?:[^`<]*<)?({re.escape(LABEL)}[\w.]+)>?`", text)) <= labels


def test_the_make_targets_that_documents_name_exist() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    for path in (ROOT / "README.md", ROOT / "CONTRIBUTING.md", GUIDES / "developing.rst"):
        named = set(re.findall(r"(?:``|`|^|\s)make ([a-z]+(?:-[a-z]+)*)(?=`|\s+#|$)", path.read_text(encoding="utf-8"), re.MULTILINE))
        assert named <= targets, path.name
        assert named
