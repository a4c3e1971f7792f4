# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""What the recovery policy of a computer should be: intentions, the values they need, the difference, and what Windows would not accept.

Values: VolumeEncryption.admx, "Choose how BitLocker-protected … drives can be recovered". An intention that is not given (None) leaves its
value alone, and so does everything else in the key. Two additions, because what Windows makes of an incomplete setting is documented
nowhere and Microsoft's editor never writes one: an enabled setting has both ``RecoveryPassword`` and ``RecoveryKey`` (2, allowed, where
they are missing), and one that stores in AD says what (1, with the key package, where that is missing).

Changes come in an order in which no step on the way is a contradiction that neither the beginning nor the end is: an interrupted run
leaves a computer that can be encrypted as before, or as wanted.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from .model import VolumeType
from .recovery_policy import DRIVES, PREFIXES

Values = Mapping[str, int | str]

_USAGE = {"forbidden": 0, "required": 1, "allowed": 2}
_ALLOWED = 2
_BACKUP, _PACKAGE, _WAIT = "ActiveDirectoryBackup", "ActiveDirectoryInfoToStore", "RequireActiveDirectoryBackup"
_PASSWORD, _KEY, _SETTING = "RecoveryPassword", "RecoveryKey", "Recovery"
_AGENT, _PAGE = "ManageDRA", "HideRecoveryPage"
#: names of Windows' own refusals: the same words for each kind of drive
_KIND = {VolumeType.OS: "OSV", VolumeType.FIXED: "FDV", VolumeType.REMOVABLE: "RDV"}
_OFF_ON_CODE = {VolumeType.OS: "0x80310090", VolumeType.FIXED: "0x80310091", VolumeType.REMOVABLE: "0x80310092"}
_AUTO_UNLOCK_CODE = {VolumeType.FIXED: "0x80310083", VolumeType.REMOVABLE: "0x80310084"}
#: what Intune calls the setting; removable drives have none (windows-itpro-docs, bitlocker-csp)
_MDM_NODES = {VolumeType.OS: "SystemDrivesRecoveryOptions", VolumeType.FIXED: "FixedDrivesRecoveryOptions"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Intentions:
    """What is wanted for one kind of drive; None: nothing is said.

    ``recovery_password`` and ``recovery_key``: allowed, required, forbidden.
    """

    drive_type: VolumeType
    store_in_ad: bool | None = None
    key_package: bool | None = None
    require_backup: bool | None = None
    recovery_password: str | None = None
    recovery_key: str | None = None

    def values(self) -> dict[str, int]:
        """The values that say this, without their prefix."""
        said = {
            _BACKUP: None if self.store_in_ad is None else int(self.store_in_ad),
            _PACKAGE: None if self.key_package is None else 1 if self.key_package else 2,
            _WAIT: None if self.require_backup is None else int(self.require_backup),
            _PASSWORD: None if self.recovery_password is None else _USAGE[self.recovery_password],
            _KEY: None if self.recovery_key is None else _USAGE[self.recovery_key],
        }
        return {name: value for name, value in said.items() if value is not None}


@dataclass(frozen=True, slots=True)
class Change:
    """One value that is not as wanted; ``before`` or ``after`` None: it is not there, or goes."""

    name: str
    before: int | str | None
    after: int | None


def governed(drive_type: VolumeType) -> tuple[str, ...]:
    """The names of the values that decide on recovery for one kind of drive: everything that is read and shown, not all of it written."""
    return tuple(PREFIXES[drive_type] + name for name in (_SETTING, _AGENT, _PASSWORD, _KEY, _PAGE, _BACKUP, _PACKAGE, _WAIT))


def plan(values: Values, intentions: Intentions, *, present: bool) -> tuple[Change, ...]:
    """The changes that bring the values to the intentions, or take the intentions out of them, in the order to make them.

    Args:
        values: the policy as it is, by name in any case.
        present: True: the policy says what is intended. False: what it says that is intended goes; a value that says something else is
            somebody else's and stays. What is left then without effect (the setting itself, ``allowed``) goes too.
    """
    prefix, said = PREFIXES[intentions.drive_type], intentions.values()
    before = _own(values, prefix)
    if not said:
        return ()
    after = _with(before, said) if present else _without(before, said)
    changes = [Change(prefix + name, before.get(name), _number(after.get(name))) for name in after if before.get(name) != after[name]]
    changes += [Change(prefix + name, before[name], None) for name in before if name not in after]
    return tuple(sorted(changes, key=lambda change: _turn(change, prefix)))


def applied(values: Values, changes: Iterable[Change]) -> dict[str, int | str]:
    """The values as they are after the changes; the names of those that stay keep their spelling."""
    result = dict(values)
    for change in changes:
        spelling = next((name for name in result if name.casefold() == change.name.casefold()), change.name)
        if change.after is None:
            result.pop(spelling, None)
        else:
            result[spelling] = change.after
    return result


def contradictions(values: Values, drive_type: VolumeType) -> tuple[str, ...]:
    """Sentences that say what of an enabled setting cannot hold together: Windows refuses it, or nothing could be recovered by it."""
    prefix, drives = PREFIXES[drive_type], DRIVES[drive_type]
    own = _own(values, prefix)
    if own.get(_SETTING) != 1:
        return ()
    found = []
    no_password, stores, waits = own.get(_PASSWORD) == 0, own.get(_BACKUP) == 1, own.get(_WAIT) == 1
    if no_password and waits:
        found.append(
            f"On {drives} recovery passwords are forbidden ({prefix}{_PASSWORD} = 0) and their backup is required ({prefix}{_WAIT} = 1): "
            f"Windows refuses to encrypt with FVE_E_POLICY_CONFLICT_{_KIND[drive_type]}_RP_OFF_ADB_ON ({_OFF_ON_CODE[drive_type]})."
        )
    elif no_password and stores:
        found.append(
            f"On {drives} recovery information is to be stored ({prefix}{_BACKUP} = 1) and there is none, because recovery passwords are "
            f"forbidden ({prefix}{_PASSWORD} = 0)."
        )
    if waits and not stores:
        found.append(
            f"On {drives} encryption waits for a backup ({prefix}{_WAIT} = 1) that the policy does not make ({prefix}{_BACKUP} is not 1)."
        )
    if no_password and own.get(_KEY) == 0 and own.get(_AGENT) != 1:
        found.append(
            f"On {drives} recovery passwords and recovery keys are forbidden ({prefix}{_PASSWORD} = 0, {prefix}{_KEY} = 0) and there is no "
            f"recovery agent: nothing would open a drive in need."
        )
    return tuple(found)


def contradiction_in(intentions: Intentions) -> str | None:
    """Why intentions cannot hold together whatever the computer says; None where they can."""
    wish = intentions
    if wish.store_in_ad is False and wish.require_backup:
        return "require_backup is true and store_in_ad is false: encryption would wait for a backup that is never made"
    if wish.store_in_ad is False and wish.key_package is not None:
        return "key_package is given and store_in_ad is false: nothing is stored, with a package or without"
    if wish.recovery_password == "forbidden" and (wish.store_in_ad or wish.require_backup):
        return "recovery_password_use is forbidden and its backup is asked for: Windows refuses to encrypt then"
    if wish.recovery_password == "forbidden" and wish.recovery_key == "forbidden":
        return "recovery_password_use and recovery_key_use are both forbidden: nothing would open a drive in need"
    return None


def without_effect(values: Values, intentions: Intentions) -> str | None:
    """Why an intention means nothing in the policy that results; None where each has an effect."""
    prefix = PREFIXES[intentions.drive_type]
    if intentions.key_package is None or _own(values, prefix).get(_BACKUP) == 1:
        return None
    return f"key_package says what is stored, and nothing is stored on {DRIVES[intentions.drive_type]} ({prefix}{_BACKUP} is not 1)."


def cautions(before: Values, changes: Iterable[Change], intentions: Intentions) -> tuple[str, ...]:
    """What a person should know of the policy that results although nothing is wrong with it.

    Values that lay there without effect, since the setting was not enabled, and have one now; and what a forbidden recovery key forbids.
    """
    prefix, made = PREFIXES[intentions.drive_type], list(changes)
    old, new = _own(before, prefix), _own(applied(before, made), prefix)
    written = {change.name.removeprefix(prefix) for change in made}
    found = []
    woken = [f"{prefix}{name} = {value}" for name, value in sorted(new.items()) if name not in written and name != _SETTING]
    if new.get(_SETTING) == 1 and old.get(_SETTING) != 1 and woken:
        found.append(f"Values that had no effect before have one now, because {prefix}{_SETTING} is enabled: {', '.join(woken)}.")
    if new.get(_SETTING) == 1 and new.get(_KEY) == 0 and intentions.drive_type in _AUTO_UNLOCK_CODE:
        found.append(
            f"Recovery keys are forbidden on {DRIVES[intentions.drive_type]} ({prefix}{_KEY} = 0): automatic unlocking needs one, and "
            f"Windows refuses it with FVE_E_POLICY_CONFLICT_{_KIND[intentions.drive_type]}_RK_OFF_AUK_ON "
            f"({_AUTO_UNLOCK_CODE[intentions.drive_type]})."
        )
    return tuple(found)


def mdm_nodes(names: Iterable[str], drive_types: Iterable[VolumeType]) -> tuple[str, ...]:
    """Which settings on recovery of these kinds of drives an MDM has delivered, of the names in its key (some carry a suffix)."""
    wanted = [_MDM_NODES[drive_type] for drive_type in drive_types if drive_type in _MDM_NODES]
    have = [name.casefold() for name in names]
    return tuple(node for node in wanted if any(name.startswith(node.casefold()) for name in have))


def _own(values: Values, prefix: str) -> dict[str, int | str]:
    """The governed values that are there, without their prefix."""
    known = {(prefix + name).casefold(): name for name in (_SETTING, _AGENT, _PASSWORD, _KEY, _PAGE, _BACKUP, _PACKAGE, _WAIT)}
    return {known[name.casefold()]: value for name, value in values.items() if name.casefold() in known}


def _number(value: int | str | None) -> int | None:
    return value if isinstance(value, int) else None


def _complete(own: dict[str, int | str]) -> dict[str, int | str]:
    """An enabled setting without gaps."""
    own[_SETTING] = 1
    for name in (_PASSWORD, _KEY):
        if own.get(name) not in (0, 1, 2):
            own[name] = _ALLOWED
    if own.get(_BACKUP) == 1 and own.get(_PACKAGE) not in (1, 2):
        own[_PACKAGE] = 1
    return own


def _with(before: dict[str, int | str], said: Mapping[str, int]) -> dict[str, int | str]:
    return _complete(before | dict(said))


def _without(before: dict[str, int | str], said: Mapping[str, int]) -> dict[str, int | str]:
    own = {name: value for name, value in before.items() if said.get(name) != value}
    if _BACKUP in said and _BACKUP not in own:
        # what would be stored, where nothing is said about storing
        own.pop(_PACKAGE, None)
    means_nothing = {_SETTING: 1, _PASSWORD: _ALLOWED, _KEY: _ALLOWED}
    if all(means_nothing.get(name) == value for name, value in own.items()):
        return {}
    return _complete(own) if before.get(_SETTING) == 1 else own


def _turn(change: Change, prefix: str) -> int:
    """When a change is made: the setting goes first and comes last, what allows comes before what forbids, and a backup is no longer
    required before anything else changes, and required after it."""
    name = change.name.removeprefix(prefix)
    if name == _SETTING:
        return 6 if change.after == 1 else 0
    if name == _WAIT:
        return 5 if change.after == 1 else 1
    if name in (_PASSWORD, _KEY):
        return 4 if change.after == 0 else 2
    return 3
