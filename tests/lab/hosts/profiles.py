# SPDX-License-Identifier: GPL-3.0-or-later
"""What differs between Windows versions (PROFILES), and between plausible readings of an unrecorded wire form (WIRE_FORMS).

``LabHost.profile`` is a key of :data:`PROFILES`, ``LabHost.wire_form`` one of :data:`WIRE_FORMS`. Both are free to be combined.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

#: the four properties that the class page's oldest syntax block lists
OLD_VOLUME_PROPERTIES = frozenset({"DeviceID", "PersistentVolumeID", "DriveLetter", "ProtectionStatus"})
_BACKUP_RECORDS = frozenset({"GetNumericalPasswordBackupType", "GetNumericalPasswordBackupAccounts"})
_CLOUD = frozenset({"BackupRecoveryInformationToCloudDomain"})
_MICROSOFT_ACCOUNT = frozenset({"BackupRecoveryInformationToMicrosoftAccount"})
_NEWEST = frozenset({"GetTpmProtectorVersion", "TpmProtectorContainsSecureBootBinding"})
_SECURE_BOOT = frozenset({"GetSecureBootBindingState"})


@dataclass(frozen=True, kw_only=True)
class Profile:
    """One Windows version as its WMI repository and identity classes show it.

    ``snapshot_properties`` False: Win32_EncryptableVolume has no ConversionStatus, EncryptionMethod, VolumeType and
    IsVolumeInitializedForProtection (a WQL projection that names one fails, the Get... methods work); the OS volume is then the one
    on Win32_OperatingSystem.SystemDrive and a removable one has Win32_Volume.DriveType 2.
    ``missing_methods``: names that the class does not have. ``registry_in_cimv2``: StdRegProv is also in root/cimv2, not only root/default.
    ``max_envelope``: the service's MaxEnvelopeSize in octets (500 KB since Windows 8 and Server 2012; a larger request gets 413).
    """

    caption: str
    version: str
    server: bool
    snapshot_properties: bool = True
    missing_methods: frozenset[str] = frozenset()
    registry_in_cimv2: bool = True
    max_envelope: int = 512000

    @property
    def build(self) -> str:
        """Win32_OperatingSystem.BuildNumber."""
        return self.version.rsplit(".", 1)[1]


_OLD = _BACKUP_RECORDS | _CLOUD | _MICROSOFT_ACCOUNT | _NEWEST | _SECURE_BOOT

#: which Windows release added what is not documented: these profiles spread the possibilities
PROFILES: dict[str, Profile] = {
    "ws2012r2": Profile(
        caption="Microsoft Windows Server 2012 R2 Standard",
        version="6.3.9600",
        server=True,
        snapshot_properties=False,
        missing_methods=_OLD,
        registry_in_cimv2=False,
    ),
    "ws2016": Profile(
        caption="Microsoft Windows Server 2016 Standard",
        version="10.0.14393",
        server=True,
        missing_methods=_OLD - _SECURE_BOOT,
        registry_in_cimv2=False,
    ),
    "ws2019": Profile(
        caption="Microsoft Windows Server 2019 Standard",
        version="10.0.17763",
        server=True,
        missing_methods=_BACKUP_RECORDS | _MICROSOFT_ACCOUNT | _NEWEST,
    ),
    "ws2022": Profile(
        caption="Microsoft Windows Server 2022 Standard", version="10.0.20348", server=True, missing_methods=_MICROSOFT_ACCOUNT | _NEWEST
    ),
    "ws2025": Profile(
        caption="Microsoft Windows Server 2025 Standard", version="10.0.26100", server=True, missing_methods=_MICROSOFT_ACCOUNT | _NEWEST
    ),
    "win10_1507": Profile(
        caption="Microsoft Windows 10 Enterprise",
        version="10.0.10240",
        server=False,
        snapshot_properties=False,
        missing_methods=_OLD,
        registry_in_cimv2=False,
    ),
    "win10_22h2": Profile(caption="Microsoft Windows 10 Enterprise", version="10.0.19045", server=False, missing_methods=_NEWEST),
    "win11_23h2": Profile(caption="Microsoft Windows 11 Enterprise", version="10.0.22631", server=False, missing_methods=_NEWEST),
    "win11_25h2": Profile(caption="Microsoft Windows 11 Enterprise", version="10.0.26200", server=False),
}


@dataclass(frozen=True, kw_only=True)
class WireForm:
    """One reading of what the wire reference leaves open; ``meaning`` says how it differs from ``modern``."""

    meaning: str
    #: the element of an invoke answer is named Method_OUTPUT (else Method)
    output_suffix: bool = True
    #: instances and outputs carry xsi:type
    output_type: bool = True
    #: a NULL scalar is an element with xsi:nil (else left out)
    null_scalar_nil: bool = True
    #: a NULL or empty array is one element with xsi:nil (else left out)
    null_array_nil: bool = False
    #: ReturnValue of GetKeyProtectors on a volume without protectors
    no_protectors: int = 0
    #: ReturnValue that means ERROR_NOT_SUPPORTED
    not_supported: int = 0x80070032
    #: one of wsfaults.missing_namespace's forms: filter (CannotProcessFilter for WQL), unreachable, provider, bare
    namespace_fault: str = "filter"
    #: one of wsfaults.missing_method's forms: action_uri, action, provider, unreachable
    method_fault: str = "action_uri"
    #: one of wsfaults.access_denied's forms: wmi, five, internal, provider
    access_fault: str = "wmi"
    #: a rejection by the service's root SDDL is HTTP 401 (else a fault with code 5)
    root_sddl_401: bool = False
    #: a locked volume's ConversionStatus, EncryptionMethod and IsVolumeInitializedForProtection are NULL (else numbers)
    locked_properties_null: bool = False
    booleans: tuple[str, str] = ("false", "true")
    #: fraction digits of a datetime before trailing zeros are cut
    fraction_digits: int = 1
    #: the first answer to an optimised Enumerate holds one item at most (else as many as fit)
    first_answer_one: bool = True
    #: items in one Pull answer at most
    pull_limit: int | None = None
    #: the last batch does not say EndOfSequence, only the empty one after it
    late_end: bool = False
    #: an empty result has an empty w:Items element (else none)
    empty_items: bool = True
    #: ReturnValue of a registry read of the wrong type
    registry_mismatch: int = 0x80041005
    #: JoinInfo has a DeviceId value and the device certificate's Blob cannot be found
    join_device_id: bool = False
    #: data elements use the default namespace instead of the prefix p
    default_prefix: bool = False
    #: answers begin with an XML declaration
    xml_declaration: bool = False
    language: str = "en-US"
    #: fault only: numbers and booleans are sent as words (LabHost.fault wrong_types)
    lying_types: bool = False


_MODERN = WireForm(meaning="The most likely reading of every open point.")


def _form(meaning: str, **changes: object) -> WireForm:
    return replace(_MODERN, meaning=meaning, **changes)  # type: ignore[arg-type]  # field names are checked by replace at import


WIRE_FORMS: dict[str, WireForm] = {
    "modern": _MODERN,
    "output_plain": _form(
        "Invoke answers are named Method, without _OUTPUT, and carry no xsi:type.", output_suffix=False, output_type=False
    ),
    "output_untyped": _form("Invoke answers and instances carry no xsi:type.", output_type=False),
    "null_omitted": _form("NULL scalars are left out instead of nil.", null_scalar_nil=False),
    "null_array_nil": _form("NULL and empty arrays are one nil element instead of nothing.", null_array_nil=True),
    "not_activated": _form("GetKeyProtectors without protectors answers FVE_E_NOT_ACTIVATED instead of S_OK.", no_protectors=0x80310008),
    "not_supported_50": _form("ERROR_NOT_SUPPORTED is the plain Win32 code 50 instead of 0x80070032.", not_supported=50),
    "namespace_unreachable": _form(
        "A missing namespace is a:DestinationUnreachable 2150858752 for WQL too, with provider text.", namespace_fault="unreachable"
    ),
    "namespace_provider": _form(
        "A missing namespace is a:DestinationUnreachable 2150858752 around an inner fault 0x8004100E.", namespace_fault="provider"
    ),
    "namespace_bare": _form("A missing namespace is the number 2150858752 alone, without provider text.", namespace_fault="bare"),
    "method_action": _form("A missing method is a:ActionNotSupported 2150858771 instead of 2150858753.", method_fault="action"),
    "method_provider": _form("A missing method is w:InternalError around an inner fault 0x8004102E.", method_fault="provider"),
    "method_unreachable": _form(
        "A missing method is a:DestinationUnreachable around an inner fault 0x80041055.", method_fault="unreachable"
    ),
    "access_five": _form("WMI's access denied is w:AccessDenied with code 5 instead of 2150859012.", access_fault="five"),
    "access_internal": _form("WMI's access denied is s:Receiver w:InternalError 2147942405.", access_fault="internal"),
    "access_provider": _form("WMI's access denied is w:AccessDenied around an inner fault 0x80041003.", access_fault="provider"),
    "root_sddl_401": _form(
        "The service's root SDDL rejects with HTTP 401 (reads as authentication) instead of a fault.", root_sddl_401=True
    ),
    "locked_null": _form("Snapshot properties of a locked volume are NULL instead of numbers.", locked_properties_null=True),
    "upper_booleans": _form("Booleans are TRUE and FALSE.", booleans=("FALSE", "TRUE")),
    "whole_seconds": _form("Datetimes have no fraction.", fraction_digits=0),
    "long_fractions": _form("Datetimes have up to seven fraction digits.", fraction_digits=7),
    "first_answer_all": _form("The first answer to an optimised Enumerate holds everything that fits.", first_answer_one=False),
    "tiny_batches": _form("Each Pull answers one item whatever MaxElements says.", pull_limit=1),
    "late_end": _form("EndOfSequence comes alone, in an empty answer after the last item.", late_end=True),
    "empty_without_items": _form("An empty result has no w:Items element.", empty_items=False),
    "registry_mismatch_1": _form("A registry read of the wrong type answers 1 instead of 0x80041005.", registry_mismatch=1),
    "join_device_id": _form("JoinInfo has a DeviceId value; the device certificate cannot be read.", join_device_id=True),
    "default_prefix": _form("Data elements use the default namespace.", default_prefix=True, xml_declaration=True),
    "german": _form("A German Windows: xml:lang de-DE and German fault texts.", language="de-DE"),
    "oldest": _form(
        "Several old readings at once.",
        output_type=False,
        null_scalar_nil=False,
        no_protectors=0x80310008,
        not_supported=50,
        namespace_fault="bare",
        method_fault="provider",
        access_fault="five",
        fraction_digits=0,
        locked_properties_null=True,
        registry_mismatch=1,
    ),
}
