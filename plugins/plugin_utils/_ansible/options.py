# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""Options of an action, derived from the documentation of the module file of the same name, and their validation.

The documentation is the only place where an option is described; this is the only place where it becomes an argument spec. What
documentation cannot say is declared beside the action: rules between options, and environment variables as fallback.

Which options are secret is said by name, in :data:`SECRET_OPTIONS`, because documentation has no word for it. A name that sounds
like a secret and stands in neither set is refused when the spec is derived, so nobody can forget it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.module_utils.common.parameters import env_fallback, remove_values
from ansible.module_utils.errors import UnsupportedError
from ansible.plugins.loader import fragment_loader
from ansible.utils.plugin_docs import get_docstring

from .._core.redaction import Secret
from .._errors import OptionError

COLLECTION = "keyward.bitlocker"
MODULES = Path(__file__).resolve().parents[2] / "modules"

#: options whose value is a secret, wherever they stand: no_log in the argument spec, a ``Secret`` in the parameters
SECRET_OPTIONS = frozenset(
    {
        "password",
        "secret",
        "client_secret",
        "certificate_password",
        "client_certificate_password",
        "vault_password",
        "recovery_password",
        "passphrase",
    }
)

#: options that sound like a secret and are none
PUBLIC_OPTIONS = frozenset(
    {
        "recovery_password_format",
        "recovery_password_use",
        "password_file",
        "vault_password_file",
        "token_endpoint",
        "client_secret_file",
        "federated_token_file",
    }
)

#: what sounds like a secret; ansible's own list (``PASSWORD_MATCH`` of module_utils.basic) and more
SOUNDS_SECRET = re.compile(
    r"pass(?!ive|ed\b)|pwd|secret|token|credential|cryptkey|private_?key|recovery_?key$|(?:^|_)pin(?:_|$)", re.IGNORECASE
)

#: lists of directory names: a single one given as text is one, and not cut at the commas inside it, as Ansible does with lists
NAME_OPTIONS = frozenset({"computer", "search_bases"})

#: relations between options that an argument spec knows, at the top and for suboptions alike
RULE_NAMES = frozenset({"mutually_exclusive", "required_together", "required_one_of", "required_if", "required_by"})

_ENVIRONMENT_MARK = re.compile(r"\bE\(([A-Za-z_][A-Za-z0-9_]*)\)")

#: relations between options, by the dotted name of the option they stand under ("" is the top)
Rules = Mapping[str, Mapping[str, Any]]
#: environment variables as fallback, by dotted option name
Environment = Mapping[str, str]


def under(option: str, names: Environment) -> dict[str, str]:
    """Move environment fallbacks under a parent: ``server`` becomes ``ad.server``."""
    return {f"{option}.{name}": value for name, value in names.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameters:
    """Validated options: ``values`` with every secret in a ``Secret``, ``warnings`` for the user."""

    values: dict[str, Any]
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class OptionSpec:
    """The argument spec of one action, ready to validate any number of tasks."""

    action: str
    argument_spec: Mapping[str, Any]
    rules: Mapping[str, Any] = field(default_factory=dict)
    plugin_type: str = "module"

    def validate(self, arguments: Mapping[str, Any]) -> Parameters:
        """Check and convert a task's arguments.

        Raises:
            OptionError: the arguments break the spec; the text names the option and never a secret's value.
        """
        validator = ArgumentSpecValidator(dict(self.argument_spec), **self.rules)
        try:
            result = validator.validate(self._with_named_sources(_whole_names(arguments)))
        except (
            TypeError,
            ValueError,
            ArithmeticError,
            AttributeError,
            LookupError,
        ):  # it stumbles over wrong shapes (a list for a dict or number)
            raise self._refusal("an option with suboptions has the wrong shape") from None
        hidden = {text for value in result._no_log_values if (text := str(value))}
        if result.error_messages:
            problem = str(remove_values("; ".join(_error_text(error) for error in result.errors.errors), hidden))
            raise self._refusal(problem)
        values = {
            name: self._finish(self.argument_spec[name], value)
            for name, value in result.validated_parameters.items()
            if name in self.argument_spec
        }
        return Parameters(
            values=values,
            warnings=tuple(str(remove_values(_warning_text(warning), hidden)) for warning in getattr(result, "_warnings", ())),
        )

    def _with_named_sources(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Arguments in which a source that ``sources`` names has its option, where the environment alone may say how to reach it."""
        named = arguments.get("sources") if "sources" in self.argument_spec else None
        names = [part.strip() for part in named.split(",")] if isinstance(named, str) else named if isinstance(named, list) else []
        reached = [name for name in names if isinstance(name, str) and _has_fallback(self.argument_spec.get(name, {}))]
        return {**arguments, **{name: {} for name in reached if arguments.get(name) is None}}

    def _refusal(self, meaning: str) -> OptionError:
        kind = "" if self.plugin_type == "module" else f"-t {self.plugin_type} "
        remedy = f"See ansible-doc {kind}{COLLECTION}.{self.action}."
        whose = "task" if self.plugin_type == "module" else self.plugin_type
        return OptionError(f"use the options of the {whose}", target=self.action, meaning=meaning, remedy=remedy)

    def _finish(self, option: Mapping[str, Any], value: Any) -> Any:
        if value is None:
            return None
        if option["no_log"]:
            return [Secret(str(item)) for item in value] if isinstance(value, list) else Secret(plain(str(value)))
        inner = option.get("options")
        if inner and isinstance(value, Mapping):
            return {str(name): self._finish(inner[name], item) for name, item in value.items() if name in inner}
        if inner and isinstance(value, list):
            return [self._finish(option, item) for item in value]
        return plain(value)


def _has_fallback(option: Mapping[str, Any]) -> bool:
    return any("fallback" in inner for inner in (option.get("options") or {}).values())


def _whole_names(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments with every single distinguished name as a list of one, under parents too.

    Suboptions are copied: Ansible's validator writes into them, and two options may share one mapping (a YAML alias).
    """
    whole: dict[str, Any] = {}
    for key, value in arguments.items():
        if key in NAME_OPTIONS and isinstance(value, str) and "=" in value:
            whole[str(key)] = [value]
        else:
            named = isinstance(value, Mapping) and NAME_OPTIONS.intersection(value)
            whole[str(key)] = _whole_names(value) if named else dict(value) if isinstance(value, dict) else value
    return whole


def plain(value: Any) -> Any:
    """Return the value in Python's own types: ansible's tagged, unsafe and vaulted strings become ``str`` (libraries test for it)."""
    if isinstance(value, str):
        return str.__str__(value)
    if value is None or isinstance(value, bool | bytes):
        return value
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return float(value)
    if isinstance(value, Mapping):
        return {plain(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if type(value).__name__ in {"AnsibleVaultEncryptedUnicode", "EncryptedString"}:
        return str.__str__(str(value))
    return value


def derive(
    action: str,
    *,
    rules: Rules | None = None,
    environment: Environment | None = None,
    documentation: Path | None = None,
    plugin_type: str = "module",
) -> OptionSpec:
    """Derive the argument spec of an action from its documentation file, fragments included.

    Args:
        action: the action's short name, as ``plugins/modules/<action>.py``.
        rules: relations between options by the dotted name of the option they stand under ("" is the top):
            ``{"": {"required_if": [...]}, "ad": {"required_together": [...]}}``.
        environment: environment variables as fallback by dotted option name: ``{"ad.server": "MICROSOFT_AD_LDAP_SERVER"}``.
            It must say the same as the ``E()`` marks in the options' descriptions.
        documentation: the file, where it is not the module file of that name.
        plugin_type: ``lookup`` for a lookup, whose terms are no option.

    Raises:
        OptionError: documentation, rules and environment do not fit together; a defect of the collection.
    """
    described = _documented_options(action, documentation or MODULES / f"{action}.py")
    rules, environment = rules or {}, environment or {}
    known = {path for path, _option in _walk(described)}
    _check_names(action, described, rules, environment, known)
    spec = {name: _argument(name, option, "", rules, environment) for name, option in described.items()}
    return OptionSpec(action=action, argument_spec=spec, rules=dict(rules.get("", {})), plugin_type=plugin_type)


def _documented_options(action: str, path: Path) -> dict[str, dict[str, Any]]:
    try:
        documentation = get_docstring(str(path), fragment_loader, collection_name=COLLECTION, plugin_type="module")[0]
    except Exception as error:  # YAML, file and fragment errors of ansible differ by version; all become ours
        raise _defect(action, f"its documentation cannot be read ({type(error).__name__}: {error})") from error
    if not documentation:
        raise _defect(action, f"{path.name} has no documentation")
    # a lookup's terms are documented as the option _terms
    return {name: option for name, option in (documentation.get("options") or {}).items() if not name.startswith("_")}


def _argument(name: str, option: Mapping[str, Any], parent: str, rules: Rules, environment: Environment) -> dict[str, Any]:
    path = parent + name
    argument: dict[str, Any] = {
        key: option[key] for key in ("type", "elements", "required", "default", "aliases") if option.get(key) is not None
    }
    argument["no_log"] = name in SECRET_OPTIONS
    if option.get("choices") is not None:
        argument["choices"] = list(option["choices"])
    if path in environment:
        argument["fallback"] = (env_fallback, [environment[path]])
    inner = option.get("suboptions")
    if inner:
        argument["options"] = {child: _argument(child, item, f"{path}.", rules, environment) for child, item in inner.items()}
        argument.update(rules.get(path, {}))
    return argument


def _walk(options: Mapping[str, Mapping[str, Any]], parent: str = "") -> Iterator[tuple[str, Mapping[str, Any]]]:
    for name, option in options.items():
        yield parent + name, option
        yield from _walk(option.get("suboptions") or {}, f"{parent}{name}.")


def _check_names(action: str, options: Mapping[str, Any], rules: Rules, environment: Environment, known: set[str]) -> None:
    for path, option in _walk(options):
        name = path.rpartition(".")[2]
        if SOUNDS_SECRET.search(name) and name not in SECRET_OPTIONS | PUBLIC_OPTIONS and option.get("type") != "bool":
            raise _defect(action, f"option {path} sounds like a secret and is neither in SECRET_OPTIONS nor in PUBLIC_OPTIONS")
        if name in SECRET_OPTIONS and (option.get("default") is not None or option.get("type", "str") not in {"str", "list"}):
            raise _defect(action, f"option {path} is a secret and must be a string without a default")
        named = set(_ENVIRONMENT_MARK.findall(_text(option.get("description"))))
        mapped = {environment[path]} if path in environment else set()
        if named != mapped:
            raise _defect(action, f"option {path} documents {sorted(named)} as environment fallback, the code has {sorted(mapped)}")
    if strangers := sorted(set(environment) - known):
        raise _defect(action, f"environment fallbacks for options that are not documented: {strangers}")
    for path, relations in rules.items():
        if (path and path not in known) or not set(relations) <= RULE_NAMES:
            raise _defect(action, f"rules for {path or 'the top'} name no documented option or no known relation")


def _text(description: str | Sequence[str] | None) -> str:
    return description if isinstance(description, str) else "\n".join(str(part) for part in description or ())


def _error_text(error: Exception) -> str:
    return f"unsupported options: {error}" if isinstance(error, UnsupportedError) else str(error)


def _warning_text(warning: Any) -> str:
    if isinstance(warning, Mapping) and "option" in warning:
        return f"Both option {warning['option']} and its alias {warning.get('alias')} are set."
    return str(warning)


def _defect(action: str, meaning: str) -> OptionError:
    return OptionError(
        "derive the options", target=action, meaning=meaning, remedy="This is a defect of the collection, not of the playbook."
    )
