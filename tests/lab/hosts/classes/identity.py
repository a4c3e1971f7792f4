# SPDX-License-Identifier: GPL-3.0-or-later
"""Who the machine is: computer, operating system, firmware, volumes as the file system sees them, cluster, TPM (reference 3.1, 3.3)."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from ...model import LabHost, LabVolume
from ..cim import Method, Values, WmiClass, parse_signatures
from ..profiles import Profile
from .volume_schema import device_id

_SYSTEM = {
    "Name": "string",
    "DNSHostName": "string",
    "Domain": "string",
    "Workgroup": "string",
    "PartOfDomain": "boolean",
    "DomainRole": "uint16",
    "Manufacturer": "string",
    "Model": "string",
    "UserName": "string",
    "Roles": "string[]",
    "TotalPhysicalMemory": "uint64",
}
_OS = {
    "Caption": "string",
    "Version": "string",
    "BuildNumber": "string",
    "CSName": "string",
    "OSArchitecture": "string",
    "OperatingSystemSKU": "uint32",
    "ProductType": "uint32",
    "SystemDrive": "string",
    "LastBootUpTime": "datetime",
    "LocalDateTime": "datetime",
    "OSLanguage": "uint32",
    "MUILanguages": "string[]",
    "Locale": "string",
    "CurrentTimeZone": "sint32",
    "CSDVersion": "string",
}
_BIOS = {
    "Manufacturer": "string",
    "Name": "string",
    "ReleaseDate": "datetime",
    "SerialNumber": "string",
    "SMBIOSBIOSVersion": "string",
    "SoftwareElementID": "string",
    "SoftwareElementState": "uint16",
    "TargetOperatingSystem": "uint16",
    "Version": "string",
}
_PRODUCT = {"IdentifyingNumber": "string", "Name": "string", "UUID": "string", "Vendor": "string", "Version": "string"}
_VOLUME = {
    "BootVolume": "boolean",
    "Capacity": "uint64",
    "DeviceID": "string",
    "DriveLetter": "string",
    "DriveType": "uint32",
    "FileSystem": "string",
    "FreeSpace": "uint64",
    "Label": "string",
    "Name": "string",
    "SystemVolume": "boolean",
}
_TPM = {
    "IsActivated_InitialValue": "boolean",
    "IsEnabled_InitialValue": "boolean",
    "IsOwned_InitialValue": "boolean",
    "ManufacturerId": "uint32",
    "ManufacturerVersion": "string",
    "ManufacturerVersionInfo": "string",
    "PhysicalPresenceVersionInfo": "string",
    "SpecVersion": "string",
}
_TPM_MODERN = {"ManufacturerIdTxt": "string", "ManufacturerVersionFull20": "string"}
_TPM_METHODS = parse_signatures("""
GetOwnerAuthStatus() -> OwnerAuthStatus:uint32
GetPhysicalPresenceRequest() -> Request:uint32
IsActivated() -> IsActivated:boolean
IsAutoProvisioningEnabled() -> IsAutoProvisioningEnabled:boolean
IsEnabled() -> IsEnabled:boolean
IsKeyAttestationCapable() -> TestResult:uint32
IsLockedOut() -> IsLockedOut:boolean
IsOwned() -> IsOwned:boolean
IsReady() -> IsReady:boolean
IsReadyInformation() -> IsReady:boolean, Information:uint32
SelfTest()
Clear(OwnerAuth?:string)
TakeOwnership(OwnerAuth?:string)
""")
_TPM_ANSWERS: dict[str, Values] = {
    "GetOwnerAuthStatus": {"OwnerAuthStatus": 0},
    "GetPhysicalPresenceRequest": {"Request": 0},
    "IsActivated": {"IsActivated": True},
    "IsAutoProvisioningEnabled": {"IsAutoProvisioningEnabled": True},
    "IsEnabled": {"IsEnabled": True},
    "IsKeyAttestationCapable": {"TestResult": 0},
    "IsLockedOut": {"IsLockedOut": False},
    "IsOwned": {"IsOwned": True},
    "IsReady": {"IsReady": True},
    "IsReadyInformation": {"IsReady": True, "Information": 0},
    "SelfTest": {},
}
_TPM_PROTECTORS = frozenset({1, 4, 5, 6})
_GIB = 1024**3
_SKU_ENTERPRISE, _SKU_STANDARD_SERVER = 4, 7


def has_tpm(host: LabHost, profile: Profile) -> bool:
    """Clients have a TPM; servers have one where a volume is protected by it."""
    return not profile.server or any(item.type in _TPM_PROTECTORS for volume in host.volumes for item in volume.protectors)


def identity_classes(host: LabHost, profile: Profile, now: datetime) -> list[WmiClass]:
    """The classes of root/cimv2 that say who the machine is; ``now`` is the host's clock when it was made."""
    return [
        WmiClass(name="Win32_ComputerSystem", properties=_SYSTEM, keys=("Name",), instances=lambda: [_system(host)]),
        WmiClass(
            name="Win32_OperatingSystem", properties=_OS, keys=(), singleton=True, instances=lambda: [_operating_system(host, profile, now)]
        ),
        WmiClass(
            name="Win32_BIOS",
            properties=_BIOS,
            keys=("Name", "SoftwareElementID", "SoftwareElementState", "TargetOperatingSystem", "Version"),
            instances=lambda: [_bios(host)],
        ),
        WmiClass(
            name="Win32_ComputerSystemProduct",
            properties=_PRODUCT,
            keys=("IdentifyingNumber", "Name", "Version"),
            instances=lambda: [_product(host)],
        ),
        WmiClass(name="Win32_Volume", properties=_VOLUME, keys=("DeviceID",), instances=lambda: [_volume(item) for item in host.volumes]),
    ]


def cluster_class(host: LabHost) -> WmiClass:
    """MSCluster_Cluster of root/mscluster."""
    return WmiClass(
        name="MSCluster_Cluster",
        properties={"Name": "string", "Description": "string", "Fqdn": "string"},
        keys=("Name",),
        instances=lambda: [{"Name": host.cluster_name, "Description": "", "Fqdn": f"{host.cluster_name}.{host.domain or 'local'}"}],
    )


def tpm_class(host: LabHost, profile: Profile) -> WmiClass:
    """Win32_Tpm: no key, one instance or none."""
    modern = profile.version not in ("6.3.9600", "10.0.10240")
    instance: Values = {
        "IsActivated_InitialValue": True,
        "IsEnabled_InitialValue": True,
        "IsOwned_InitialValue": True,
        "ManufacturerId": 1229346816,
        "ManufacturerIdTxt": "IFX",
        "ManufacturerVersion": "7.63",
        "ManufacturerVersionFull20": "7.63.3353.0",
        "ManufacturerVersionInfo": "SLB9670",
        "PhysicalPresenceVersionInfo": "1.3",
        "SpecVersion": "2.0, 0, 1.38",
    }

    def bound(method: Method) -> Method:
        answers = _TPM_ANSWERS.get(method.name)
        return replace(method, handler=(lambda _instance, _arguments: (0, answers)) if answers is not None else None)

    return WmiClass(
        name="Win32_Tpm",
        properties=_TPM | _TPM_MODERN if modern else _TPM,
        singleton=True,
        instances=lambda: [instance] if has_tpm(host, profile) else [],
        methods={name: bound(method) for name, method in _TPM_METHODS.items()},
    )


def _system(host: LabHost) -> Values:
    return {
        "Name": host.netbios_name.upper()[:15],
        "DNSHostName": host.netbios_name,
        "Domain": host.domain or host.workgroup,
        "Workgroup": None if host.domain else host.workgroup,
        "PartOfDomain": host.domain is not None,
        "DomainRole": host.domain_role,
        "Manufacturer": host.manufacturer,
        "Model": host.model,
        "UserName": None,
        "Roles": ["LM_Workstation", "LM_Server", "NT"],
        "TotalPhysicalMemory": 16 * _GIB,
    }


def _operating_system(host: LabHost, profile: Profile, now: datetime) -> Values:
    product = 2 if host.domain_role >= 4 else 3 if profile.server else 1
    system = next((volume.drive_letter for volume in host.volumes if volume.volume_type == 0 and volume.drive_letter), "C:")
    return {
        "Caption": profile.caption,
        "Version": profile.version,
        "BuildNumber": profile.build,
        "CSName": host.netbios_name.upper()[:15],
        "OSArchitecture": "64-bit",
        "OperatingSystemSKU": _SKU_STANDARD_SERVER if profile.server else _SKU_ENTERPRISE,
        "ProductType": product,
        "SystemDrive": system,
        "LastBootUpTime": now - timedelta(days=3, seconds=17, microseconds=500000),
        "LocalDateTime": now,
        "OSLanguage": 1033,
        "MUILanguages": ["en-US"],
        "Locale": "0409",
        "CurrentTimeZone": 60,
        "CSDVersion": None,
    }


def _bios(host: LabHost) -> Values:
    return {
        "Manufacturer": host.manufacturer,
        "Name": "Lab BIOS 1.0",
        "ReleaseDate": datetime(2024, 3, 9, tzinfo=UTC),
        "SerialNumber": host.serial,
        "SMBIOSBIOSVersion": "1.0",
        "SoftwareElementID": "Lab BIOS 1.0",
        "SoftwareElementState": 3,
        "TargetOperatingSystem": 0,
        "Version": "LAB - 1",
    }


def _product(host: LabHost) -> Values:
    return {
        "IdentifyingNumber": host.serial,
        "Name": host.model,
        "UUID": host.hardware_uuid.upper(),
        "Vendor": host.manufacturer,
        "Version": "1.0",
    }


def _volume(volume: LabVolume) -> Values:
    name = f"{volume.drive_letter}\\" if volume.drive_letter else device_id(volume)
    if not volume.drive_letter and volume.mount_point:
        name = volume.mount_point.rstrip("\\") + "\\"
    is_system = volume.volume_type == 0
    return {
        "BootVolume": is_system,
        "Capacity": None if volume.locked else 256 * _GIB,
        "DeviceID": device_id(volume),
        "DriveLetter": volume.drive_letter,
        "DriveType": 2 if volume.volume_type == 2 else 3,
        "FileSystem": None if volume.locked else "NTFS",
        "FreeSpace": None if volume.locked else 100 * _GIB,
        "Label": None if volume.locked else ("System" if is_system else "Data"),
        "Name": name,
        "SystemVolume": False,
    }
