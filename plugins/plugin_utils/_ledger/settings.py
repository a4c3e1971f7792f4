# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""How to reach the ledger, from the suboptions of ``ledger``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from .._core.redaction import Secret
from .._errors import OptionError

#: environment variables as fallback
ENVIRONMENT: Mapping[str, str] = {"password": "KEYWARD_LEDGER_PASSWORD"}
#: what a URL may say after its question mark: of libpq's parameters those that choose no program and no file to write
URL_PARAMETERS = frozenset(
    {"host", "port", "sslmode", "sslrootcert", "sslcert", "sslkey", "sslcrl", "channel_binding", "target_session_attrs"}
)
_LOCAL = frozenset({"", "localhost", "127.0.0.1", "::1"})


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerSettings:
    """Either ``path`` (SQLite) or ``url`` (PostgreSQL, without its password).

    ``keep_days``: what is older is removed. ``compare_days``: how long a vanished or changed entry stays a finding.
    """

    key_file: Path
    path: Path | None = None
    url: str | None = None
    password: Secret[str] | None = None
    keep_days: int = 400
    compare_days: int = 7

    @property
    def shown(self) -> str:
        """The ledger's name in texts."""
        if self.path is not None:
            return str(self.path)
        parts = urlsplit(self.url or "")
        return f"{parts.scheme}://{parts.netloc}{parts.path}"

    @property
    def libraries(self) -> list[str]:
        """What must be installed, by import name."""
        return ["sqlalchemy", *(["psycopg"] if self.url is not None else [])]

    @classmethod
    def from_options(cls, given: Mapping[str, Any]) -> LedgerSettings:
        """From the suboptions.

        Raises:
            OptionError: they do not fit together; nothing of a URL with a password is repeated.
        """
        path, url = given.get("path"), given.get("url")
        if bool(path) == bool(url):
            raise _refused("path, url", "exactly one of them says where the ledger is", "Give path for SQLite or url for PostgreSQL.")
        settings = cls(
            key_file=Path(given["hmac_key_file"]).absolute(),
            path=Path(path).absolute() if path else None,
            url=_checked_url(url) if url else None,
            password=given.get("password"),
            keep_days=given.get("keep_days", 400),
            compare_days=given.get("compare_days", 7),
        )
        if settings.path is not None and settings.key_file.resolve().is_relative_to(settings.path.parent.resolve()):
            raise _refused(
                "hmac_key_file",
                "the key lies beside the ledger, and who takes or writes the one has the other",
                "Keep the key in a folder of its own, which is not backed up together with the ledger.",
            )
        if settings.keep_days < 1 or not 0 <= settings.compare_days <= settings.keep_days:
            raise _refused("keep_days, compare_days", "these numbers of days do not fit together", "Keep at least as long as you compare.")
        return settings


def _checked_url(url: str) -> str:
    try:
        parts = urlsplit(url)
        secret, host = parts.password, parts.hostname or ""
        parameters = dict(parse_qsl(parts.query, keep_blank_values=True))
    except ValueError:
        raise _refused("url", "it cannot be read", "Write postgresql://user@host/database.") from None
    if secret is not None or "password" in parameters or parts.query.lower().count("passw"):
        raise _refused(
            "url", "it holds a password, which would be shown with the task's arguments", "Use password, its variable, or PGPASSFILE."
        )
    if parts.scheme not in ("postgresql", "postgres", "postgresql+psycopg") or not parts.path.strip("/"):
        raise _refused("url", "it is no URL of a PostgreSQL database", "Write postgresql://user@host/database.")
    if strange := sorted(parameters.keys() - URL_PARAMETERS):
        raise _refused("url", f"it says {', '.join(strange)[:100]}, which is not taken", f"These are: {', '.join(sorted(URL_PARAMETERS))}.")
    remote = [name for name in (host, *parameters.get("host", "").split(",")) if name not in _LOCAL and not name.startswith("/")]
    if remote and "sslmode" not in parameters:
        # verified TLS unless somebody asks for less in so many words
        return f"{url}{'&' if parts.query else '?'}sslmode=verify-full"
    return url


def _refused(target: str, meaning: str, remedy: str) -> OptionError:
    return OptionError("use the ledger", target=f"option ledger, {target}", meaning=meaning, remedy=remedy)
