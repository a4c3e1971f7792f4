# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""Kerberos tickets for the pywinrm transport: kinit into a cache of our own, and which service the tickets in it are for.

The password goes to kinit by its standard input only, as in the winrm connection plugin; never in argv or an environment.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import struct
import subprocess
import tempfile
from collections.abc import Iterator
from typing import Final

from ...._errors import AuthenticationError, KeywardError, OptionError, UnreachableError
from ..settings import ConnectionSettings

KINIT_TIMEOUT: Final = 30.0
_MAX_CACHE: Final = 1024 * 1024
_ATTEMPTED: Final = "get a Kerberos ticket"


class TicketCache:
    """A private credential cache (FILE), removed with :meth:`close`."""

    def __init__(self) -> None:
        handle, self.path = tempfile.mkstemp(prefix="keyward-krb5cc-")
        os.close(handle)

    @property
    def name(self) -> str:
        """What KRB5CCNAME is to be."""
        return f"FILE:{self.path}"

    @contextlib.contextmanager
    def in_environment(self) -> Iterator[None]:
        """Let the Kerberos library of this process use the cache (its only way is the environment), and put back what was there."""
        before = os.environ.get("KRB5CCNAME")
        os.environ["KRB5CCNAME"] = self.name
        try:
            yield
        finally:
            if before is None:
                os.environ.pop("KRB5CCNAME", None)
            else:
                os.environ["KRB5CCNAME"] = before

    def service_hosts(self, service: str) -> tuple[str, ...]:
        """Hosts, in lower case, for whose ``service`` the cache holds a ticket."""
        try:
            with open(self.path, "rb") as file:
                data = file.read(_MAX_CACHE)
        except OSError:
            return ()
        return tuple(parts[1].lower() for parts in service_principals(data) if len(parts) == 2 and parts[0].lower() == service.lower())

    def close(self) -> None:
        """Remove the cache."""
        with contextlib.suppress(OSError):
            os.unlink(self.path)


def kinit(settings: ConnectionSettings, cache: TicketCache, *, timeout: float = KINIT_TIMEOUT) -> None:
    """Fill the cache with a ticket for the settings' user.

    Errors: OptionError without a user, a password or the program; AuthenticationError where the KDC refuses them; UnreachableError where
    no KDC answers.
    """
    if not settings.username or settings.username.startswith("-") or settings.password is None:
        raise OptionError(
            _ATTEMPTED,
            meaning="user name or password is missing, or the name begins with a hyphen",
            remedy="Set ansible_user (name@REALM) and ansible_password, or ansible_winrm_kinit_mode manual.",
        )
    command = _command(settings)
    try:
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            # a session of its own: kinit must not read from a terminal
            start_new_session=True,
            env=_environment(settings, cache),
        )
    except OSError as cause:
        raise OptionError(
            _ATTEMPTED,
            target=settings.kinit_cmd,
            meaning="the program kinit cannot be run",
            remedy="Install the Kerberos client (krb5-user, krb5-workstation), or correct ansible_winrm_kinit_cmd.",
        ) from cause
    try:
        _unused, said = process.communicate(settings.password.reveal().encode() + b"\n", timeout=timeout)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        # without the cause: it holds what the program wrote
        raise _no_kdc(settings) from None
    if process.returncode != 0:
        raise _refused(settings, said.decode("utf-8", "replace"))


def _command(settings: ConnectionSettings) -> list[str]:
    try:
        arguments = shlex.split(settings.kinit_args) if settings.kinit_args else []
    except ValueError as cause:
        raise OptionError(_ATTEMPTED, meaning="ansible_winrm_kinit_args has an open quote", remedy="Correct it.") from cause
    if not arguments and settings.kerberos_delegation:
        arguments = ["-f"]
    return [settings.kinit_cmd, *arguments, settings.username]


def _environment(settings: ConnectionSettings, cache: TicketCache) -> dict[str, str]:
    # KRB5_CONFIG in any case: the Kerberos library of this process reads it too, and both must mean the same realm
    passed_on = {name: os.environ[name] for name in ("KRB5_CONFIG", *settings.kinit_env_vars) if name in os.environ}
    # the language of C, because the reasons are read from its words
    return {**passed_on, "PATH": os.environ.get("PATH", os.defpath), "KRB5CCNAME": cache.name, "LC_ALL": "C"}


def _refused(settings: ConnectionSettings, said: str) -> KeywardError:
    """Kinit's words judged by what they speak of; they are not repeated, since it may echo what it read."""
    words = said.lower()
    if "cannot contact any kdc" in words or "cannot find kdc" in words or "cannot resolve" in words:
        return _no_kdc(settings)
    meaning, remedy = (
        "the KDC refuses user name or password",
        "Check ansible_user (name@REALM, the realm in capitals) and ansible_password.",
    )
    if "clock skew" in words:
        meaning, remedy = "the clocks of the controller and the KDC differ too much", "Synchronise the clocks."
    elif "not found in kerberos database" in words:
        meaning, remedy = "the KDC does not know the user", "Check ansible_user (name@REALM, the realm in capitals)."
    elif "expired" in words:
        meaning, remedy = "the account or its password has expired", "Renew the password."
    elif "revoked" in words:
        meaning, remedy = "the account is disabled or locked", "Enable or unlock the account."
    return AuthenticationError(_ATTEMPTED, target=settings.username, meaning=meaning, remedy=remedy)


def _no_kdc(settings: ConnectionSettings) -> UnreachableError:
    return UnreachableError(
        _ATTEMPTED,
        target=settings.username,
        meaning="no KDC of the realm answers",
        remedy="Check /etc/krb5.conf, DNS and the way to a domain controller (port 88).",
    )


def service_principals(cache: bytes) -> list[tuple[str, ...]]:
    """The service names, as their components, in a FILE credential cache of version 4; empty for anything else.

    Format: MIT Kerberos documentation, "Credential cache file format".
    """
    names: list[tuple[str, ...]] = []
    # a damaged cache proves nothing: what was read before the damage stands
    with contextlib.suppress(struct.error, UnicodeDecodeError, _DamagedError):
        reader = _CacheReader(cache)
        if reader.number(2) != 0x0504:
            return []
        reader.counted(2)
        reader.principal()
        while not reader.ended:
            reader.principal()
            service = reader.principal()
            reader.credential_rest()
            names.append(service)
    return names


class _DamagedError(Exception):
    """The cache breaks off."""


class _CacheReader:
    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    @property
    def ended(self) -> bool:
        return self._at >= len(self._data)

    def take(self, length: int) -> bytes:
        if length > len(self._data) - self._at:
            raise _DamagedError
        self._at += length
        return self._data[self._at - length : self._at]

    def number(self, width: int) -> int:
        return int.from_bytes(self.take(width), "big")

    def counted(self, width: int = 4) -> bytes:
        return self.take(self.number(width))

    def principal(self) -> tuple[str, ...]:
        self.number(4)
        components = self.number(4)
        self.counted()
        if components > 16:
            raise _DamagedError
        return tuple(self.counted().decode("utf-8") for _unused in range(components))

    def credential_rest(self) -> None:
        """Key, times, flags, addresses, authorization data, ticket, second ticket."""
        self.number(2)
        self.counted()
        self.take(4 * 4 + 1 + 4)
        for _unused in range(2):
            entries = self.number(4)
            if entries > 1024:
                raise _DamagedError
            for _unused in range(entries):
                self.number(2)
                self.counted()
        self.counted()
        self.counted()
