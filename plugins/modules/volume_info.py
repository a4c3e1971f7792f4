#!/usr/bin/python
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the action plugin of the same name; the argument spec is derived from it."""

from __future__ import annotations

DOCUMENTATION = r"""
module: volume_info
short_description: Observe a Windows host's BitLocker volumes and their protectors
version_added: 0.1.0
description:
  - Asks a Windows host which encryptable volumes it has, how they are encrypted and protected, which key protectors they have, and who the
    host says it is in Active Directory and Entra ID.
  - The result is an observation, what the host said about itself at one time. M(keyward.bitlocker.escrow_report) judges it.
  - It never asks for a recovery password or an external key, whatever the options, and for key packages only with O(key_packages).
  - It speaks WS-Management with the host's own connection variables (C(ansible_connection) V(winrm) or V(psrp), C(ansible_host),
    C(ansible_user), C(ansible_winrm_*), C(ansible_psrp_*)). No PowerShell and no shell is started on the host, and nothing is written.
  - It never guesses. What was not asked is absent from the observation. V(null) means that it was asked and this Windows does not offer it,
    that it is NULL, or that the read failed; then an item in C(errors) says so.
author:
  - The keyward.bitlocker developers (@keyward)
options:
  gather_subset:
    description:
      - What to gather. Who the computer is, and its operating system, is always read.
      - V(escrow) is what the escrow report needs. It holds the volumes with status, lock, suspension and protectors, and the membership in
        Entra ID and a cluster. With two volumes of two protectors each that is 16 requests.
      - V(names) adds the friendly names of protectors, one request a protector.
      - V(backup_records) adds where Windows itself noted that it backed up each recovery password, one request a recovery password.
        Windows does not document this record, and older versions do not keep it.
      - V(conversion) adds how each volume was encrypted and wiped, its hardware encryption and metadata version, two requests a volume.
      - V(policy) adds the values of BitLocker's group policy, one request a value.
      - V(tpm) adds the state of the TPM, three or four requests.
      - V(all) is all of these.
      - V(names), V(backup_records) and V(conversion) describe volumes, so each brings V(escrow) along.
    type: list
    elements: str
    choices: [all, backup_records, conversion, escrow, names, policy, tpm]
    default: [escrow]
  key_packages:
    description:
      - Whether to read the key package of each recovery password, against which M(keyward.bitlocker.escrow_report) can then prove the key
        that is escrowed. It adds two requests a recovery password, and V(escrow) to O(gather_subset).
      - A key package is the volume master key, wrapped by the recovery password. It opens nothing without that password, and with it
        everything. So the result is not shown, whatever C(no_log) says, and should be neither stored nor set as a fact.
      - A locked volume gives none.
    type: bool
    default: false
extends_documentation_fragment:
  - keyward.bitlocker.attributes.windows_info
requirements:
  - pywinrm on the controller, for NTLM, Kerberos and CredSSP, or Basic over HTTP
  - cryptography on the controller, where the Entra device ID is in a certificate alone
notes:
  - The account must be an administrator of the host, because Windows protects the WMI namespace of BitLocker so.
  - The times set by C(ansible_winrm_connection_timeout), C(ansible_winrm_operation_timeout_sec) and C(ansible_winrm_read_timeout_sec)
    apply. After ten minutes nothing more is asked of a host, and what is missing by then is listed as not read.
  - A host that lists more than 64 volumes has V(null) for C(volumes), and a volume with more than 64 protectors has V(null) for its
    C(protectors). A shortened list would look complete.
  - On Windows that does not name a volume's type, the volume of the system drive is V(os), and the drive type tells V(fixed) from
    V(removable).
  - C(become), C(async) and connections other than V(winrm) and V(psrp) are refused.
seealso:
  - module: keyward.bitlocker.escrow_report
  - module: keyward.bitlocker.ad_recovery_key_info
"""

EXAMPLES = r"""
# In a play over the Windows hosts, with gather_facts: false
- name: Ask what the escrow report needs
  keyward.bitlocker.volume_info:
  register: keyward_observation
  ignore_unreachable: true

- name: Show the volumes and their protectors
  ansible.builtin.debug:
    msg: "{{ keyward_observation.observation.volumes }}"
  when: keyward_observation is success

- name: Ask also for Windows' own record of backups, and for group policy
  keyward.bitlocker.volume_info:
    gather_subset:
      - escrow
      - backup_records
      - policy
  register: keyward_observation

- name: Ask also for the key packages, so that the report can prove the escrowed keys
  keyward.bitlocker.volume_info:
    key_packages: true
  register: keyward_observation
  no_log: true

- name: Ask only for group policy, which asks nothing about volumes
  keyward.bitlocker.volume_info:
    gather_subset: [policy]
  register: policy

- name: List the IDs of recovery passwords that Windows never backed up to Active Directory
  ansible.builtin.debug:
    msg: >-
      {{ keyward_observation.observation.volumes | map(attribute='protectors') | flatten
         | selectattr('type', 'eq', 'recovery_password') | rejectattr('backup', 'contains', 'ad') | map(attribute='key_id') }}
  vars:
    ansible_connection: local
  when: keyward_observation.observation.volumes is not none
"""

RETURN = r"""
observation:
  description:
    - What the host said about itself, or why it said nothing.
    - A host that could not be observed has RV(observation.state) V(failed), a reason and a message, and none of the keys from
      RV(observation.computer) on. The task is then unreachable or failed, and its registered result can still be given to the report.
  returned: always, except when an option or connection variable cannot be used
  type: dict
  contains:
    schema_version:
      description: The version of this structure.
      type: int
      returned: always
      sample: 1
    host:
      description: The inventory name.
      type: str
      returned: always
      sample: pc01
    observed_at:
      description: When the observation began, by the controller's clock, in UTC.
      type: str
      returned: always
      sample: "2026-11-22T20:00:00Z"
    state:
      description: Whether the host was observed.
      type: str
      returned: always
      choices: [observed, failed]
      sample: observed
    reason:
      description:
        - Why the host was not observed, V(null) where it was.
        - V(unreachable) no conversation took place. V(authentication) the credentials were refused. V(authorization) the account is known
          and may not do this. V(tls) the certificate was refused. V(protocol) the host answered, but not with what was asked for.
      type: str
      returned: always
      choices: [unreachable, authentication, authorization, tls, protocol]
      sample: null
    message:
      description: What was attempted, what came back, what it means and what to do; empty where the host was observed.
      type: str
      returned: always
      sample: ""
    gathered:
      description: The subsets that were gathered, in alphabetical order.
      type: list
      elements: str
      returned: always
      sample: [escrow]
    channel:
      description:
        - How the host was reached.
        - RV(observation.channel.authenticated_names) holds the DNS names that the channel itself proved, by a verified certificate or by
          Kerberos. It is empty where nothing was verified, and then the host's name is only what it says.
      type: dict
      returned: when a connection was tried
      contains:
        endpoint:
          description: The URL.
          type: str
          returned: always
          sample: https://pc01.lab.example:5986/wsman
        transport:
          description: The kind of authentication; where several were to be tried, all of them in their order, with commas between.
          type: str
          returned: always
          sample: kerberos
        adapter:
          description: The HTTP client, V(lean) or V(pywinrm); both with a comma between where it depends on the authentication.
          type: str
          returned: when a connection could be prepared
          sample: pywinrm
        authenticated_names:
          description: The DNS names that the channel proved, in lower case.
          type: list
          elements: str
          returned: always
          sample: [pc01.lab.example]
    computer:
      description: Who the computer says it is. V(null) where Win32_ComputerSystem could not be read.
      type: dict
      returned: when RV(observation.state=observed)
      contains:
        name:
          description: The NetBIOS name.
          type: str
          returned: always
          sample: PC01
        dns_name:
          description:
            - The DNS host name with the domain, in lower case; the bare host name for a computer in no domain.
            - A primary DNS suffix that differs from the domain is not visible.
          type: str
          returned: always
          sample: pc01.lab.example
        domain:
          description: The domain, V(null) for a computer in no domain.
          type: str
          returned: always
          sample: lab.example
        workgroup:
          description: The workgroup, V(null) for a member of a domain.
          type: str
          returned: always
          sample: null
        part_of_domain:
          description: Whether the computer is a member of a domain.
          type: bool
          returned: always
          sample: true
        domain_role:
          description:
            - The role, one of V(standalone_workstation), V(member_workstation), V(standalone_server), V(member_server),
              V(backup_domain_controller), V(primary_domain_controller), or V(unknown_) with a number.
          type: str
          returned: always
          sample: member_workstation
        manufacturer:
          description: The maker.
          type: str
          returned: always
          sample: Lab Computers
        model:
          description: The model.
          type: str
          returned: always
          sample: Model 1
        serial:
          description: The serial number of the chassis. Some makers leave a placeholder.
          type: str
          returned: always
          sample: LAB0001
        hardware_uuid:
          description: The UUID of the firmware, in lower case. Some makers leave a placeholder.
          type: str
          returned: always
          sample: 9e1f0b52-5c37-4a6e-9f2c-0d1d5a4f3b21
    os:
      description: The operating system. V(null) where it could not be read.
      type: dict
      returned: when RV(observation.state=observed)
      contains:
        caption:
          description: The name of the edition.
          type: str
          returned: always
          sample: Microsoft Windows 11 Enterprise
        version:
          description: The version number.
          type: str
          returned: always
          sample: 10.0.26200
        build:
          description: The build number.
          type: str
          returned: always
          sample: "26200"
        product_type:
          description: V(workstation), V(domain_controller), V(server), or V(unknown_) with a number.
          type: str
          returned: always
          sample: workstation
        system_drive:
          description: The letter of the volume that Windows runs from.
          type: str
          returned: always
          sample: "C:"
        last_boot:
          description: When it was started, by its own clock, in UTC.
          type: str
          returned: always
          sample: "2026-11-20T07:58:02Z"
    bitlocker_installed:
      description:
        - V(false) where Windows has no WMI namespace for BitLocker, which on servers means that the feature is not installed.
        - V(null) where this could not be told.
      type: bool
      returned: when RV(observation.state=observed) and V(escrow) was gathered
      sample: true
    volumes:
      description:
        - The encryptable volumes in the host's order.
        - V(null) where BitLocker is not installed, the list could not be read to its end, or it has more than 64 volumes.
      type: list
      elements: dict
      returned: when RV(observation.state=observed) and V(escrow) was gathered
      contains:
        device_id:
          description: The volume's device ID; V(unknown_) with its place where the host gives none, and all else is then V(null).
          type: str
          returned: always
          sample: '\\?\Volume{0b6f6e0a-6c11-4a0c-8a55-3a3d8f0e3a01}\'
        persistent_id:
          description: BitLocker's own ID of the volume, V(null) for one that never had a protector.
          type: str
          returned: always
          sample: "{2B1F1D6C-0A4B-4C2E-8E56-6D6F8A0B9C10}"
        letter:
          description: The drive letter, V(null) where it has none.
          type: str
          returned: always
          sample: "C:"
        mount_point:
          description: The folder it is mounted in, V(null) where it is mounted nowhere.
          type: str
          returned: for a volume without a letter
          sample: 'C:\Data'
        type:
          description: V(os), V(fixed), V(removable), or V(unknown_) with a number.
          type: str
          returned: always
          sample: os
        locked:
          description: Whether it is locked now.
          type: bool
          returned: always
          sample: false
        conversion:
          description:
            - V(fully_decrypted), V(fully_encrypted), V(encryption_in_progress), V(decryption_in_progress), V(encryption_paused),
              V(decryption_paused), or V(unknown_) with a number.
            - For a locked volume this is what Windows last noted, which is not documented.
          type: str
          returned: always
          sample: fully_encrypted
        encrypted_percent:
          description: How much is encrypted, rounded; V(null) for a locked volume.
          type: int
          returned: always
          sample: 100
        method:
          description:
            - V(none), V(aes_128_diffuser), V(aes_256_diffuser), V(aes_128), V(aes_256), V(hardware), V(xts_aes_128), V(xts_aes_256), or
              V(unknown_) with a number.
          type: str
          returned: always
          sample: xts_aes_256
        protection:
          description: V(on), V(off) or V(unknown), which Windows says of locked volumes.
          type: str
          returned: always
          sample: "on"
        suspend_count:
          description:
            - After how many restarts a suspended protection resumes; 0 is only by hand, V(null) where Windows offers no count.
          type: int
          returned: for an OS volume that is fully encrypted with protection off
          sample: 1
        hardware_test:
          description: V(none), V(failed), V(pending), or V(unknown_) with a number.
          type: str
          returned: for a decrypted volume that has protectors
          sample: pending
        auto_unlock_key_id:
          description: The ID of the external key by which Windows unlocks this volume by itself, V(null) where it does not.
          type: str
          returned: for a data volume that is not decrypted and has an external key
          sample: 3fd763f9-74c7-4e90-8fa2-1f6a2e2b4e0c
        protectors:
          description: The key protectors, V(null) where the list could not be read or has more than 64.
          type: list
          elements: dict
          returned: always
          contains:
            key_id:
              description:
                - The ID of the protector, a GUID in lower case without braces. Hardware-encrypted drives may give V(bitlocker).
                - V(unknown_) with its place in the list where the host gives none.
              type: str
              returned: always
              sample: 64311dea-4587-4029-924a-ba299647998e
            type:
              description:
                - V(tpm), V(external_key), V(recovery_password), V(tpm_pin), V(tpm_startup_key), V(tpm_pin_startup_key), V(certificate),
                  V(passphrase), V(network_unlock), V(sid), or V(unknown_) with a number.
                - V(null) where it could not be read.
              type: str
              returned: always
              sample: recovery_password
            name:
              description: The friendly name, often empty.
              type: str
              returned: when V(names) was gathered
              sample: ""
            backup:
              description:
                - Where Windows noted that it backed up this password; V(ad), V(microsoft_account), V(entra), V(file), V(printed), or
                  V(unknown_) with a bit. Empty where it noted nothing, V(null) where this Windows keeps no such record.
                - It is a note of the past. The entry may be gone since, and an older password may be escrowed without one.
              type: list
              elements: str
              returned: when V(backup_records) was gathered, for recovery passwords
              sample: [ad]
            key_packages:
              description:
                - The protector's key package in base64, once for each time that it was read, normally twice. Empty where it could not be.
                - It is not for showing. The result that holds it is marked so.
              type: list
              elements: str
              returned: when O(key_packages) is true, for recovery passwords
        conversion_details:
          description: How the volume was encrypted.
          type: dict
          returned: when V(conversion) was gathered
          contains:
            encryption_flags:
              description: V(used_space_only), V(wipe_on_demand), V(synchronous), or V(unknown_) with a bit.
              type: list
              elements: str
              returned: always
              sample: [used_space_only]
            wiping:
              description: V(not_wiped), V(wiped), V(in_progress), V(paused), or V(unknown_) with a number.
              type: str
              returned: always
              sample: not_wiped
            wiped_percent:
              description: How much free space is wiped.
              type: int
              returned: always
              sample: 0
            hardware_encryption:
              description: V(not_supported), V(no_protection), V(software), V(hardware), or V(unknown_) with a number.
              type: str
              returned: always
              sample: software
            metadata_version:
              description: V(vista), V(windows_7) (still the newest), V(unknown), or V(unknown_) with a number.
              type: str
              returned: always
              sample: windows_7
            drive_method:
              description: What a self-encrypting drive calls its method.
              type: str
              returned: when the method is V(hardware)
              sample: 2.16.840.1.101.3.4.1.42
        errors:
          description: The reads of this volume that failed.
          type: list
          elements: dict
          returned: always
          contains: &error
            read:
              description: The WMI method or property.
              type: str
              returned: always
              sample: GetSuspendCount
            code:
              description: What came back, in hexadecimal; empty where there is no code.
              type: str
              returned: always
              sample: "0x80070005"
            name:
              description: The code's name, empty where it has none that is known.
              type: str
              returned: always
              sample: E_ACCESSDENIED
            message:
              description: What that means.
              type: str
              returned: always
              sample: "Could not call Win32_EncryptableVolume.GetSuspendCount: 0x80070005 E_ACCESSDENIED, access is denied."
    join:
      description: What else the computer is a member of.
      type: dict
      returned: when RV(observation.state=observed) and V(escrow) was gathered
      contains:
        entra:
          description: The device in Entra ID, V(null) where the computer is not joined, or this could not be read.
          type: dict
          returned: always
          contains:
            device_id:
              description: The device ID, V(null) where it could not be read.
              type: str
              returned: always
              sample: 6c5b0f0e-6a2d-4f53-9f0c-1d8c3a7b5e44
            tenant_id:
              description: The tenant's ID, V(null) where it could not be read.
              type: str
              returned: always
              sample: 0d4e6f0a-1b2c-4d3e-8f90-a1b2c3d4e5f6
        cluster:
          description: The name of the failover cluster, V(null) where there is none.
          type: str
          returned: for a member server that has a fixed data volume
          sample: null
    policy:
      description:
        - BitLocker's group policy as the host has it. V(null) where any of its values could not be read, since a gap would look like a
          setting that nobody made.
      type: dict
      returned: when RV(observation.state=observed) and V(policy) was gathered
      contains:
        values:
          description:
            - The values of C(HKLM\\SOFTWARE\\Policies\\Microsoft\\FVE) by name, numbers as numbers, several texts as lines of one, bytes in
              hexadecimal. Empty where there is no policy.
          type: dict
          returned: always
          sample: {"OSRecovery": 1, "OSRecoveryPassword": 2, "OSActiveDirectoryBackup": 1}
    tpm:
      description: The TPM. V(null) where this could not be told.
      type: dict
      returned: when RV(observation.state=observed) and V(tpm) was gathered
      contains:
        present:
          description: Whether Windows lists a TPM that it can use.
          type: bool
          returned: always
          sample: true
        enabled:
          description: Whether it is enabled.
          type: bool
          returned: when present
          sample: true
        activated:
          description: Whether it is activated.
          type: bool
          returned: when present
          sample: true
        owned:
          description: Whether it has an owner.
          type: bool
          returned: when present
          sample: true
        spec_version:
          description: The version of the specification.
          type: str
          returned: when present
          sample: "2.0"
        manufacturer:
          description: The maker's mark.
          type: str
          returned: when present
          sample: IFX
        manufacturer_version:
          description: The maker's version of the firmware.
          type: str
          returned: when present
          sample: 7.63.3353.0
        ready:
          description: Whether Windows calls it ready.
          type: bool
          returned: when present
          sample: true
        ready_information:
          description: What keeps it from being ready, as words, or V(unknown_) with a bit.
          type: list
          elements: str
          returned: when present
          sample: []
        locked_out:
          description: Whether it is locked after wrong PINs.
          type: bool
          returned: when present
          sample: false
    errors:
      description: The reads that failed and belong to no volume.
      type: list
      elements: dict
      returned: when RV(observation.state=observed)
      contains: *error
  sample:
    schema_version: 1
    host: pc01
    observed_at: "2026-11-22T20:00:00Z"
    state: observed
    reason: null
    message: ""
    gathered: [escrow]
    channel:
      endpoint: https://pc01.lab.example:5986/wsman
      transport: basic
      adapter: lean
      authenticated_names: [pc01.lab.example]
    computer:
      name: PC01
      dns_name: pc01.lab.example
      domain: lab.example
      workgroup: null
      part_of_domain: true
      domain_role: member_workstation
      manufacturer: Lab Computers
      model: Model 1
      serial: LAB0001
      hardware_uuid: 9e1f0b52-5c37-4a6e-9f2c-0d1d5a4f3b21
    os:
      caption: Microsoft Windows 11 Enterprise
      version: 10.0.26200
      build: "26200"
      product_type: workstation
      system_drive: "C:"
      last_boot: "2026-11-20T07:58:02Z"
    bitlocker_installed: true
    volumes:
      - device_id: '\\?\Volume{0b6f6e0a-6c11-4a0c-8a55-3a3d8f0e3a01}\'
        persistent_id: "{2B1F1D6C-0A4B-4C2E-8E56-6D6F8A0B9C10}"
        letter: "C:"
        type: os
        locked: false
        conversion: fully_encrypted
        encrypted_percent: 100
        method: xts_aes_256
        protection: "on"
        protectors:
          - key_id: b7adc334-fe6d-4ae4-b5c4-1c1d0dbc335b
            type: tpm
          - key_id: 64311dea-4587-4029-924a-ba299647998e
            type: recovery_password
        errors: []
    join:
      entra: null
    errors: []
msg:
  description: Why the host could not be observed, the same as RV(observation.message).
  returned: when the host could not be observed
  type: str
  sample: Could not open a connection (https://pc01.lab.example:5986/wsman), nothing answers at this port.
"""
