# SPDX-License-Identifier: GPL-3.0-or-later
"""Options come from documentation alone, and what cannot be derived safely is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.module_utils.basic import PASSWORD_MATCH
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._ansible import options
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.redaction import Secret
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._errors import OptionError
from hypothesis import given, settings
from hypothesis import strategies as st

MODULES = sorted(path.stem for path in options.MODULES.glob("[!_]*.py"))

OPTIONS: dict[str, Any] = {
    "mode": {"description": "x", "type": "str", "choices": ["fast", "slow"], "default": "fast"},
    "kinds": {"description": "x", "type": "list", "elements": "str", "choices": {"os": "x", "fixed": "x"}, "default": ["os"]},
    "count": {"description": "x", "type": "int", "aliases": ["number"]},
    "password": {"description": "x", "type": "str"},
    "ad": {
        "description": "x",
        "type": "dict",
        "suboptions": {
            "server": {"description": ["x", "Else E(KEYWARD_TEST_SERVER)."], "type": "str", "required": True},
            "username": {"description": "x", "type": "str"},
            "password": {"description": "x", "type": "str"},
        },
    },
    "rows": {
        "description": "x",
        "type": "list",
        "elements": "dict",
        "suboptions": {"name": {"description": "x", "type": "str"}, "password": {"description": "x", "type": "str"}},
    },
}
RULES = {"": {"mutually_exclusive": [["count", "rows"]]}, "ad": {"required_together": [["username", "password"]]}}
ENVIRONMENT = options.under("ad", {"server": "KEYWARD_TEST_SERVER"})


def write(folder: Path, documented: dict[str, Any]) -> Path:
    text = yaml.safe_dump({"module": "sample", "short_description": "x", "description": ["x"], "options": documented}, sort_keys=False)
    path = folder / "sample.py"
    path.write_text(f"DOCUMENTATION = r'''\n{text}'''\n", encoding="utf-8")
    return path


def derive(folder: Path, documented: dict[str, Any] | None = None, **arguments: Any) -> options.OptionSpec:
    return options.derive("sample", documentation=write(folder, documented or OPTIONS), **arguments)


@pytest.fixture
def spec(tmp_path: Path) -> options.OptionSpec:
    return derive(tmp_path, rules=RULES, environment=ENVIRONMENT)


def test_documentation_becomes_the_spec(spec: options.OptionSpec) -> None:
    mode, kinds = spec.argument_spec["mode"], spec.argument_spec["kinds"]
    assert mode == {"type": "str", "choices": ["fast", "slow"], "default": "fast", "no_log": False}
    assert (kinds["elements"], kinds["choices"]) == ("str", ["os", "fixed"])
    assert spec.argument_spec["ad"]["options"]["server"]["required"] is True
    assert spec.argument_spec["ad"]["required_together"] == [["username", "password"]]


def test_values_are_converted_and_defaults_filled(spec: options.OptionSpec) -> None:
    values = spec.validate({"number": "3"}).values
    assert values["count"] == 3
    assert (values["mode"], values["kinds"], values["ad"]) == ("fast", ["os"], None)


def test_every_secret_comes_out_as_a_secret(spec: options.OptionSpec) -> None:
    given_values = {
        "password": "top-pw",
        "ad": {"server": "s", "username": "u", "password": "ad-pw"},
        "rows": [{"name": "n", "password": "row-pw"}],
    }
    values = spec.validate(given_values).values
    assert values["password"] == Secret("top-pw")
    assert values["ad"]["password"] == Secret("ad-pw")
    assert values["rows"][0]["password"] == Secret("row-pw")
    assert not any(text in repr(values) for text in ("top-pw", "ad-pw", "row-pw"))


def test_environment_is_the_fallback_and_the_option_wins(spec: options.OptionSpec, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEYWARD_TEST_SERVER", "from-environment")
    assert spec.validate({"ad": {}}).values["ad"]["server"] == "from-environment"
    assert spec.validate({"ad": {"server": "from-task"}}).values["ad"]["server"] == "from-task"
    monkeypatch.delenv("KEYWARD_TEST_SERVER")
    with pytest.raises(OptionError, match="server"):
        spec.validate({"ad": {}})


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({"mode": "warp"}, "mode"),
        ({"count": "many"}, "count"),
        ({"count": 1, "rows": []}, "mutually exclusive"),
        ({"ad": {"server": "s", "username": "u"}}, "password"),
        ({"nonsense": 1}, "unsupported options: nonsense"),
        ({"ad": {"server": "s", "nonsense": 1}}, "nonsense"),
        ({"ad": "not a dictionary"}, "ad"),
        ({"kinds": ["os", "tape"]}, "kinds"),
    ],
)
def test_a_bad_option_is_named(spec: options.OptionSpec, arguments: dict[str, Any], expected: str) -> None:
    with pytest.raises(OptionError) as caught:
        spec.validate({"password": "hunter2-secret"} | arguments)
    assert expected in str(caught.value)
    assert "hunter2-secret" not in str(caught.value)


def test_a_secret_repeated_in_another_option_stays_out_of_the_error(spec: options.OptionSpec) -> None:
    with pytest.raises(OptionError) as caught:
        spec.validate({"password": "hunter2-secret", "mode": "hunter2-secret", "count": "hunter2-secret"})
    assert "hunter2-secret" not in str(caught.value)


@settings(max_examples=100, deadline=None)
@given(
    arguments=st.dictionaries(
        st.sampled_from([*OPTIONS, "other"]),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.text(max_size=8),
            lambda inner: (
                st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["server", "name", "password", "x"]), inner, max_size=3)
            ),
            max_leaves=6,
        ),
        max_size=4,
    )
)
def test_any_arguments_validate_or_are_refused_by_ours(tmp_path_factory: pytest.TempPathFactory, arguments: dict[str, Any]) -> None:
    spec = derive(tmp_path_factory.mktemp("spec"), environment=ENVIRONMENT)
    try:
        parameters = spec.validate(arguments)
    except OptionError:
        return
    assert set(parameters.values) == set(OPTIONS)


@pytest.mark.parametrize(
    ("documented", "arguments", "expected"),
    [
        ({"bind_password": {"description": "x", "type": "str"}}, {}, "sounds like a secret"),
        ({"a": {"description": "x", "suboptions": {"api_token": {"description": "x"}}}}, {}, "a.api_token sounds like a secret"),
        ({"password": {"description": "x", "type": "str", "default": "changeme"}}, {}, "without a default"),
        ({"password": {"description": "x", "type": "int"}}, {}, "must be a string"),
        ({"server": {"description": "Else E(A_SERVER)."}}, {}, "A_SERVER"),
        ({"server": {"description": "x"}}, {"environment": {"server": "A_SERVER"}}, "A_SERVER"),
        ({"server": {"description": "x"}}, {"environment": {"host": "A_SERVER"}}, "not documented"),
        ({"server": {"description": "x"}}, {"rules": {"host": {"required_if": []}}}, "no documented option"),
        ({"server": {"description": "x"}}, {"rules": {"": {"required_maybe": []}}}, "no known relation"),
    ],
)
def test_what_does_not_fit_together_is_a_defect(
    tmp_path: Path, documented: dict[str, Any], arguments: dict[str, Any], expected: str
) -> None:
    with pytest.raises(OptionError, match="defect of the collection") as caught:
        derive(tmp_path, documented, **arguments)
    assert expected in str(caught.value)


@pytest.mark.parametrize(
    "content",
    [
        "",
        "x = 1\n",
        "DOCUMENTATION = '''\n- [broken\n'''\n",
        "DOCUMENTATION = '''\nextends_documentation_fragment: [no.such.fragment]\n'''\n",
    ],
)
def test_unreadable_documentation_is_a_defect(tmp_path: Path, content: str) -> None:
    path = tmp_path / "sample.py"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(OptionError, match="sample"):
        options.derive("sample", documentation=path)
    with pytest.raises(OptionError, match="sample"):
        options.derive("sample", documentation=tmp_path / "absent.py")


def test_our_ear_for_secrets_is_at_least_as_keen_as_ansibles() -> None:
    for name in ("password", "passphrase", "user_pass", "pass_word_old", "passwd"):
        assert PASSWORD_MATCH.search(name)
        assert options.SOUNDS_SECRET.search(name)
    for name in ("secret_id", "api_token", "cryptkey", "pin", "startup_pin", "private_key", "recovery_key"):
        assert options.SOUNDS_SECRET.search(name)
    for name in ("passive", "passed", "server", "key_id", "pinned_certificate", "recovery_key_id"):
        assert not options.SOUNDS_SECRET.search(name)
    assert not options.SECRET_OPTIONS & options.PUBLIC_OPTIONS


@pytest.mark.parametrize("module", MODULES)
def test_every_secret_sounding_option_of_the_collection_is_decided(module: str) -> None:
    """What :func:`options.derive` refuses, for each module as it is documented today (relations and environment are the action's)."""
    documented = options._documented_options(module, options.MODULES / f"{module}.py")
    for path, option in options._walk(documented):
        name = path.rpartition(".")[2]
        if options.SOUNDS_SECRET.search(name) and option.get("type") != "bool":
            assert name in options.SECRET_OPTIONS | options.PUBLIC_OPTIONS, path


class _Tagged(str):
    """As ansible's tagged and unsafe strings: a subclass."""

    __slots__ = ()


def test_plain_gives_pythons_own_types() -> None:
    value = options.plain({_Tagged("k"): [_Tagged("a"), (_Tagged("b"), 1, True, None, 1.5)]})
    assert value == {"k": ["a", ["b", 1, True, None, 1.5]]}
    strings = [next(iter(value)), value["k"][0], value["k"][1][0]]
    assert not any(isinstance(text, _Tagged) for text in strings)


@pytest.mark.parametrize("name", ["CN=PC01,OU=Clients,DC=lab,DC=example", "ou=a\\,b,dc=lab"])
def test_a_distinguished_name_as_text_is_one_name(tmp_path: Path, name: str) -> None:
    names = {"description": "x", "type": "list", "elements": "str"}
    documented = {"computer": names, "other": names, "ad": {"description": "x", "type": "dict", "suboptions": {"search_bases": names}}}
    spec = derive(tmp_path, documented)
    values = spec.validate({"computer": name, "other": name, "ad": {"search_bases": name}}).values
    assert (values["computer"], values["ad"]["search_bases"]) == ([name], [name])
    # what is no name is cut as Ansible does it
    assert values["other"] == name.split(",")
    assert spec.validate({"computer": "pc01,pc02"}).values["computer"] == ["pc01", "pc02"]
    assert spec.validate({"computer": [name, "pc02"]}).values["computer"] == [name, "pc02"]


def test_two_options_may_share_one_mapping(tmp_path: Path) -> None:
    """A YAML alias: Ansible's validator writes defaults into suboptions, and took its own None for a choice of the second option."""
    inner = {"use": {"description": "x", "type": "str", "choices": ["yes", "no"]}, "store": {"description": "x", "type": "bool"}}
    documented = {name: {"description": "x", "type": "dict", "suboptions": inner} for name in ("os", "fixed")}
    shared = {"store": True}
    values = derive(tmp_path, documented).validate({"os": shared, "fixed": shared}).values
    assert values == {"os": {"store": True, "use": None}, "fixed": {"store": True, "use": None}}
    assert shared == {"store": True}
