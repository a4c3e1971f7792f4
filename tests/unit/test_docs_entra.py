# SPDX-License-Identifier: GPL-3.0-or-later
"""What the guides say about Entra ID is held against the code: options and defaults, clouds, permissions, codes and messages."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._stores.active_directory import settings as ad
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._stores.entra import devices, failures, keys, managed, settings
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._stores.entra.reader import OWN_DEVICES_REASON
from ansible_collections.keyward.bitlocker.tests.unit.test_docs import LABEL, guide, table_rows, texts_of_the_code

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGE = guide("entra_id")
#: IDs of Graph's application permissions (Graph permissions reference)
PERMISSIONS = {
    failures.READ_BASIC: "f690d423-6b29-4d04-98c6-694c42282419",
    failures.DEVICES: "7438b122-aefc-4978-80ed-43db9fcc7715",
    failures.READ: "57f1cf28-c0c4-4ec3-9a30-19a2eaaf2f6e",
    managed.MANAGED: "2f51be20-0bb4-4fed-bf7b-db946066c75e",
}
#: what the report needs, and no more
LEAST = {failures.READ_BASIC, failures.DEVICES}


def literals(cell: str) -> list[str]:
    return re.findall(r"``([^`]+)``", cell)


def entra_rows() -> list[list[str]]:
    """The tables of the troubleshooting page that are about Entra ID."""
    text = guide("troubleshooting").partition(f".. _{LABEL}troubleshooting.entra:")[2].partition("\nFinding and revealing keys\n")[0]
    rows = [row for row in table_rows(text) if row[0] not in ("Message", "Code", "Answer")]
    assert len(rows) > 60
    return rows


def test_every_option_is_in_the_guide_with_the_default_of_the_code() -> None:
    rows = {name: row for row in table_rows(PAGE) for name in literals(row[0]) if len(row) == 3}
    names = {"idle_days": "max_idle_days"}
    for name, definition in settings.EntraSettings.__dataclass_fields__.items():
        row, default = rows[names.get(name, name)], definition.default
        if isinstance(default, bool):
            assert row[1] == str(default).lower(), name
        elif isinstance(default, int):
            assert row[1] == str(default), name
        elif isinstance(default, tuple):
            assert row[1] == ", ".join(default), name


def test_every_environment_variable_is_in_the_guide() -> None:
    rows = {name: row for row in table_rows(PAGE) for name in literals(row[0]) if len(row) == 3}
    for option, variable in settings.ENVIRONMENT.items():
        assert f"``{variable}``" in " ".join(rows[option][1:]), option


def test_the_methods_are_those_of_the_code() -> None:
    rows = [
        row
        for row in table_rows(PAGE)
        if row[0] in ("Managed identity", "Federated credential", "Certificate", "Client secret", "A person")
    ]
    assert {literals(row[1])[0] for row in rows} == set(settings._NEEDS)


def test_the_clouds_are_those_of_the_code() -> None:
    rows = {literals(row[0])[0]: row for row in table_rows(PAGE) if row[0].startswith("``Azure")}
    assert {name: (literals(row[2])[0], literals(row[3])[0]) for name, row in rows.items()} == {
        name: (cloud.graph, cloud.authority) for name, cloud in settings.CLOUDS.items()
    }


def test_the_permissions_bear_their_names_and_ids() -> None:
    rows = {literals(row[0])[0]: literals(row[1])[0] for row in table_rows(PAGE) if "Read" in row[0]}
    assert rows == PERMISSIONS


def test_readme_asks_for_the_least() -> None:
    asked = dict(re.findall(r"^\| `(\S+\.All)` \| `([0-9a-f-]{36})` \|$", README, re.MULTILINE))
    assert asked == {name: PERMISSIONS[name] for name in LEAST}


def test_every_id_in_a_command_is_one_of_the_least() -> None:
    """A command that is copied from the guide never gives the report more than it needs."""
    blocks = re.findall(r"\.\. code-block:: console\n\n((?:   .*\n|\n)+)", PAGE)
    given = {found for block in blocks for found in re.findall(r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b", block)}
    graph = "00000003-0000-0000-c000-000000000000"
    example = "0d9c2b1a-5f4e-4d3c-8b2a-190807060504"
    assert given - {graph, example} == {PERMISSIONS[name] for name in LEAST}


def test_every_code_that_is_understood_is_in_the_table_with_its_meaning() -> None:
    described = {int(code): literals(row[1])[0] for row in entra_rows() for code in re.findall(r"AADSTS(\d+)", row[0])}
    assert described == {code: meaning for code, (meaning, _remedy) in failures._SIGN_IN.items()}


def test_every_message_about_entra_is_one_that_the_code_makes() -> None:
    unknown = []
    for row in entra_rows():
        for message in literals(row[1] if len(row) == 3 else row[0]):
            pieces = [piece.strip() for piece in message.split("…") if piece.strip(" ()")]
            unknown += [piece for piece in pieces if piece not in texts_of_the_code() and piece.strip("()") not in texts_of_the_code()]
    assert unknown == []


def test_a_reading_in_a_persons_name_is_explained_in_its_own_words() -> None:
    assert [row for row in entra_rows() if OWN_DEVICES_REASON in literals(row[1])]


def test_what_is_asked_of_graph_is_what_the_guide_says() -> None:
    text = "".join(PAGE.partition(".. code-block:: text\n")[2].partition("\n* **A key")[0].split())
    for query in (keys.every(), devices.every()):
        assert f"GET/v1.0/{query.path}?" in text
        for name, value in query.options.items():
            assert f"{name}={value}" in text


@pytest.mark.parametrize("name", ["entra_id", "first_run", "secrets"])
def test_yaml_in_the_guides_can_be_read(name: str) -> None:
    blocks = re.findall(r"^( *)\.\. code-block:: yaml\n\n((?:\1   .*\n|\n)+)", guide(name), re.MULTILINE)
    assert blocks
    for _indent, block in blocks:
        yaml.safe_load("\n".join(line[len(_indent) + 3 :] for line in block.splitlines()))


def test_secrets_are_read_from_the_variables_that_the_guide_names() -> None:
    options = guide("secrets").partition("- Option\n")[2].partition("\nSo this task has no secret")[0]
    rows = table_rows(options)
    told = {literals(row[1])[0] for row in rows}
    assert told == {ad.ENVIRONMENT["password"], settings.ENVIRONMENT["secret"], settings.ENVIRONMENT["certificate_password"]}
