# SPDX-License-Identifier: GPL-3.0-or-later
"""Identity, registry, TPM and cluster of a lab host."""

from __future__ import annotations

import struct

from ansible_collections.keyward.bitlocker.tests.lab.hosts.classes.registry import CERTIFICATES, FVE_POLICY, JOIN_INFO
from ansible_collections.keyward.bitlocker.tests.unit.lab.hosts.raw import BITLOCKER, Answer, Direct, Message, make_host
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.x509.oid import NameOID

DEVICE = "55555555-eeee-4eee-8eee-000000000001"
HKLM = "<p:hDefKey>2147483650</p:hDefKey>"


def _registry(direct: Direct, method: str, key: str, value: str = "", *, namespace: str = "root/cimv2", hive: str = HKLM) -> Answer:
    inner = f"{hive}<p:sSubKeyName>{key}</p:sSubKeyName>" + (f"<p:sValueName>{value}</p:sValueName>" if value else "")
    return direct.send(Message.invoke(namespace, "StdRegProv", method, inner))


def test_a_domain_member_and_a_workgroup_machine() -> None:
    member = Direct(make_host()).send(Message.enumerate("root/cimv2", "Win32_ComputerSystem"))
    assert (member.texts("Domain"), member.texts("Workgroup"), member.texts("DomainRole")) == (["lab.example"], [None], ["1"])
    alone = Direct(make_host(domain=None, domain_role=0)).send(Message.enumerate("root/cimv2", "Win32_ComputerSystem"))
    assert (alone.texts("Domain"), alone.texts("PartOfDomain")) == (["WORKGROUP"], ["false"])


def test_operating_system_by_role_and_profile() -> None:
    def product(**changes: object) -> list[str | None]:
        return Direct(make_host(**changes)).send(Message.enumerate("root/cimv2", "Win32_OperatingSystem")).texts("ProductType")

    assert product() == ["1"]
    assert product(profile="ws2019", domain_role=3) == ["3"]
    assert product(profile="ws2025", domain_role=5) == ["2"]


def test_bitlocker_not_installed_has_no_namespace() -> None:
    direct = Direct(make_host(profile="ws2022", bitlocker_installed=False))
    answer = direct.send(Message.query(BITLOCKER, "SELECT * FROM Win32_EncryptableVolume"))
    assert answer.fault == ("n:CannotProcessFilter", 2150858778)
    assert "namespace does not exist" in answer.raw.decode()
    assert answer.nodes("ProviderFault")
    assert direct.send(Message.volume("GetLockStatus")).fault == ("a:DestinationUnreachable", 2150858752)


def test_cluster_and_tpm() -> None:
    assert Direct(make_host()).send(Message.enumerate("root/mscluster", "MSCluster_Cluster")).status == 500
    clustered = Direct(make_host(cluster_name="CLU1")).send(Message.query("root/mscluster", "SELECT Name FROM MSCluster_Cluster"))
    assert clustered.texts("Name") == ["CLU1"]
    namespace = "root/cimv2/Security/MicrosoftTpm"
    assert Direct(make_host()).send(Message.enumerate(namespace, "Win32_Tpm")).texts("SpecVersion") == ["2.0, 0, 1.38"]
    assert Direct(make_host()).send(Message.invoke(namespace, "Win32_Tpm", "IsReady")).texts("IsReady") == ["true"]
    assert Direct(make_host(profile="ws2022", volumes=[])).send(Message.enumerate(namespace, "Win32_Tpm")).nodes("Win32_Tpm") == []


def test_policy_values_and_their_types() -> None:
    direct = Direct(make_host(fve_policy={"OSRecovery": 1, "RecoveryKeyUrl": "https://help.lab.example"}))
    values = _registry(direct, "EnumValues", FVE_POLICY)
    assert (values.texts("sNames"), values.texts("Types")) == (["OSRecovery", "RecoveryKeyUrl"], ["4", "1"])
    assert _registry(direct, "GetDWORDValue", FVE_POLICY.lower(), "osrecovery").texts("uValue") == ["1"]
    assert _registry(direct, "GetStringValue", FVE_POLICY, "RecoveryKeyUrl", hive="").texts("sValue") == ["https://help.lab.example"]
    assert _registry(direct, "GetDWORDValue", FVE_POLICY, "RecoveryKeyUrl").result == 0x80041005
    missing = _registry(direct, "GetDWORDValue", FVE_POLICY, "Nothing")
    assert (missing.result, missing.texts("uValue")) == (2, [None])
    assert _registry(direct, "EnumValues", FVE_POLICY + "\\").result == 2


def test_no_policy_key_and_an_empty_one() -> None:
    assert _registry(Direct(make_host()), "EnumValues", FVE_POLICY).result == 2
    empty = _registry(Direct(make_host(fve_policy={})), "EnumValues", FVE_POLICY)
    assert (empty.result, empty.nodes("sNames")) == (0, [])


def test_registry_is_where_the_profile_has_it_and_static() -> None:
    old = Direct(make_host(profile="ws2016"))
    assert _registry(old, "EnumKey", "SOFTWARE").status == 500
    assert _registry(old, "EnumKey", "SOFTWARE", namespace="root/default").texts("sNames") == ["Microsoft", "Policies"]
    selected = Message.invoke("root/default", "StdRegProv", "EnumKey", selectors={"Name": "x"})
    assert old.send(selected).fault == ("w:InvalidSelectors", 2150858843)


def test_entra_join_by_device_certificate() -> None:
    direct = Direct(make_host(entra_device_id=DEVICE, entra_tenant_id="66666666-ffff-4fff-8fff-000000000001"))
    (thumbprint,) = _registry(direct, "EnumKey", JOIN_INFO).texts("sNames")
    tenant = _registry(direct, "GetStringValue", f"{JOIN_INFO}\\{thumbprint}", "TenantId")
    assert tenant.texts("sValue") == ["66666666-ffff-4fff-8fff-000000000001"]
    octets = _registry(direct, "GetBinaryValue", f"{CERTIFICATES}\\{thumbprint}", "Blob").texts("uValue")
    blob = bytes(int(text or "") for text in octets)
    records, position = {}, 0
    while position < len(blob):
        number, _unused, size = struct.unpack_from("<III", blob, position)
        records[number] = blob[position + 12 : position + 12 + size]
        position += 12 + size
    certificate = x509.load_der_x509_certificate(records[32])
    assert certificate.fingerprint(hashes.SHA1()).hex().upper() == thumbprint
    assert certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value == DEVICE
    assert "MS-Organization-Access" in certificate.issuer.rfc4514_string()


def test_entra_join_by_value() -> None:
    direct = Direct(make_host(entra_device_id=DEVICE, wire_form="join_device_id"))
    (thumbprint,) = _registry(direct, "EnumKey", JOIN_INFO).texts("sNames")
    assert _registry(direct, "GetStringValue", f"{JOIN_INFO}\\{thumbprint}", "DeviceId").texts("sValue") == [DEVICE]
    assert _registry(direct, "GetBinaryValue", f"{CERTIFICATES}\\{thumbprint}", "Blob").result == 2


def test_not_joined() -> None:
    assert _registry(Direct(make_host()), "EnumKey", JOIN_INFO).result == 2
