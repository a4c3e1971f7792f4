# SPDX-License-Identifier: GPL-3.0-or-later
"""The list of conditions an estate is made from: what each is, where it sits, and what a report must show because of it.

``shows`` are words of the truth that the computer (or one of its volumes) carries: a verdict, a flag or a finding code. The order within
a place is the order of priority: what comes later is left out first where an estate is too small.
"""

from __future__ import annotations

from dataclasses import dataclass

#: how often each condition occurs where there is room
COPIES = 2


@dataclass(frozen=True, kw_only=True)
class Condition:
    """One condition.

    ``place``: ``host`` (a host of its own), ``pair`` (two hosts), ``volume`` (one volume of a host that answers), ``overlay`` (something
    on a host that answers, beside its volumes) or ``directory`` (a computer object or a device without a host).
    ``where``: for a volume: ``os``, ``data`` or ``any``. ``records``: needs a Windows that keeps backup records.
    """

    name: str
    place: str
    why: str
    shows: tuple[str, ...] = ()
    where: str = "any"
    records: bool = False


def _host(name: str, why: str, *shows: str) -> Condition:
    return Condition(name=name, place="host", why=why, shows=shows)


def _volume(name: str, why: str, *shows: str, where: str = "any", records: bool = False) -> Condition:
    return Condition(name=name, place="volume", why=why, shows=shows, where=where, records=records)


def _overlay(name: str, why: str, *shows: str, records: bool = False) -> Condition:
    return Condition(name=name, place="overlay", why=why, shows=shows, records=records)


def _directory(name: str, why: str, *shows: str) -> Condition:
    return Condition(name=name, place="directory", why=why, shows=shows)


def _fault(name: str, code: str) -> Condition:
    return _host(f"fault_{name}", f"the endpoint shows the fault {name}", code)


#: endpoint faults and bad certificates, mixed so that a small estate has every kind of failure
FAULT_CONDITIONS = (
    _fault("refused", "KW-HST-001"),
    _fault("wrong_password", "KW-HST-002"),
    _fault("not_admin", "KW-HST-003"),
    _host("certificate_untrusted", "its certificate comes from a CA nobody trusts", "KW-HST-004"),
    _fault("garbage", "KW-HST-005"),
    _fault("hung", "KW-HST-001"),
    _fault("uac_filtered", "KW-HST-003"),
    _host("certificate_expired", "its certificate has expired", "KW-HST-004"),
    _fault("http_503", "KW-HST-005"),
    _fault("blackhole", "KW-HST-001"),
    _fault("wmi_denied", "KW-HST-003"),
    _host("certificate_wrong_name", "its certificate names another machine", "KW-HST-004"),
    _fault("not_xml", "KW-HST-005"),
    _fault("truncated", "KW-HST-005"),
    # KW-HST-003 or KW-HST-002: which of two plausible forms Windows has is not known
    _host("fault_root_sddl", "the endpoint shows the fault root_sddl"),
    _fault("huge", "KW-HST-005"),
    _fault("entity_bomb", "KW-HST-005"),
    _fault("lying_relates_to", "KW-HST-005"),
    _fault("wrong_types", "KW-HST-005"),
    _fault("http_404", "KW-HST-005"),
    _fault("empty_500", "KW-HST-005"),
)

#: hosts whose own kind is the condition; a pair of copies is taken where two hosts show one thing together
HOST_CONDITIONS = (
    _host("not_installed", "a server without the BitLocker feature", "unavailable", "KW-VOL-009"),
    _host("no_volumes", "the namespace answers, and lists no volume", "unknown", "KW-VOL-007"),
    _host("domain_controller", "a DC whose keys lie only in its own domain", "KW-ESC-012"),
    Condition(
        name="identity_collision", place="pair", why="two live hosts answer with one name", shows=("KW-HST-007", "unknown", "KW-VOL-007")
    ),
    Condition(name="cluster", place="pair", why="two nodes share volumes; the keys lie under the cluster name object or the other node"),
    Condition(name="clone", place="pair", why="a data volume was copied to another machine; no cluster says that they share it"),
    _host("left_domain", "a workgroup machine whose old computer object still holds its keys", "unescrowed", "KW-ESC-006"),
)

#: only where everything above has its place twice: in estates of more than 60 hosts
SPARE_HOST_CONDITIONS = (
    _host("ambiguous_owner", "two enabled, idle computer objects claim its DNS name", "unknown"),
    _host("workgroup", "a machine that was never in the domain", "unescrowed"),
)

VOLUME_CONDITIONS = (
    _volume("unescrowed", "its recovery password was never escrowed", "unescrowed", "KW-VOL-004"),
    _volume("no_recovery_password", "encrypted with no recovery password at all", "no_recovery_password", "KW-VOL-003"),
    _volume("malformed_length", "the entry's GUID has a wrong length", "wrong_key", "KW-VOL-006", "KW-ESC-004"),
    _volume("protection_off", "encrypted, and the key lies in clear on the disk for good", "unprotected", "KW-VOL-002"),
    _volume("not_encrypted", "never encrypted", "not_encrypted", "KW-VOL-001"),
    _volume("suspended", "suspended for a restart or two", "suspended", where="os"),
    _volume("suspended_long", "suspended for many restarts", "suspended", "KW-VOL-101", where="os"),
    _volume("activation_pending", "waits for the hardware test", "activation_pending", "KW-VOL-105", "KW-VOL-001", where="os"),
    _volume("suspend_count_unreadable", "off, and Windows fails to say for how long", "unknown", "KW-VOL-007", where="os"),
    _volume("locked", "a locked data volume", "locked", "KW-VOL-102", where="data"),
    _volume("encrypting", "being encrypted, or paused while it was", "converting", "KW-VOL-103"),
    _volume("decrypting", "being decrypted, or paused while it was", "unprotected", "converting", "KW-VOL-103"),
    _volume("weak_method", "an old cipher, or the drive's own", "weak_method", "KW-VOL-104"),
    _volume("other_recovery", "no recovery password, but another way back", "other_recovery", "KW-VOL-106", "KW-VOL-003"),
    _volume("sibling_not_escrowed", "two recovery passwords, one of them escrowed", "sibling_not_escrowed", "KW-VOL-107"),
    _volume("protectors_unreadable", "Windows fails to list the protectors", "unknown", "KW-VOL-007"),
    _volume("malformed_name", "the entry's name and its GUID disagree", "wrong_key", "KW-ESC-004"),
    _volume("duplicate_entries", "the same key ID twice below its computer", "KW-ESC-002"),
    _volume("unreadable_entry", "an ACL hides the entry: only its name is visible", "escrowed", "KW-ESC-007"),
    _volume("held_elsewhere", "a moved drive: the entry lies under another computer", "unescrowed", "KW-ESC-006"),
    _volume("backup_record_disagrees", "Windows recorded a backup to AD that is not there", "unescrowed", "KW-ESC-011", records=True),
    _volume("planted_elsewhere", "escrowed, and planted under another computer too", "escrowed", "KW-ESC-006"),
    _volume("no_protector", "fully encrypted without any protector", "unprotected", "KW-VOL-002"),
    _volume("encrypting_bare", "being encrypted without a protector", "unprotected", "converting"),
    _volume("type_unreadable", "Windows fails to say what kind the protectors are", "unknown", "KW-VOL-007"),
    _volume("malformed_beside_sound", "a broken entry next to a good one", "escrowed", "KW-ESC-004"),
    _volume("value_of_another", "the entry holds another machine's password", "escrowed"),
    _volume("value_swapped", "the entry's password has two groups exchanged", "escrowed"),
    _volume("value_no_password", "the entry's text is no password", "escrowed"),
    _volume("owner_deleted", "the entry lies under a deleted computer object", "unescrowed"),
    _volume("auto_unlock_only", "a data volume that only unlocks by itself", "no_recovery_password", where="data"),
    _volume("network_unlock_only", "the network unlocks it and nothing else would", "no_recovery_password", where="os"),
    _volume("mount_point", "mounted in a folder", "escrowed", where="data"),
    _volume("letterless", "without letter and mount point", "escrowed", where="data"),
    _volume("removable", "a removable drive: out of scope", where="data"),
)

OVERLAY_CONDITIONS = (
    _overlay("stale_entries", "old keys that belong to no protector any more", "KW-ESC-001"),
    _overlay("malformed_stray", "a broken entry that belongs to no protector", "KW-ESC-004"),
    _overlay("policy_conflict", "its policy forbids what the requirements ask for", "KW-HST-010"),
    _overlay("weak_join", "its computer object carries no DNS name", "KW-HST-008"),
    _overlay("twin_disabled", "a disabled computer object has the same DNS name"),
    _overlay("slow", "answers late, and rightly"),
    _overlay("certificate_address_only", "its certificate proves the address alone"),
    _overlay("hostile_names", "texts in its hardware and protectors try to break whatever shows them"),
    _overlay("entra_joined", "joined to Entra ID as well"),
)

#: on hosts that fail today
STALE_CONDITIONS = (
    _overlay("stale_observation", "fails today; an observation of long ago is given", "KW-HST-006", "on_file"),
    _overlay("future_observation", "fails today; an observation from a wrong clock is given", "KW-HST-006", "unknown"),
)

DIRECTORY_CONDITIONS = (
    _directory("ad_only_with_entries", "no inventory host, keys on file", "KW-HST-009", "on_file"),
    _directory("ad_only_without_entries", "no inventory host, no key", "KW-HST-009", "unknown"),
    _directory("ad_only_hidden_entry", "no inventory host, a key that this account may not read", "KW-HST-009", "on_file"),
    _directory("ad_disabled", "a disabled computer object, out of scope"),
    _directory("ad_idle", "a computer object not used for months, out of scope"),
    _directory("ad_not_windows", "no Windows, out of scope"),
    _directory("ad_deleted", "deleted with its entries"),
)

#: only where the estate has an Entra tenant: hosts, pairs of hosts, and devices without a host
ENTRA_HOST_CONDITIONS = (
    _host("entra_only", "joined to Entra ID alone, its key there", "escrowed"),
    _host("hybrid_key_in_entra", "hybrid joined, its key in Entra ID alone", "escrowed"),
    _host("device_deleted", "hybrid joined; its device was deleted, its computer object lives on", "escrowed", "KW-ESC-008"),
    _host("renamed", "its device still has its former name", "escrowed"),
    _host("renamed_in_ad", "hybrid joined; its computer object and its device still have its former name, the GUID tells", "escrowed"),
    _host("reimaged", "a new device after a new installation; the old one has the same name and an old key", "escrowed"),
    Condition(name="device_clone", place="pair", why="two live machines state one device", shows=("KW-HST-007", "unknown", "KW-VOL-007")),
    Condition(name="moved_drive", place="pair", why="a drive in another computer; its key lies under the device it was escrowed from"),
    Condition(
        name="moved_disk", place="pair", why="a disk with its registration in another computer; the former one is dead and not forgotten"
    ),
    _host("ad_object_gone", "hybrid joined; its computer object was deleted, its device lives on", "escrowed"),
    _host("rejoined", "joined the domain anew: a new computer object, while its device still has the deleted one's GUID", "escrowed"),
    _host("pending_device", "a member of the domain; its device waits to be joined and says no trust type", "escrowed"),
    _host("at_entra_limit", "200 or more keys under its device", "escrowed", "KW-ESC-010", "KW-ESC-001"),
    _host("hybrid_unreachable", "hybrid joined, its key in Entra ID alone, not reachable", "on_file", "KW-HST-001", "KW-HST-008"),
    _host("entra_unescrowed", "joined to Entra ID alone, its key nowhere", "unescrowed", "KW-VOL-004"),
    Condition(name="same_name", place="pair", why="two machines and devices with one name", shows=("escrowed",)),
    _host("only_copy_deleted", "joined to Entra ID alone; its device was deleted with the only key", "unescrowed", "KW-ESC-008"),
    _host("device_twice", "its device ID has two device objects, one of them disabled and with another name", "escrowed"),
    _host("device_removed", "hybrid joined; its device was deleted for good with its keys, its computer object lives on", "escrowed"),
    _host("other_tenant", "joined to a tenant that is not ours, its key there"),
    _host("near_entra_limit", "150 or more keys under its device", "escrowed", "KW-ESC-009", "KW-ESC-001"),
    _host("workplace", "a workgroup machine, registered by its user; the key lies under that registration", "unescrowed", "KW-ESC-006"),
    Condition(
        name="entra_record_disagrees",
        place="host",
        why="Windows recorded a backup to Entra ID that is not there",
        shows=("escrowed", "KW-ESC-011"),
        records=True,
    ),
)

ENTRA_DEVICE_CONDITIONS = (
    _directory("device_with_keys", "no inventory host, keys on file", "KW-HST-009", "on_file"),
    _directory("device_without_keys", "no inventory host, no key", "KW-HST-009", "unknown"),
    _directory("device_never_seen", "registered lately, never seen since", "KW-HST-009"),
    _directory("device_hostile_name", "its name tries to break whatever shows it", "KW-HST-009"),
    _directory("device_same_name", "two devices with one display name, no inventory host", "KW-HST-009", "on_file"),
    _directory("device_twice_alone", "two device objects with one device ID, the disabled one idle", "KW-HST-009", "on_file"),
    _directory("device_hybrid", "a computer object and its device, no inventory host, the key in Entra ID alone", "KW-HST-009", "on_file"),
    _directory("device_disabled", "a disabled device, out of scope"),
    _directory("device_pending", "a computer object and its device that says no trust type, no inventory host", "KW-HST-009", "on_file"),
    _directory("device_idle", "a device not seen for months, out of scope"),
    _directory("device_not_windows", "no Windows, out of scope"),
    _directory("device_workplace", "a registered personal device, out of scope"),
    _directory("device_soft_deleted", "deleted, its keys still listed"),
)

ALL_CONDITIONS = (
    *FAULT_CONDITIONS,
    *HOST_CONDITIONS,
    *SPARE_HOST_CONDITIONS,
    *VOLUME_CONDITIONS,
    *OVERLAY_CONDITIONS,
    *STALE_CONDITIONS,
    *DIRECTORY_CONDITIONS,
)
BY_NAME = {condition.name: condition for condition in (*ALL_CONDITIONS, *ENTRA_HOST_CONDITIONS, *ENTRA_DEVICE_CONDITIONS)}
