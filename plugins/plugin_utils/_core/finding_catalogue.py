# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""What every finding code means: its severity, its message and what an engineer does about it (DESIGN section 5, table of codes).

A message is one sentence without its full stop; what exactly was seen follows it. A remedy says what to do first and warns of what makes
it worse.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from .model import Severity

_H, _M, _L, _I = Severity.HIGH, Severity.MEDIUM, Severity.LOW, Severity.INFO
_BACK_UP = "keyward.bitlocker.key_backup, or manage-bde -protectors -adbackup (AD) or BackupToAAD-BitLockerKeyProtector (Entra)"


@dataclass(frozen=True, slots=True)
class Meaning:
    """One code. ``name`` is its word in DESIGN section 5; ``facts`` are the names in the message's braces with their defaults."""

    name: str
    severity: Severity
    message: str
    remedy: str
    facts: Mapping[str, object] = field(default_factory=dict)


_VERDICTS = {
    "KW-VOL-001": Meaning(
        "not_encrypted",
        _H,
        "The volume is not encrypted",
        "Make sure that policy stores recovery passwords before encryption starts, then turn BitLocker on; if this volume needs "
        "none, leave it out of the requirements.",
    ),
    "KW-VOL-002": Meaning(
        "unprotected",
        _H,
        "The volume's data can be read without any key: it has no protector, its protection is off, or it is being decrypted",
        "Find out why protection is off (an agent removed, a suspension without end, a missing TPM protector), add a TPM and a "
        "recovery-password protector, escrow the password, then resume protection; if it is being decrypted, find out who started "
        "that.",
    ),
    "KW-VOL-003": Meaning(
        "no_recovery_password",
        _H,
        "The volume is encrypted but has no recovery password, so there is nothing that could be escrowed",
        "Add a recovery-password protector and escrow it before the next restart, firmware update or TPM change; this is typical "
        "after another encryption agent or MDM profile was removed.",
    ),
    "KW-VOL-004": Meaning(
        "unescrowed",
        _H,
        "No required store holds a recovery password of this volume; if it locks, its data is lost",
        f"Back up the password that the volume has now ({_BACK_UP}) and run the report again; a computer encrypted before it joined "
        "the directory or got its policy never does so by itself. Do not clear the TPM, re-image or update firmware before that. A "
        "key in a personal Microsoft account cannot be seen from here and does not count.",
    ),
    "KW-VOL-005": Meaning(
        "at_risk",
        _M,
        "Fewer required stores hold a recovery password of this volume than the requirements ask for",
        "Back the password up to the stores that lack it; on hybrid-joined computers check that policy escrows to AD and to Entra, "
        "because one does not imply the other.",
    ),
    "KW-VOL-006": Meaning(
        "wrong_key",
        _H,
        "The escrowed entry would not open this volume: its value is malformed, contradicts another entry, or failed the proof",
        f"Treat the volume as having no escrowed key: escrow the password it has now again ({_BACK_UP}), or add a new recovery "
        "password and escrow that, and keep the old entries until the new one is proven.",
    ),
    "KW-VOL-007": Meaning(
        "unknown",
        _M,
        "It could not be told whether an escrowed recovery password opens this today, because a host, a store or a read did not answer",
        "Look at the findings of this computer and of the stores for what did not answer, repair that and run the report again; "
        "this is neither a pass nor a missing key.",
    ),
    "KW-VOL-008": Meaning(
        "on_file",
        _L,
        "A recovery key is on file, but the computer was not observed lately, so nobody can say whether it is still the one that "
        "opens the disk",
        "Observe the computer when it is next online, for example by gathering its observation from a machine that can reach it; "
        "keep its entries until then.",
    ),
    "KW-VOL-009": Meaning(
        "unavailable",
        _H,
        "BitLocker is not installed on this computer: its management namespace does not exist",
        "On Windows Server install the BitLocker feature and restart, then encrypt; on an edition without BitLocker, or where the "
        "disk needs none, take the computer out of scope.",
    ),
}

_FLAGS = {
    "KW-VOL-101": Meaning(
        "suspended",
        _M,
        "Protection is suspended for more restarts than allowed; until it resumes, the volume's key lies on the disk in clear",
        "Resume protection (manage-bde -protectors -enable) once the maintenance that needed it is done, and check that a TPM "
        "protector exists, without which it may not resume by itself.",
    ),
    "KW-VOL-102": Meaning(
        "locked",
        _L,
        "The volume is locked, so part of its state cannot be read",
        "Unlock it where it is needed, using the escrowed key whose ID is listed here; for data volumes consider auto-unlock.",
    ),
    "KW-VOL-103": Meaning(
        "converting",
        _I,
        "The volume is being encrypted or decrypted, or that is paused",
        "Let it finish and run the report again; resume it (manage-bde -resume) if it stays paused.",
    ),
    "KW-VOL-104": Meaning(
        "weak_method",
        _M,
        "The volume's encryption method is not among those that the requirements allow",
        "Set the wanted method by policy, then decrypt and encrypt the volume again in a maintenance window; the method of an "
        "encrypted volume cannot be changed. For hardware encryption check the drive's firmware advisories first.",
    ),
    "KW-VOL-105": Meaning(
        "activation_pending",
        _M,
        "Encryption was ordered but waits for a hardware test at the next restart",
        "Restart the computer and check that encryption starts; if it stays pending, look for the failed hardware test in the "
        "BitLocker event log.",
    ),
    "KW-VOL-106": Meaning(
        "other_recovery",
        _L,
        "The volume has another way of recovery (recovery agent, external key, passphrase, SID or certificate) but no recovery password",
        "Make sure that somebody holds that key or certificate and that it was tried, and add a recovery password, which is what "
        "can be escrowed and read out over the telephone.",
    ),
    "KW-VOL-107": Meaning(
        "sibling_not_escrowed",
        _L,
        "One recovery password of this volume is escrowed, another is not or would not open it; the recovery screen may ask for either",
        "Escrow the other password as well, or remove its protector once the escrowed one is proven.",
    ),
}

_ENTRIES = {
    "KW-ESC-001": Meaning(
        "stale_entries",
        _I,
        "Entries under this computer match no protector that it has now",
        "Nothing is wrong as long as a current one exists; keep them while a disk or backup from before a re-image, rotation or "
        "drive swap may still be needed, and remove them only after that.",
    ),
    "KW-ESC-002": Meaning(
        "duplicate_entries",
        _I,
        "The same protector has several entries under its own computer",
        "No action is needed; the copies agree or were not read. Tidy up only after one of them is proven.",
    ),
    "KW-ESC-003": Meaning(
        "conflicting_entries",
        _H,
        "Entries for the same protector hold different recovery passwords, so at least one of them is wrong",
        "Prove them against the live volume, or add and escrow a new recovery password; find out who wrote the other one, because "
        "Windows never writes two values for one ID.",
    ),
    "KW-ESC-004": Meaning(
        "malformed_entry",
        _H,
        "An entry breaks its format, so that it must not be relied on",
        "Escrow the protector's password again from the computer itself, check that the new entry is sound, and look for the tool "
        "or person that wrote the broken one.",
    ),
    "KW-ESC-005": Meaning(
        "refuted_entry",
        _H,
        "An escrowed recovery password does not open the volume that it is filed for",
        "Escrow the password that the volume has now and prove it; then find out how the wrong value got there (a restored "
        "directory, a tool, a typed value) because other computers may share the cause.",
    ),
    "KW-ESC-006": Meaning(
        "held_elsewhere",
        _M,
        "An entry for this volume's protector lies under another computer or device",
        "If the drive moved or the computer joined anew, back its password up again so that it lies under its own object; otherwise "
        "find out who planted it. Do not delete the other object before that.",
    ),
    "KW-ESC-007": Meaning(
        "unreadable_entries",
        _M,
        "Entries exist but this account may not read them, so nothing about their content can be said",
        "Grant the account read access to msFVE-RecoveryInformation objects below the computers, or remove what denies it on these; "
        "the attributes of the password are confidential and need control access as well.",
    ),
    "KW-ESC-008": Meaning(
        "deleted_owner",
        _M,
        "An entry for this volume's protector lies only under a deleted computer or device object",
        "Restore the deleted object if it can be, or back the password up again from the computer, before the directory removes it "
        "for good.",
    ),
    "KW-ESC-009": Meaning(
        "near_entra_limit",
        _M,
        "The device holds nearly as many recovery keys in Entra as it may ({count} of {limit})",
        "Find out what makes new keys (rotation loops, repeated provisioning) and stop it before the limit, at which escrow fails.",
        {"count": "150 or more", "limit": 200},
    ),
    "KW-ESC-010": Meaning(
        "at_entra_limit",
        _H,
        "The device holds as many recovery keys in Entra as it may ({count} of {limit}); new ones are refused and encryption may stop",
        "Copy the current key to another store first, then clear the old ones; deleting the device object deletes every key, the "
        "one in use too.",
        {"count": "200 or more", "limit": 200},
    ),
    "KW-ESC-011": Meaning(
        "backup_record_disagrees",
        _L,
        "Windows records that the recovery password was backed up to a required store, which has no entry for it",
        "Believe the store: back the password up again; the entry was deleted, its object was replaced, or the record is of another "
        "directory.",
    ),
    "KW-ESC-012": Meaning(
        "circular_escrow",
        _H,
        "The only copy of the recovery password can be read only while this very machine works",
        "Keep a copy somewhere that does not need this machine: another directory, a sealed sheet, or a second vault.",
    ),
    "KW-ESC-013": Meaning(
        "vanished_entry",
        _H,
        "An entry that an earlier run saw in a store is no longer there",
        "Find out who removed it (the directory's or tenant's audit log); if the protector still exists, back its password up again at "
        "once, and if the whole object was deleted, restore it.",
    ),
    "KW-ESC-014": Meaning(
        "changed_entry",
        _H,
        "An entry is no longer the one that an earlier run saw, although it is never changed once it is written",
        "Find out who wrote it, and do not rely on it until it is proven; back the password up again from the computer itself.",
    ),
}

_GATHER = "run the report again"
_HOSTS = {
    "KW-HST-001": Meaning(
        "unreachable",
        _M,
        "The computer could not be reached",
        f"Check that it is online, its name resolves and its WinRM port is open to this node, then {_GATHER}; for laptops give an "
        "observation gathered earlier.",
    ),
    "KW-HST-002": Meaning(
        "authentication",
        _M,
        "The computer refused the credentials",
        "Check user name, password and authentication transport of this host in the inventory, and whether the account is locked, "
        f"then {_GATHER}.",
    ),
    "KW-HST-003": Meaning(
        "authorization",
        _M,
        "The computer knows the account but refuses to let it read BitLocker's state",
        "Use an account that is administrator on the computer; a local administrator other than the built-in one is filtered by UAC "
        "over the network (LocalAccountTokenFilterPolicy), and the WMI namespace and WinRM's root SDDL must admit it.",
    ),
    "KW-HST-004": Meaning(
        "tls",
        _M,
        "The computer's TLS certificate was refused",
        "Install a certificate that names the computer and is issued by a CA this node trusts, or give that CA in "
        "ansible_winrm_ca_trust_path; do not turn validation off.",
    ),
    "KW-HST-005": Meaning(
        "protocol",
        _M,
        "The computer answered with an error, or with something that is no WS-Management answer",
        f"Check that the port is WinRM's and no proxy stands between, look at the computer's WinRM event log, then {_GATHER}.",
    ),
    "KW-HST-006": Meaning(
        "observation_stale",
        _L,
        "The newest observation (made {observed_at}) is too old or lies in the future, and was not judged by",
        "Gather the computer again when it is online; if it is, compare the clock of the node that gathered with this one's.",
        {"observed_at": "at an unknown time"},
    ),
    "KW-HST-007": Meaning(
        "identity_collision",
        _H,
        "Another live computer claims the same identity, so the entries under it are counted for neither",
        "Find the clone (an image that was not generalised, a copied virtual machine), give it its own identity, and have it escrow "
        "its keys anew.",
    ),
    "KW-HST-008": Meaning(
        "weak_join",
        _L,
        "The computer was matched to its object in a store by name alone",
        "Observe the computer, so that it tells its own identity; use Kerberos or a certificate that names it to have that proven.",
    ),
    "KW-HST-009": Meaning(
        "not_in_inventory",
        _L,
        "A store knows this computer, but the inventory does not, so nobody observed it",
        "Add it to the inventory, or, if it no longer exists, disable its object after its keys are no longer needed.",
    ),
    "KW-HST-010": Meaning(
        "policy_conflict",
        _M,
        "The computer's BitLocker policy contradicts the requirements",
        "Correct the recovery options of that drive type in the group policy or MDM profile (allow recovery passwords, store them "
        "in AD DS, require that before encryption), and let the computer refresh its policy.",
    ),
}

_RUN = {
    "KW-STO-001": Meaning(
        "store_down",
        _M,
        "Store {store} could not be searched to its end (state: {state}), so what was not found there is unknown",
        "Check the store's servers, name resolution, certificates and this run's credentials for it, then run the report again; "
        "nothing is called missing until then.",
        {"store": "?", "state": "down"},
    ),
    "KW-STO-002": Meaning(
        "store_rights",
        _M,
        "The account may not read the recovery objects of store {store}, so what was not found there says nothing",
        "In AD grant the account list and read access to msFVE-RecoveryInformation objects below the computers in scope; in Entra ID give "
        "the application the permission that is named here, with an administrator's consent (the README has both). Then run the report "
        "again.",
        {"store": "?"},
    ),
    "KW-STO-003": Meaning(
        "store_read_only_dc",
        _M,
        "Values were asked of a read-only domain controller or Global Catalog in store {store}, which never holds recovery passwords",
        "Name a writable domain controller in the server option and run it again.",
        {"store": "?"},
    ),
    "KW-RUN-001": Meaning(
        "coverage",
        _M,
        "Only {observed} of {known} known computers were observed within age; at least {min_coverage} of them, as a part of one, must be",
        "Reach more computers (see the findings of those that failed), add what is missing to the inventory, or narrow the scope to "
        "what should be reachable.",
        {"observed": "?", "known": "?", "min_coverage": "?"},
    ),
}

#: every code there is
CATALOGUE: Mapping[str, Meaning] = MappingProxyType({**_VERDICTS, **_FLAGS, **_ENTRIES, **_HOSTS, **_RUN})
