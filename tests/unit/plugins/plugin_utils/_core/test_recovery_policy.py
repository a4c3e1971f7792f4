# SPDX-License-Identifier: GPL-3.0-or-later
"""What the FVE policy says of recovery passwords, and the rule of conflict."""

from __future__ import annotations

from itertools import product

import pytest
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.model import VolumeType
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.recovery_policy import RecoveryPolicy, conflicts, read_policy
from hypothesis import given
from hypothesis import strategies as st

PREFIXES = {"os": "OS", "fixed": "FDV", "removable": "RDV"}
STORES_IN_AD: dict[str, int | str] = {
    "OSRecovery": 1,
    "OSManageDRA": 0,
    "OSRecoveryPassword": 1,
    "OSRecoveryKey": 0,
    "OSHideRecoveryPage": 1,
    "OSActiveDirectoryBackup": 1,
    "OSActiveDirectoryInfoToStore": 1,
    "OSRequireActiveDirectoryBackup": 1,
}


def test_a_full_policy() -> None:
    assert read_policy(STORES_IN_AD, VolumeType.OS) == RecoveryPolicy(
        drive_type=VolumeType.OS,
        configured=True,
        recovery_password="required",
        stores_in_ad=True,
        with_package=True,
        before_encryption=True,
    )
    assert read_policy(STORES_IN_AD, VolumeType.FIXED) == RecoveryPolicy(drive_type=VolumeType.FIXED)


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"OSRecovery": 0, "OSRecoveryPassword": 0, "OSActiveDirectoryBackup": 0},
        {"OSRecoveryPassword": 0, "OSActiveDirectoryBackup": 0},
        {"OSRecovery": "1", "OSRecoveryPassword": 0},
        {"ActiveDirectoryBackup": 0, "RequireActiveDirectoryBackup": 0, "UseRecoveryPassword": 0, "UseRecoveryDrive": 0},
        {"FDVRecovery": 1, "FDVRecoveryPassword": 0},
        {"UseTPM": 2, "EncryptionMethodWithXtsOs": 7, "RecoveryKeyMessage": "call us"},
    ],
)
def test_what_is_not_configured_says_nothing_and_contradicts_nothing(values: dict[str, int | str]) -> None:
    assert read_policy(values, VolumeType.OS) == RecoveryPolicy(drive_type=VolumeType.OS)
    assert conflicts(values, ["os"], True) == ()


def test_a_policy_that_was_not_gathered_is_no_conflict() -> None:
    assert conflicts(None, ["os", "fixed"], True) == ()


@pytest.mark.parametrize(
    ("values", "password", "stores", "package", "before"),
    [
        ({"OSRecoveryPassword": 0}, "forbidden", False, None, False),
        ({"OSRecoveryPassword": 1}, "required", False, None, False),
        ({"OSRecoveryPassword": 2}, "allowed", False, None, False),
        ({"OSRecoveryPassword": 3}, None, False, None, False),
        ({}, None, False, None, False),
        ({"OSActiveDirectoryBackup": 1}, None, True, None, False),
        ({"OSActiveDirectoryBackup": 1, "OSActiveDirectoryInfoToStore": 2}, None, True, False, False),
        ({"OSActiveDirectoryBackup": 1, "OSActiveDirectoryInfoToStore": 1}, None, True, True, False),
        ({"OSActiveDirectoryBackup": 0, "OSActiveDirectoryInfoToStore": 1}, None, False, None, False),
        ({"OSActiveDirectoryBackup": "1"}, None, False, None, False),
        ({"OSRequireActiveDirectoryBackup": 1}, None, False, None, True),
        ({"osrecoverypassword": 2, "OSACTIVEDIRECTORYBACKUP": 1}, "allowed", True, None, False),
    ],
)
def test_single_values(values: dict[str, int | str], password: str | None, stores: bool, package: bool | None, before: bool) -> None:
    policy = read_policy({"OSRecovery": 1, **values}, VolumeType.OS)
    assert (policy.recovery_password, policy.stores_in_ad, policy.with_package, policy.before_encryption) == (
        password,
        stores,
        package,
        before,
    )


@pytest.mark.parametrize("drive_type", PREFIXES)
def test_the_rule_of_conflict_in_every_combination(drive_type: str) -> None:
    x = PREFIXES[drive_type]
    for recovery, password, backup, ad_required, in_scope in product(
        [None, 0, 1, 2], [None, 0, 1, 2], [None, 0, 1, 2], [True, False], [True, False]
    ):
        values = {f"{x}Recovery": recovery, f"{x}RecoveryPassword": password, f"{x}ActiveDirectoryBackup": backup}
        given_values: dict[str, int | str] = {name: value for name, value in values.items() if value is not None}
        types = list(PREFIXES) if in_scope else [other for other in PREFIXES if other != drive_type]
        expected = in_scope * ((recovery == 1 and password == 0) + (ad_required and recovery == 1 and backup != 1))
        found = conflicts(given_values, types, ad_required)
        assert len(found) == expected, (values, ad_required, in_scope)
        assert all(x in clause for clause in found)


def test_every_drive_type_in_scope_is_named_in_a_fixed_order() -> None:
    values = {**{f"{x}Recovery": 1 for x in PREFIXES.values()}, "FDVRecoveryPassword": 0}
    found = conflicts(values, ["removable", "fixed", "os"], True)
    assert [next(x for x in PREFIXES.values() if f"({x}" in clause) for clause in found] == ["OS", "FDV", "FDV", "RDV"]
    assert "operating system drives" in found[0]
    assert "forbids recovery passwords on fixed data drives" in found[1]


@given(st.dictionaries(st.text() | st.sampled_from(sorted(STORES_IN_AD)), st.integers() | st.text()), st.booleans())
def test_any_values_are_read(values: dict[str, int | str], ad_required: bool) -> None:
    for clause in conflicts(values, ["os", "fixed", "removable", "unknown_9"], ad_required):
        assert clause.startswith("it ")
