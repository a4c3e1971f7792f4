# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""The proof: one escrowed key against one protector's datum, and what may be said of the outcome.

Proven: the key unwrapped the volume master key, and that key opens what was sealed beside it, the recovery password's own digits among
them. Refuted: a protector that is understood to its last byte, read twice alike, by code that has just opened a known vector, and the key
does not open it. Everything else is inconclusive, with the reason: a good key called wrong would be thrown away.

A proof says that the key opened this wrapping when the package was made. It does not say that the protector is still there, nor that the
volume was not encrypted anew since; taken from the running machine it says both.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import partial

from .. import recovery_password
from ..redaction import Secret
from . import unsealing
from .datums import STRETCHED_PASSWORD, VOLUME_MASTER_KEY, only_key
from .protector import EXTERNAL_KEY_PROTECTION, RECOVERY_PASSWORD_PROTECTION, NoProtectorError, Protector, find_protector
from .unsealing import Rounds

_VMK_SIZE = 32
#: makes the key of a recovery password from its binary form and the salt
Stretch = Callable[[Secret[bytes], bytes], Secret[bytes]]


class Outcome(StrEnum):
    """What a proof came to."""

    PROVEN = "proven"
    REFUTED = "refuted"
    INCONCLUSIVE = "inconclusive"


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """The outcome, why (a clause without any secret), and the digest of the datum it is about; empty where none was found.

    ``master_key`` is the volume master key of a proven key, for what else it can authenticate; it is never shown.
    """

    outcome: Outcome
    reason: str
    digest: str = ""
    master_key: Secret[bytes] | None = None


def prove_recovery_password(
    password: Secret[str],
    key_id: str,
    readings: Sequence[bytes],
    *,
    rounds: Rounds = unsealing.stretch,
    stretch: Stretch | None = None,
) -> Proof:
    """Hold a recovery password against the protector ``key_id`` in a key package or a block of metadata.

    Args:
        password: in any form that Windows takes.
        key_id: the protector's GUID.
        readings: the package as it was read, at least once; it is refuted only where two readings hold the same protector.
        rounds: a quicker way through the stretch; before it refutes anything it must have opened the known example.
        stretch: for tests that prove the same password very often.

    Raises:
        MalformedPasswordError: the password is none.
    """
    binary = recovery_password.to_binary(password)
    make_key = stretch or partial(unsealing.recovery_password_key, rounds=rounds)

    def keys(protector: Protector) -> Secret[bytes] | None:
        return make_key(binary, protector.salt) if protector.salt is not None else None

    return _prove(key_id, readings, RECOVERY_PASSWORD_PROTECTION, keys, binary, rounds)


def prove_external_key(key: Secret[bytes], key_id: str, readings: Sequence[bytes]) -> Proof:
    """Hold the 32 bytes of an external key (a .BEK file's) against the protector ``key_id``; see :func:`prove_recovery_password`."""
    try:
        return _prove(key_id, readings, EXTERNAL_KEY_PROTECTION, lambda _protector: key, None, unsealing.stretch)
    except unsealing.NoKeyError as error:
        return _inconclusive(str(error))


def _prove(
    key_id: str,
    readings: Sequence[bytes],
    protection: int,
    keys: Callable[[Protector], Secret[bytes] | None],
    binary: Secret[bytes] | None,
    rounds: Rounds,
) -> Proof:
    if not readings:
        return _inconclusive("nothing was read that it could be held against")
    try:
        protector = find_protector(readings[0], key_id)
    except NoProtectorError as error:
        return _inconclusive(str(error))
    if protector.protection != protection:
        return _inconclusive(f"the protector is of another kind ({protector.protection:#06x})", protector)
    if protector.pbkdf2:
        return _inconclusive("the protector was made in FIPS mode, which nobody has described well enough to judge by", protector)
    key = keys(protector)
    if key is None:
        return _inconclusive("; ".join(protector.odd) or "the protector has no salt", protector)
    for box in protector.wrapped:
        plain = unsealing.unwrap(key, box)
        if plain is not None:
            return _opened(plain, protector, binary)
    return _not_opened(key_id, readings, protector, rounds)


def _opened(plain: bytes, protector: Protector, binary: Secret[bytes] | None) -> Proof:
    """The MAC was right; whether all else is as it must be."""
    held = only_key(plain)
    if held is None or held.type != VOLUME_MASTER_KEY or len(held.value) != _VMK_SIZE:
        return _inconclusive("the key opens the protector, but what it finds is no volume master key", protector)
    master_key = Secret(held.value)
    closed = False
    for box in protector.sealed:
        inner = unsealing.unwrap(master_key, box)
        if inner is None:
            return _inconclusive("the key opens the protector, but a part of it was changed since", protector)
        found = only_key(inner)
        if binary is not None and found is not None and found.type == STRETCHED_PASSWORD and Secret(found.value) != binary:
            return _inconclusive("the key opens the protector, which holds another password's digits", protector)
        closed |= binary is None or (found is not None and found.type == STRETCHED_PASSWORD)
    if protector.odd and not closed:
        # what it opened may be the key of an earlier encryption that was left behind
        return _inconclusive(f"the key opens the protector, but not what is beside it; {'; '.join(protector.odd)}", protector)
    return Proof(outcome=Outcome.PROVEN, reason="it opened the volume master key", digest=protector.digest, master_key=master_key)


def _not_opened(key_id: str, readings: Sequence[bytes], protector: Protector, rounds: Rounds) -> Proof:
    if protector.odd:
        return _inconclusive("; ".join(protector.odd), protector)
    if len(readings) < 2:
        return _inconclusive("the key does not open what was read, which was read only once", protector)
    try:
        again = [find_protector(reading, key_id).digest for reading in readings[1:]]
    except NoProtectorError as error:
        return _inconclusive(f"the second reading: {error}", protector)
    if any(digest != protector.digest for digest in again):
        return _inconclusive("two readings of the protector differ", protector)
    if not unsealing.self_test(rounds):
        return _inconclusive("the cryptography of this machine does not open a known example", protector)
    return Proof(outcome=Outcome.REFUTED, reason="it does not open the volume master key", digest=protector.digest)


def _inconclusive(reason: str, protector: Protector | None = None) -> Proof:
    return Proof(outcome=Outcome.INCONCLUSIVE, reason=reason, digest=protector.digest if protector is not None else "")
