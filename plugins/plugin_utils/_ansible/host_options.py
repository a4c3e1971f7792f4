# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""One host's variables, read through the option definitions of its connection plugin; the resolver's way to ask for them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible import constants, context
from ansible.errors import AnsibleError
from ansible.module_utils.parsing.convert_bool import boolean
from ansible.plugins.loader import connection_loader

from .._errors import OptionError
from .options import plain


@dataclass(frozen=True, slots=True, kw_only=True)
class Keywords:
    """What play, task and command line say about the connection beside variables; ``password`` is the answer to --ask-pass."""

    connection: str | None = None
    remote_user: str | None = None
    port: int | None = None
    password: str | None = field(default=None, repr=False)

    @classmethod
    def of_command_line(cls) -> Keywords:
        """The command line's share, for lookups: they see no play and no task."""
        return cls(connection=context.CLIARGS.get("connection"), remote_user=context.CLIARGS.get("remote_user"))


@dataclass(slots=True, kw_only=True)
class HostOptions:
    """One host's variables behind the option definitions of its connection plugin."""

    name: str
    variables: Mapping[str, Any]
    template: Callable[[Any], Any]
    keywords: Keywords
    plugin: str = ""
    templated: dict[str, Any] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)

    def variable(self, name: str) -> Any:
        """The templated value of one variable, None where it is not set."""
        if name not in self.variables:
            return None
        try:
            return plain(self.template(self.variables[name]))
        except Exception as error:  # noqa: BLE001 (templates and vaults raise anything; their text may quote a secret)
            raise self.refuse(
                f"the variable {name} cannot be templated ({type(error).__name__})",
                "Check the variable, and the vault password if it is encrypted.",
            ) from None

    def load(self, plugin: str) -> None:
        """Take the option definitions of a connection plugin and template the variables they name."""
        found = connection_loader.get_with_context(plugin, class_only=True).object
        if found is None:
            raise self.refuse(f"the connection plugin {plugin} is not installed", "Install it, or set ansible_connection to winrm.")
        self.plugin = str(found._load_name)
        self.templated = {
            name: self.variable(name) for name in constants.config.get_plugin_vars("connection", self.plugin) if name in self.variables
        }
        self.templated.setdefault("inventory_hostname", self.name)

    def offers(self, name: str) -> bool:
        """Whether the plugin of this ansible-core knows the option."""
        return name in constants.config.get_configuration_definitions("connection", self.plugin)

    def option(self, name: str) -> tuple[Any, bool]:
        """An option's value in the plugin's own precedence, and whether anybody set it."""
        keys: dict[str, Any] = {"remote_user": self.keywords.remote_user, "port": self.keywords.port}
        if name == "remote_password" and self.keywords.password:
            keys["password"] = self.keywords.password
        try:
            value, origin = constants.config.get_config_value_and_origin(
                name, plugin_type="connection", plugin_name=self.plugin, keys=keys, variables=self.templated
            )
        except AnsibleError as error:
            raise self.refuse(
                f"the connection option {name} has a value of the wrong kind ({type(error).__name__})",
                f"See ansible-doc -t connection {self.plugin}.",
            ) from None
        return plain(value), origin != "default"

    def value(self, name: str) -> Any:
        """An option's value alone."""
        return self.option(name)[0]

    def chosen(self, name: str) -> Any:
        """An option's value where somebody set it, else None (the plugin's default is not ours)."""
        value, was_set = self.option(name)
        return value if was_set else None

    def refuse(self, meaning: str, remedy: str) -> OptionError:
        """Our error about this host's variables."""
        return OptionError("resolve how to reach the host", target=self.name, meaning=meaning, remedy=remedy)

    def choice(self, name: str, value: Any, allowed: tuple[str, ...]) -> str:
        """A value that must be one of a few words."""
        if value not in allowed:
            raise self.refuse(f"{name} is not one of {', '.join(allowed)}", f"Set {name} to one of them.")
        return str(value)

    def flag(self, name: str, value: Any) -> bool:
        """A value that must be a boolean in any of Ansible's spellings."""
        try:
            return bool(boolean(value))
        except TypeError:
            raise self.refuse(f"{name} is not a boolean", f"Set {name} to true or false.") from None

    def seconds(self, name: str, value: Any) -> float | None:
        """A value that must be a number of seconds above zero."""
        if value is None:
            return None
        try:
            number = float(value)
        except (TypeError, ValueError):
            number = 0.0
        if not 0 < number < 86_400:
            raise self.refuse(f"{name} is not a number of seconds", f"Set {name} to a number above 0.")
        return number
