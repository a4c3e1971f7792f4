# SPDX-License-Identifier: GPL-3.0-or-later
"""A lookup that only the tests use: the resolver where no connection and no task exist."""

from __future__ import annotations

from typing import Any

from ansible.plugins.lookup import LookupBase
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._ansible.connection import resolve_connection
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._ansible.host_options import Keywords


class LookupModule(LookupBase):
    """One host name in, what the resolver finds for it out."""

    def run(self, terms: list[str], variables: Any = None, **kwargs: Any) -> list[Any]:
        found = []
        for name in terms:
            host_variables = dict(variables["hostvars"][name])
            templar = self._templar.copy_with_new_env(available_variables=host_variables)
            settings = resolve_connection(host_variables, template=templar.template, keywords=Keywords.of_command_line(), name=name)
            found.append({"host": settings.host, "username": settings.username, "has_password": settings.password is not None})
        return found
