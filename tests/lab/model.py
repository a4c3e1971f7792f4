# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's own description of an estate: what exists, before anybody looks at it.

Shares nothing with plugins/. The generator (estate/) fills it, the host endpoints (hosts/) and the directory (directory/) play it,
the truth is computed from it. Windows' numbers are used as Windows uses them (see the wire reference); GUIDs are lower case without
braces here and take their wire form only where they are written.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


@dataclass(kw_only=True)
class LabProtector:
    """A key protector of a volume; ``type`` is Windows' number (1 TPM, 2 external key, 3 recovery password, ...)."""

    key_id: str
    type: int
    password: str | None = None
    friendly_name: str = ""
    #: GetNumericalPasswordBackupType's bit mask (1 AD, 2 Microsoft account, 4 Entra, 8 file, 16 printed)
    backup_types: int = 0
    #: how the host answers to GetKeyPackage: sound; fips (made in FIPS mode, which nobody can prove); unsteady (wrapped anew in every call,
    #: always rightly); refused (an error)
    package: str = "sound"
    #: the 32 bytes of an external key that somebody gave; None: the lab's own
    external_key: bytes | None = None


@dataclass(kw_only=True)
class LabVolume:
    """One encryptable volume with the state the provider keeps."""

    device_guid: str
    persistent_id: str | None
    drive_letter: str | None
    mount_point: str | None = None
    volume_type: int = 0
    conversion_status: int = 1
    encryption_percentage: int = 100
    encryption_method: int = 7
    protection_status: int = 1
    locked: bool = False
    #: None: not suspended
    suspend_count: int | None = None
    hardware_test_status: int = 0
    #: a clear key lies on the disk where neither suspend_count nor ProtectionStatus shows it: a data volume, or one that is only partly
    #: encrypted
    clear_key: bool = False
    #: GetConversionStatus' EncryptionFlags (1 used space only); None: 1 unless decrypted
    encryption_flags: int | None = None
    #: key ID of the external key that unlocks this data volume automatically
    auto_unlock_key_id: str | None = None
    protectors: list[LabProtector] = field(default_factory=list)
    #: method name -> HRESULT it fails with, as a fault of this one volume
    failing_methods: dict[str, int] = field(default_factory=dict)


@dataclass(kw_only=True)
class LabFile:
    """A file on a local fixed disk, as CIM_DataFile shows it: never its content."""

    #: with its drive, backslashes single: C:\\Users\\ada\\Documents\\BitLocker Recovery Key 0123ABCD-….TXT
    path: str
    size: int = 1024
    modified: datetime | None = None
    hidden: bool = False


@dataclass(kw_only=True)
class LabHost:
    """One inventory host: a WS-Man endpoint on its own loopback address, port 5986 (HTTPS) unless said otherwise."""

    inventory_name: str
    netbios_name: str
    #: DNS suffix of the domain it is a member of; None for a workgroup machine
    domain: str | None
    workgroup: str = "WORKGROUP"
    #: one of the profiles of hosts/profiles.py: ws2012r2, ws2016, ws2019, ws2022, ws2025, win10_1507, win10_22h2, win11_23h2, win11_25h2
    profile: str = "win11_25h2"
    #: 0 standalone workstation, 1 member workstation, 2 standalone server, 3 member server, 5 primary domain controller
    domain_role: int = 1
    address: str = ""
    port: int = 5986
    scheme: str = "https"
    #: ansible_winrm_transport: basic, certificate, ntlm, kerberos, credssp
    transport: str = "basic"
    username: str = "svc-keyward"
    password: str = ""
    serial: str = ""
    hardware_uuid: str = ""
    manufacturer: str = "Lab Computers"
    model: str = "Model 1"
    bitlocker_installed: bool = True
    #: failover cluster this node belongs to (MSCluster_Cluster.Name), None: namespace root/mscluster does not exist
    cluster_name: str | None = None
    entra_device_id: str | None = None
    entra_tenant_id: str | None = None
    #: values of HKLM\\SOFTWARE\\Policies\\Microsoft\\FVE: int is REG_DWORD, str is REG_SZ; None: the key does not exist
    fve_policy: dict[str, int | str] | None = None
    #: values of HKLM\\SOFTWARE\\Microsoft\\PolicyManager\\current\\device\\BitLocker, which Intune writes; None: the key does not exist
    mdm_policy: dict[str, int | str] | None = None
    #: LocalPath of the user profiles beside those of Windows' own accounts
    profiles: list[str] = field(default_factory=list)
    #: its folders are there as well
    files: list[LabFile] = field(default_factory=list)
    #: certificate: lab (names dns_name and the address), address_only (does not name the host), untrusted, expired, wrong_name
    certificate: str = "lab"
    #: a fault of hosts/faults.py that the whole endpoint shows; None: it works. Listed there with its meaning: refused, blackhole, hung,
    #: slow, wrong_password, not_admin, uac_filtered, wmi_denied, root_sddl, garbage, not_xml, truncated, huge, entity_bomb,
    #: lying_relates_to, wrong_types, http_503, http_404, empty_500
    fault: str | None = None
    #: form of the wire answers where the reference is unconfirmed: see hosts/profiles.py for the names
    wire_form: str = "modern"
    #: how its key packages are framed: one of FRAMES in fve/played.py
    package_frame: str = "volume"
    volumes: list[LabVolume] = field(default_factory=list)

    @property
    def dns_name(self) -> str:
        """The full DNS host name, lower case."""
        return f"{self.netbios_name}.{self.domain}".lower() if self.domain else self.netbios_name.lower()


@dataclass(kw_only=True)
class LabComputerObject:
    """A computer object in the directory."""

    #: sAMAccountName without the dollar sign
    name: str
    dns_name: str | None
    ou: str = "OU=Clients"
    operating_system: str | None = "Windows 11 Enterprise"
    enabled: bool = True
    #: None: attribute absent
    last_logon: datetime | None = None
    #: servicePrincipalName MSClusterVirtualServer/... marks a cluster name object
    cluster_name_object: bool = False
    #: known machine password, so that a host can write as itself
    machine_password: str | None = None
    #: delete the object (with its entries) after seeding: entries become tombstones
    delete_after: bool = False
    #: GUID the object gets (hybrid joins: the Entra deviceId), lower case without braces; None: the directory chooses
    object_guid: str | None = None


@dataclass(kw_only=True)
class LabEntry:
    """A msFVE-RecoveryInformation object below a computer object; the ``raw_*`` fields plant damage."""

    #: LabComputerObject.name it lies under
    computer: str
    key_id: str
    password: str
    #: becomes the directory's whenCreated and, unless cn_created says otherwise, the date in the CN
    created: datetime
    volume_guid: str | None = None
    #: bytes of msFVE-RecoveryGuid instead of key_id's sixteen
    raw_recovery_guid: bytes | None = None
    #: the GUID in the CN where it differs from the attribute's
    cn_key_id: str | None = None
    #: the date in the CN where it differs from whenCreated (a client's wrong clock)
    cn_created: datetime | None = None
    key_package: bytes | None = None
    #: what becomes of key_package when a lab starts: sound (the live volume's), former (of an earlier encryption of that volume, which
    #: this entry's own password opens), garbage; None: nothing
    package: str | None = None
    #: an ACL on this one object hides it from the metadata account: only its DN can be seen
    hidden: bool = False


@dataclass(kw_only=True)
class LabEntraDevice:
    """A device object of the Entra tenant; ``object_id`` is the URL key, ``device_id`` what everything else joins by."""

    object_id: str
    device_id: str
    display_name: str
    operating_system: str = "Windows"
    operating_system_version: str = "10.0.26100.4652"
    #: AzureAd (joined), ServerAd (hybrid), Workplace (registered); None: not said
    trust_type: str | None = "AzureAd"
    account_enabled: bool = True
    #: coarse; None: not known
    approximate_last_sign_in: datetime | None = None
    registered: datetime | None = None
    #: True synchronised from AD, None never
    on_premises_sync_enabled: bool | None = None
    is_managed: bool | None = None
    is_compliant: bool | None = None
    profile_type: str | None = "RegisteredDevice"
    manufacturer: str | None = None
    model: str | None = None
    enrollment_profile_name: str | None = None
    physical_ids: list[str] = field(default_factory=list)
    #: user principal names
    registered_owners: list[str] = field(default_factory=list)
    #: deleted within the last 30 days: no request finds it, its keys stay
    soft_deleted: bool = False


@dataclass(kw_only=True)
class LabEntraKey:
    """A recovery key escrowed in Entra ID, under the device that escrowed it."""

    key_id: str
    #: LabEntraDevice.device_id; None: Graph says null
    device_id: str | None
    created: datetime
    #: 1 operating system, 2 fixed data, 3 removable data; None: Graph says null
    volume_type: int | None = 1
    password: str


@dataclass(kw_only=True)
class LabManagedDevice:
    """An Intune enrolment; several may carry one ``azure_ad_device_id``."""

    intune_id: str
    #: all zeros: none
    azure_ad_device_id: str
    device_name: str
    operating_system: str = "Windows"
    os_version: str = "10.0.26100.4652"
    serial: str = ""
    is_encrypted: bool = True
    compliance: str = "compliant"
    #: None: never, which Graph writes as the year 1
    last_sync: datetime | None = None
    enrolled: datetime | None = None


@dataclass(kw_only=True)
class LabFederatedCredential:
    """Whose tokens an application takes as its own proof: exact issuer, subject and audience."""

    issuer: str
    subject: str
    audience: str = "api://AzureADTokenExchange"


@dataclass(kw_only=True)
class LabEntraClient:
    """An application (or a managed identity) of the tenant with its ways to prove itself and what it was granted."""

    client_id: str
    display_name: str = "Lab application"
    object_id: str = ""
    secret: str | None = None
    secret_expired: bool = False
    #: PEM certificates (no keys) registered for it
    certificates: list[str] = field(default_factory=list)
    federated: list[LabFederatedCredential] = field(default_factory=list)
    #: application permissions of Microsoft Graph
    app_roles: list[str] = field(default_factory=list)
    enabled: bool = True
    #: device code flow is allowed
    public: bool = False
    #: delegated permissions of Microsoft Graph that a user consented to
    scopes: list[str] = field(default_factory=list)
    #: who signs in by device code
    user: str | None = None
    #: that user holds a directory role that may read every key, else only those of the own devices
    user_is_admin: bool = True
    #: system, user, or None: no managed identity
    managed_identity: str | None = None
    #: Azure resource ID of a user-assigned identity
    resource_id: str = ""


@dataclass(kw_only=True)
class Estate:
    """A whole estate, reproducible from seed, size and options."""

    seed: int
    now: datetime
    realm: str = "lab.example"
    hosts: list[LabHost] = field(default_factory=list)
    computers: list[LabComputerObject] = field(default_factory=list)
    entries: list[LabEntry] = field(default_factory=list)
    #: inventory name -> why this host carries which conditions, for a person reading the lab
    conditions: dict[str, list[str]] = field(default_factory=dict)
    #: observations made earlier, as volume_info would have returned them, for hosts that are given by ``observations:``
    stale_observations: dict[str, dict[str, Any]] = field(default_factory=dict)
    #: None: the estate has no Entra tenant
    entra_tenant_id: str | None = None
    entra_devices: list[LabEntraDevice] = field(default_factory=list)
    entra_keys: list[LabEntraKey] = field(default_factory=list)
    entra_managed: list[LabManagedDevice] = field(default_factory=list)
    entra_clients: list[LabEntraClient] = field(default_factory=list)
    #: issuer URL -> PEM public key that its tokens are checked with
    entra_issuers: dict[str, str] = field(default_factory=dict)
    #: settings of entra/behaviour.py that differ from its defaults
    entra_behaviour: dict[str, Any] = field(default_factory=dict)
