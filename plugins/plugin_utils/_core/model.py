# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""The words of the project as types: what a host said (observation), what a store holds (owners, entries), what we say of it.

Values of enumerations are the words that appear in observations and reports. Values that Windows may add later arrive as
``unknown_<number>`` strings, so the fields that carry Windows' enumerations are plain ``str``; the classes below name the known words.
Key IDs are GUIDs in lower case without braces everywhere in Python and JSON.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from .bulk import bulk_dataclass
from .redaction import Secret


class EntryState(StrEnum):
    """State of one protector in one store, best word for several own entries first (DESIGN section 5)."""

    PROVEN = "proven"
    CONFLICTING = "conflicting"
    REFUTED = "refuted"
    PRESENT = "present"
    UNREADABLE = "unreadable"
    MALFORMED = "malformed"
    UNKNOWN = "unknown"
    DELETED = "deleted"
    ABSENT = "absent"


#: states that count as a copy
COUNTED = frozenset({EntryState.PROVEN, EntryState.PRESENT, EntryState.UNREADABLE})


class Verdict(StrEnum):
    """The one word for a volume or a computer, worst first: the order of a computer's verdict over its volumes."""

    UNESCROWED = "unescrowed"
    NO_RECOVERY_PASSWORD = "no_recovery_password"
    WRONG_KEY = "wrong_key"
    AT_RISK = "at_risk"
    UNPROTECTED = "unprotected"
    NOT_ENCRYPTED = "not_encrypted"
    UNAVAILABLE = "unavailable"
    UNKNOWN = "unknown"
    ON_FILE = "on_file"
    ESCROWED = "escrowed"
    RECOVERABLE = "recoverable"


class Flag(StrEnum):
    """Independent marks of a volume (KW-VOL-101 to 107)."""

    SUSPENDED = "suspended"
    LOCKED = "locked"
    CONVERTING = "converting"
    WEAK_METHOD = "weak_method"
    ACTIVATION_PENDING = "activation_pending"
    OTHER_RECOVERY = "other_recovery"
    SIBLING_NOT_ESCROWED = "sibling_not_escrowed"


class Severity(StrEnum):
    """How bad a finding is."""

    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"
    INFO = "info"


class Join(StrEnum):
    """How we know that an owner in a store is this computer, strongest first (DESIGN section 4)."""

    AUTHENTICATED = "authenticated"
    CLAIMED = "claimed"
    BY_NAME = "by_name"


class StoreState(StrEnum):
    """What a search of a store came to."""

    SEARCHED = "searched"
    PARTIAL = "partial"
    NO_RIGHTS = "no_rights"
    DOWN = "down"


class VolumeType(StrEnum):
    """Win32_EncryptableVolume.VolumeType 0, 1, 2."""

    OS = "os"
    FIXED = "fixed"
    REMOVABLE = "removable"


class Conversion(StrEnum):
    """Win32_EncryptableVolume conversion status 0 to 5."""

    FULLY_DECRYPTED = "fully_decrypted"
    FULLY_ENCRYPTED = "fully_encrypted"
    ENCRYPTION_IN_PROGRESS = "encryption_in_progress"
    DECRYPTION_IN_PROGRESS = "decryption_in_progress"
    ENCRYPTION_PAUSED = "encryption_paused"
    DECRYPTION_PAUSED = "decryption_paused"


class Protection(StrEnum):
    """Win32_EncryptableVolume.ProtectionStatus 0, 1, 2."""

    OFF = "off"
    ON = "on"
    UNKNOWN = "unknown"


class Method(StrEnum):
    """Win32_EncryptableVolume encryption method 0 to 7."""

    NONE = "none"
    AES_128_DIFFUSER = "aes_128_diffuser"
    AES_256_DIFFUSER = "aes_256_diffuser"
    AES_128 = "aes_128"
    AES_256 = "aes_256"
    HARDWARE = "hardware"
    XTS_AES_128 = "xts_aes_128"
    XTS_AES_256 = "xts_aes_256"


class ProtectorType(StrEnum):
    """Win32_EncryptableVolume key protector type 1 to 10."""

    TPM = "tpm"
    EXTERNAL_KEY = "external_key"
    RECOVERY_PASSWORD = "recovery_password"
    TPM_PIN = "tpm_pin"
    TPM_STARTUP_KEY = "tpm_startup_key"
    TPM_PIN_STARTUP_KEY = "tpm_pin_startup_key"
    CERTIFICATE = "certificate"
    PASSPHRASE = "passphrase"
    NETWORK_UNLOCK = "network_unlock"
    SID = "sid"


class FailureReason(StrEnum):
    """Why a host was not observed."""

    UNREACHABLE = "unreachable"
    AUTHENTICATION = "authentication"
    AUTHORIZATION = "authorization"
    TLS = "tls"
    PROTOCOL = "protocol"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadError:
    """One read on a host that did not succeed while others did: the WMI method or class, the code, its name, a sentence."""

    read: str
    code: str = ""
    name: str = ""
    message: str = ""


@bulk_dataclass(frozen=True, slots=True, kw_only=True)
class ObservedProtector:
    """One protector as the host lists it; ``type`` None means it could not be read, ``backup`` None that it was not asked or not offered.

    ``backup`` holds the words of GetNumericalPasswordBackupType: ad, microsoft_account, entra, file, printed (empty: nowhere).
    ``key_packages``: the protector's key package, once for each time that it was read; empty where none was asked for, or given.
    """

    key_id: str
    type: str | None
    name: str | None = None
    backup: tuple[str, ...] | None = None
    key_packages: tuple[Secret[bytes], ...] = ()


@bulk_dataclass(frozen=True, slots=True, kw_only=True)
class ObservedVolume:
    """One encryptable volume as the host describes it. None means not read, or not offered by this Windows; see ``errors``.

    ``protectors`` None means the list could not be read; an empty tuple means there are none.
    ``suspend_count`` is None where Windows offers none; a failed read also leaves a ReadError of GetSuspendCount.
    ``hardware_test``: none, failed, pending. ``auto_unlock_key_id``: the external key that unlocks this data volume by itself.
    """

    device_id: str
    persistent_id: str | None = None
    letter: str | None = None
    mount_point: str | None = None
    type: str | None = None
    conversion: str | None = None
    encrypted_percent: int | None = None
    method: str | None = None
    protection: str | None = None
    locked: bool | None = None
    suspend_count: int | None = None
    hardware_test: str | None = None
    auto_unlock_key_id: str | None = None
    protectors: tuple[ObservedProtector, ...] | None = None
    errors: tuple[ReadError, ...] = ()

    @property
    def label(self) -> str:
        """The volume's name in a report: letter or mount point where there is one, else the device ID."""
        return self.letter or self.mount_point or self.device_id


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """What one inventory host said about itself at one time (controller's clock), or why it said nothing.

    ``bitlocker_installed`` None means that this could not be told. ``volumes`` None means that they could not be read.
    ``authenticated_names`` are the DNS names that the channel itself proved (certificate, Kerberos service), in lower case.
    ``policy`` holds the raw FVE policy values (None: not gathered; empty: no policy), ``cluster`` the failover cluster's name,
    ``dns_name`` the full DNS host name in lower case (None for a workgroup machine without a domain suffix: then its bare name).
    """

    host: str
    observed_at: datetime
    reason: FailureReason | None = None
    message: str = ""
    gathered: tuple[str, ...] = ()
    authenticated_names: tuple[str, ...] = ()
    name: str | None = None
    dns_name: str | None = None
    domain: str | None = None
    part_of_domain: bool | None = None
    domain_controller: bool = False
    serial: str | None = None
    hardware_uuid: str | None = None
    entra_device_id: str | None = None
    entra_tenant_id: str | None = None
    cluster: str | None = None
    bitlocker_installed: bool | None = None
    volumes: tuple[ObservedVolume, ...] | None = None
    policy: Mapping[str, int | str] | None = None
    errors: tuple[ReadError, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class IntuneFacts:
    """What Intune says of a device, by its newest enrolment: weak evidence, no judgement rests on it.

    ``encrypted`` None: it does not say, or several enrolments that synchronised at one time disagree. ``last_sync`` None: never.
    ``enrolments``: how many name this device.
    """

    encrypted: bool | None = None
    last_sync: datetime | None = None
    enrolments: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class IntuneReading:
    """How far the reading of Intune's devices reached; nothing rests on that. ``enrolments``: how many were read."""

    state: StoreState
    reason: str = ""
    enrolments: int = 0


@bulk_dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """The object in a store under which entries lie: an AD computer object, an Entra device, later a file.

    ``owner_id`` is unique in its store (AD: objectGUID, Entra: deviceId; lower case without braces). ``in_scope``: counted in the
    report's denominator even if the inventory does not know it. ``last_seen``: lastLogonTimestamp or its like. ``trust_type`` is an Entra
    device's trustType (AzureAd joined, ServerAd hybrid joined, Workplace registered), None elsewhere. ``intune`` None: nobody asked Intune,
    or it has no enrolment of this device.
    """

    store: str
    owner_id: str
    name: str
    location: str
    dns_name: str | None = None
    sid: str | None = None
    enabled: bool = True
    in_scope: bool = True
    cluster_name_object: bool = False
    deleted: bool = False
    last_seen: datetime | None = None
    trust_type: str | None = None
    intune: IntuneFacts | None = None


@bulk_dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One recovery password in one store, under its owner; normally metadata only.

    ``key_ids`` are the protector IDs this entry stands for: one for a sound entry; two where name and attribute disagree (both malformed);
    none where no ID can be read. ``defects`` are sentences that say what is malformed (empty for a sound entry).
    ``readable`` False: only its name is visible to this account. ``value`` is set only when values were asked for.
    ``volume_type`` is what the store says of the volume (Entra: os, fixed, removable), None where it says nothing.
    ``version`` is what the store says by itself of when the value was written (``kind:…``, compared and nothing else), None where it says
    nothing or was not asked.
    """

    store: str
    owner_id: str
    entry_id: str
    location: str
    key_ids: tuple[str, ...] = ()
    volume_guid: str | None = None
    volume_type: str | None = None
    created: datetime | None = None
    deleted: bool = False
    readable: bool = True
    defects: tuple[str, ...] = ()
    value: Secret[str] | None = None
    version: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreReading:
    """All that a search of one store brought, and how far it reached.

    ``state`` partial: something in it could not be read to the end, so what was not found is unknown.
    ``domain`` is the DNS name of the domain an AD reading comes from, ``tenant`` the ID (a GUID) of the tenant an Entra reading comes from.
    ``read_only`` is a read-only DC or Global Catalog.
    ``unsearched_owners``: owners whose hidden entries could not be looked for, so what was not found under them is unknown.
    ``whole``: False where only parts of the store were to be searched (search bases), so that an owner may lie elsewhere in it.
    ``intune``: how far its second list reached, None where it was not asked for; ``state`` says nothing of it.
    """

    store: str
    state: StoreState
    reason: str = ""
    owners: tuple[Owner, ...] = ()
    entries: tuple[Entry, ...] = ()
    domain: str | None = None
    tenant: str | None = None
    read_only: bool = False
    unsearched_owners: frozenset[str] = frozenset()
    whole: bool = True
    intune: IntuneReading | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A coded reason with severity and remedy; ``computer`` and ``volume`` None where it is about the run or the computer."""

    code: str
    severity: Severity
    message: str
    remedy: str
    computer: str | None = None
    volume: str | None = None


@bulk_dataclass(frozen=True, slots=True, kw_only=True)
class ProtectorStanding:
    """One recovery-password protector of a volume with its state in every store of the requirements."""

    key_id: str
    states: Mapping[str, EntryState] = field(default_factory=dict)
