# SPDX-License-Identifier: GPL-3.0-or-later
"""Intentions, the values that they need, and what Windows would not accept."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.model import VolumeType
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.recovery_policy import read_policy
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.recovery_policy_changes import (
    Change,
    Intentions,
    applied,
    cautions,
    contradiction_in,
    contradictions,
    governed,
    mdm_nodes,
    plan,
    without_effect,
)
from hypothesis import given, settings
from hypothesis import strategies as st

OS, FIXED, REMOVABLE = VolumeType.OS, VolumeType.FIXED, VolumeType.REMOVABLE
Values = dict[str, int | str]
NAMES = ("Recovery", "ManageDRA", "RecoveryPassword", "RecoveryKey", "HideRecoveryPage")
NAMES += ("ActiveDirectoryBackup", "ActiveDirectoryInfoToStore", "RequireActiveDirectoryBackup")
FOREIGN = ("UseTPM", "UseTPMPIN", "MinimumPIN", "OSEncryptionType", "RecoveryKeyMessage", "ActiveDirectoryBackup", "RDVDenyCrossOrg")

usages = st.none() | st.sampled_from(["allowed", "required", "forbidden"])
switches = st.none() | st.booleans()
wishes = st.builds(
    Intentions,
    drive_type=st.sampled_from(VolumeType),
    store_in_ad=switches,
    key_package=switches,
    require_backup=switches,
    recovery_password=usages,
    recovery_key=usages,
)
some = st.integers(0, 3) | st.sampled_from(["1", ""])
policies: st.SearchStrategy[Values] = st.dictionaries(
    st.sampled_from([f"{kind}{name}" for kind in ("OS", "FDV", "RDV") for name in NAMES] + list(FOREIGN)), some, max_size=20
)
whole: st.SearchStrategy[Values] = st.fixed_dictionaries({name: st.integers(0, 2) for name in governed(OS)})


def wish(drive_type: VolumeType = OS, **said: Any) -> Intentions:
    return Intentions(drive_type=drive_type, **said)


def written(values: Values, intentions: Intentions, *, present: bool = True) -> Values:
    return applied(values, plan(values, intentions, present=present))


def test_from_nothing_to_a_whole_policy_the_setting_last() -> None:
    changes = plan({}, wish(store_in_ad=True, key_package=True, require_backup=True, recovery_password="required"), present=True)
    assert [(change.name, change.before, change.after) for change in changes] == [
        ("OSRecoveryPassword", None, 1),
        ("OSRecoveryKey", None, 2),
        ("OSActiveDirectoryBackup", None, 1),
        ("OSActiveDirectoryInfoToStore", None, 1),
        ("OSRequireActiveDirectoryBackup", None, 1),
        ("OSRecovery", None, 1),
    ]


def test_only_what_is_said_changes_in_a_policy_that_is_whole() -> None:
    before: Values = {"osrecovery": 1, "OSRecoveryPassword": 1, "OSRecoveryKey": 0, "OSActiveDirectoryBackup": 0, "UseTPM": 2}
    assert plan(before, wish(store_in_ad=False), present=True) == ()
    assert written(before, wish(recovery_key="allowed")) == before | {"OSRecoveryKey": 2}
    assert plan(before, wish(FIXED), present=True) == ()


def test_taking_the_intention_out_again_leaves_what_was_there_before() -> None:
    for said in (
        {"store_in_ad": True},
        {"require_backup": False},
        {"recovery_password": "required", "key_package": False, "store_in_ad": True},
    ):
        foreign: Values = {"UseTPM": 2, "FDVRecovery": 1, "RecoveryKeyMessage": "call us"}
        assert written(written(foreign, wish(**said)), wish(**said), present=False) == foreign, said


def test_what_somebody_else_says_is_not_taken_out() -> None:
    theirs: Values = {"OSRecovery": 1, "OSRecoveryPassword": 1, "OSRecoveryKey": 0, "OSActiveDirectoryBackup": 0}
    assert plan(theirs, wish(store_in_ad=True, recovery_password="required", recovery_key="required"), present=False) == (
        Change("OSRecoveryPassword", 1, 2),
    )
    disabled: Values = {"OSRecovery": 0, "OSActiveDirectoryBackup": 1}
    assert written(disabled, wish(store_in_ad=True), present=False) == {"OSRecovery": 0}


@pytest.mark.parametrize(
    ("drive_type", "prefix", "code"),
    [(OS, "OS", "OSV_RP_OFF_ADB_ON (0x80310090)"), (FIXED, "FDV", "FDV_RP_OFF_ADB_ON (0x80310091)"), (REMOVABLE, "RDV", "(0x80310092)")],
)
def test_windows_own_refusal_is_named(drive_type: VolumeType, prefix: str, code: str) -> None:
    values: Values = {f"{prefix}Recovery": 1, f"{prefix}RecoveryPassword": 0, f"{prefix}RequireActiveDirectoryBackup": 1}
    values[f"{prefix}ActiveDirectoryBackup"] = 1
    (text,) = contradictions(values, drive_type)
    assert code in text
    assert f"{prefix}RecoveryPassword = 0" in text
    assert contradictions(values | {f"{prefix}Recovery": 0}, drive_type) == ()


def test_other_contradictions() -> None:
    base: Values = {"OSRecovery": 1, "OSRecoveryPassword": 2, "OSRecoveryKey": 2}
    assert contradictions(base, OS) == ()
    assert "waits for a backup" in contradictions(base | {"OSRequireActiveDirectoryBackup": 1}, OS)[0]
    assert "there is none" in contradictions(base | {"OSRecoveryPassword": 0, "OSActiveDirectoryBackup": 1}, OS)[0]
    nothing: Values = base | {"OSRecoveryPassword": 0, "OSRecoveryKey": 0}
    assert "nothing would open" in contradictions(nothing, OS)[0]
    assert contradictions(nothing | {"OSManageDRA": 1}, OS) == ()


@pytest.mark.parametrize(
    "said",
    [
        {"store_in_ad": False, "require_backup": True},
        {"store_in_ad": False, "key_package": False},
        {"recovery_password": "forbidden", "require_backup": True},
        {"recovery_password": "forbidden", "store_in_ad": True},
        {"recovery_password": "forbidden", "recovery_key": "forbidden"},
    ],
)
def test_intentions_that_cannot_hold_together(said: dict[str, Any]) -> None:
    assert contradiction_in(wish(**said))


def test_a_package_of_nothing() -> None:
    assert without_effect({}, wish(key_package=True))
    assert without_effect({"OSActiveDirectoryBackup": 1}, wish(key_package=True)) is None
    assert without_effect({}, wish(recovery_password="allowed")) is None


def test_values_that_wake_up_are_told() -> None:
    asleep: Values = {"OSRecoveryKey": 0, "OSHideRecoveryPage": 1}
    changes = plan(asleep, wish(store_in_ad=True), present=True)
    (text,) = cautions(asleep, changes, wish(store_in_ad=True))
    assert "OSHideRecoveryPage = 1, OSRecoveryKey = 0" in text
    enabled: Values = asleep | {"OSRecovery": 1}
    assert cautions(enabled, plan(enabled, wish(store_in_ad=True), present=True), wish(store_in_ad=True)) == ()


def test_automatic_unlocking_needs_a_recovery_key() -> None:
    said = wish(FIXED, recovery_key="forbidden")
    (text,) = cautions({}, plan({}, said, present=True), said)
    assert "FVE_E_POLICY_CONFLICT_FDV_RK_OFF_AUK_ON (0x80310083)" in text


def test_what_intune_delivered() -> None:
    names = ["systemdrivesrecoveryoptions_ProviderSet", "SystemDrivesRecoveryOptions", "RequireDeviceEncryption"]
    assert mdm_nodes(names, [OS, FIXED, REMOVABLE]) == ("SystemDrivesRecoveryOptions",)
    assert mdm_nodes(names, [FIXED, REMOVABLE]) == ()


# --- whatever is there, whatever is wanted ------------------------------------------------------------------------------------------------


@settings(max_examples=200)
@given(policies, wishes, st.booleans())
def test_it_is_done_once_and_touches_nothing_foreign(values: Values, intentions: Intentions, present: bool) -> None:
    after = written(values, intentions, present=present)
    assert plan(after, intentions, present=present) == ()
    own = set(governed(intentions.drive_type))
    assert {name: value for name, value in after.items() if name not in own} == {
        name: value for name, value in values.items() if name not in own
    }
    if not intentions.values():
        assert after == values


@settings(max_examples=200)
@given(policies, wishes)
def test_the_policy_means_what_is_intended(values: Values, intentions: Intentions) -> None:
    if not intentions.values():
        return
    meaning = read_policy(written(values, intentions), intentions.drive_type)
    assert meaning.configured
    assert meaning.recovery_password is not None
    if intentions.store_in_ad is not None:
        assert meaning.stores_in_ad == intentions.store_in_ad
    if intentions.require_backup is not None:
        assert meaning.before_encryption == intentions.require_backup
    if intentions.recovery_password is not None:
        assert meaning.recovery_password == intentions.recovery_password
    if meaning.stores_in_ad:
        assert meaning.with_package is not None
        if intentions.key_package is not None:
            assert meaning.with_package == intentions.key_package


@settings(max_examples=200)
@given(policies | whole, wishes, st.booleans())
def test_no_step_on_the_way_contradicts_itself_if_beginning_and_end_do_not(values: Values, intentions: Intentions, present: bool) -> None:
    changes = plan(values, intentions, present=present)
    ends = [*contradictions(values, intentions.drive_type), *contradictions(applied(values, changes), intentions.drive_type)]
    if ends:
        return
    for done in range(len(changes)):
        assert contradictions(applied(values, changes[:done]), intentions.drive_type) == (), changes[:done]


@settings(max_examples=200)
@given(policies | whole, wishes, st.booleans(), st.integers(0, 8))
def test_a_run_that_stopped_on_the_way_is_finished_by_the_next(values: Values, intentions: Intentions, present: bool, done: int) -> None:
    changes = plan(values, intentions, present=present)
    stopped = applied(values, changes[:done])
    assert written(stopped, intentions, present=present) == applied(values, changes)
