# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of DESIGN section 5, row by row."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core import verdict
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.model import (
    EntryState,
    Flag,
    ObservedVolume,
    ProtectorStanding,
    Verdict,
)
from ansible_collections.keyward.bitlocker.tests.unit.plugins.plugin_utils._core.volumes import (
    judge,
    key,
    protectors,
    requirements,
    standing,
    volume,
)

RP = "recovery_password"
PRESENT = {"ad": "present"}
ABSENT = {"ad": "absent"}
CONVERTING = ("encryption_in_progress", "encryption_paused", "decryption_in_progress", "decryption_paused")


def test_the_best_word_for_several_own_entries() -> None:
    order = ["proven", "conflicting", "refuted", "present", "unreadable", "malformed", "unknown", "deleted", "absent"]
    for place, word in enumerate(order):
        assert verdict.combine(EntryState(other) for other in reversed(order[place:])) == word
    assert verdict.combine([]) is EntryState.ABSENT


@pytest.mark.parametrize(
    ("what", "expected"),
    [
        (volume("tpm", RP), None),
        (volume("tpm", RP, conversion="fully_decrypted", protection="off"), "not_encrypted"),
        (volume(conversion="fully_decrypted", protection="off"), "not_encrypted"),
        (volume(conversion="fully_decrypted", protectors=None, protection=None), "not_encrypted"),
        # fully encrypted without a protector, whatever else was read
        (volume(), "unprotected"),
        (volume(protection=None), "unprotected"),
        (volume(protection="unknown", locked=True), "unprotected"),
        # protection off: suspended with a count is judged on, else unprotected
        (volume("tpm", RP, protection="off"), "unprotected"),
        (volume("tpm", RP, protection="off", suspend_count=0), "unprotected"),
        (volume("tpm", RP, protection="off", suspend_count=1), None),
        (volume("tpm", RP, protection="off", suspend_count=15), None),
        (volume("tpm", RP, protection="off", failed=["GetSuspendCount"]), "unknown"),
        (volume("tpm", RP, protection="off", protectors=None), "unprotected"),
        (volume("tpm", RP, protection="off", suspend_count=1, protectors=None), "unknown"),
        (volume("tpm", RP, protection="on", failed=["GetSuspendCount"]), None),
        # converting
        (volume("tpm", RP, conversion="decryption_in_progress", protection="off"), "unprotected"),
        (volume("tpm", RP, conversion="decryption_paused", protectors=None), "unprotected"),
        (volume(conversion="encryption_in_progress"), "unprotected"),
        (volume(conversion="encryption_paused"), "unprotected"),
        (volume("tpm", RP, conversion="encryption_in_progress", protection="off"), None),
        (volume("tpm", RP, conversion="encryption_in_progress", protection=None), None),
        (volume("tpm", RP, conversion="encryption_paused", failed=["GetProtectionStatus"]), None),
        (volume("tpm", RP, conversion="encryption_paused", protectors=None), "unknown"),
        # a locked volume counts as encrypted, its conversion is not needed
        (volume(RP, locked=True, conversion=None, protection="unknown", type="fixed"), None),
        (volume(RP, locked=True, conversion="fully_decrypted", protection="unknown", type="fixed"), None),
        (volume(RP, locked=True, conversion=None, protection="unknown", failed=["GetConversionStatus"]), None),
        (volume("tpm", RP, locked=False, protection="unknown"), "unknown"),
        (volume("tpm", RP, locked=None, protection="unknown"), "unknown"),
        # reads that were not made, failed, or gave a word from the future
        (volume("tpm", RP, conversion=None), "unknown"),
        (volume("tpm", RP, conversion="unknown_6"), "unknown"),
        (volume("tpm", RP, failed=["GetConversionStatus"]), "unknown"),
        (volume("tpm", RP, protection=None), "unknown"),
        (volume("tpm", RP, protection="unknown_3"), "unknown"),
        (volume("tpm", RP, failed=["GetProtectionStatus"]), "unknown"),
        (volume(protectors=None), "unknown"),
        (volume("tpm", RP, failed=["GetKeyProtectors"]), "unknown"),
        (volume(failed=["GetKeyProtectors"]), "unknown"),
        # the lock status is needed only where it would change the verdict
        (volume("tpm", RP, locked=None), None),
        (volume("tpm", RP, failed=["GetLockStatus"]), None),
        (volume(conversion="fully_decrypted", locked=None), "unknown"),
        (volume("tpm", RP, conversion="encryption_in_progress", failed=["GetLockStatus"], locked=None), None),
        (volume("tpm", RP, conversion="encryption_in_progress", protection="off", locked=None), "unknown"),
        (volume(conversion="encryption_in_progress", protection="off", locked=None), "unprotected"),
        # reads that no row needs
        (volume("tpm", RP, method=None, failed=["GetEncryptionMethod", "GetHardwareTestStatus", "IsAutoUnlockEnabled"]), None),
        (volume("tpm", RP, encrypted_percent=None, persistent_id=None), None),
    ],
)
def test_rows_above_the_recovery_passwords(what: ObservedVolume, expected: str | None) -> None:
    rows = [PRESENT for protector in what.protectors or () if protector.type == RP]
    judgement = judge(what, *rows)
    assert judgement.verdict == (expected or "escrowed")
    assert judgement.in_scope


@pytest.mark.parametrize(
    ("types", "flagged"),
    [
        (("tpm",), False),
        (("tpm_pin",), False),
        (("tpm_startup_key", "tpm_pin_startup_key"), False),
        (("tpm", "network_unlock"), False),
        (("tpm", "external_key"), True),
        (("passphrase",), True),
        (("sid",), True),
        (("certificate",), True),
    ],
)
def test_no_recovery_password_and_other_ways_of_recovery(types: tuple[str, ...], flagged: bool) -> None:
    judgement = judge(volume(*types))
    assert judgement.verdict is Verdict.NO_RECOVERY_PASSWORD
    assert (Flag.OTHER_RECOVERY in judgement.flags) is flagged
    assert judgement.codes == (("KW-VOL-003", "KW-VOL-106") if flagged else ("KW-VOL-003",))


def test_the_external_key_of_auto_unlock_is_no_other_recovery() -> None:
    one = volume("external_key", type="fixed", auto_unlock_key_id=key(0))
    two = volume("external_key", "external_key", type="fixed", auto_unlock_key_id=key(0))
    unread = volume("external_key", type="fixed", failed=["IsAutoUnlockEnabled"])
    unread_two = volume("external_key", "external_key", type="fixed", failed=["IsAutoUnlockEnabled"])
    assert [judge(what).flags for what in (one, two, unread, unread_two)] == [(), (Flag.OTHER_RECOVERY,), (), (Flag.OTHER_RECOVERY,)]


def test_other_recovery_is_only_said_where_a_recovery_password_is_missing() -> None:
    assert judge(volume("certificate", RP), PRESENT).flags == ()
    assert judge(volume("certificate", protection="off")).flags == ()


AD_ENTRA = ("ad", "entra")


@pytest.mark.parametrize(
    ("copies", "proof", "states", "expected"),
    [
        (1, "none", ("proven", "absent"), "recoverable"),
        (2, "none", ("proven", "present"), "recoverable"),
        (2, "none", ("proven", "unreadable"), "recoverable"),
        (2, "none", ("proven", "absent"), "at_risk"),
        (2, "none", ("proven", "refuted"), "at_risk"),
        (1, "none", ("proven", "refuted"), "recoverable"),
        (1, "none", ("refuted", "present"), "wrong_key"),
        (1, "none", ("conflicting", "present"), "wrong_key"),
        (1, "none", ("conflicting", "absent"), "wrong_key"),
        (1, "live", ("refuted", "unknown"), "unknown"),
        (1, "none", ("refuted", "unknown"), "wrong_key"),
        (1, "none", ("present", "absent"), "escrowed"),
        (1, "none", ("unreadable", "absent"), "escrowed"),
        (2, "none", ("present", "unreadable"), "escrowed"),
        (1, "none", ("present", "malformed"), "escrowed"),
        (1, "live", ("present", "present"), "escrowed"),
        (2, "none", ("present", "absent"), "at_risk"),
        (2, "none", ("present", "malformed"), "at_risk"),
        (1, "none", ("malformed", "absent"), "wrong_key"),
        (1, "none", ("deleted", "absent"), "unescrowed"),
        (1, "none", ("absent", "absent"), "unescrowed"),
        # the bounds rule
        (1, "none", ("absent", "unknown"), "unknown"),
        (1, "none", ("malformed", "unknown"), "unknown"),
        (1, "none", ("unknown", "unknown"), "unknown"),
        (1, "none", ("present", "unknown"), "escrowed"),
        (2, "none", ("present", "unknown"), "unknown"),
        (1, "none", ("proven", "unknown"), "recoverable"),
        (2, "none", ("proven", "unknown"), "unknown"),
        (1, "live", ("present", "unknown"), "unknown"),
        (1, "live", ("proven", "unknown"), "recoverable"),
    ],
)
def test_rows_of_the_recovery_passwords(copies: int, proof: str, states: tuple[str, str], expected: str) -> None:
    needs = requirements(*AD_ENTRA, copies=copies, proof=proof)
    assert judge(volume("tpm", RP), dict(zip(AD_ENTRA, states, strict=True)), needs=needs).verdict == expected


def test_only_required_stores_count() -> None:
    judgement = judge(volume(RP), {"ad": "absent", "entra": "proven", "file": "conflicting"})
    assert judgement.verdict is Verdict.UNESCROWED
    assert judgement.codes == ("KW-VOL-004",)


def test_a_store_or_a_protector_without_a_standing_was_not_searched() -> None:
    assert judge(volume(RP), {}).verdict is Verdict.UNKNOWN
    nobody = verdict.VolumeEvidence(volume=volume(RP))
    assert verdict.judge_volume(nobody, requirements()).verdict is Verdict.UNKNOWN
    other = verdict.VolumeEvidence(volume=volume(RP), standings=(standing(7, ad="proven"),))
    assert verdict.judge_volume(other, requirements()).verdict is Verdict.UNKNOWN


@pytest.mark.parametrize(
    ("states", "expected", "flagged"),
    [
        (("present", "absent"), "escrowed", True),
        (("present", "malformed"), "escrowed", True),
        (("present", "conflicting"), "escrowed", True),
        (("proven", "refuted"), "recoverable", True),
        (("proven", "present"), "recoverable", False),
        (("present", "unreadable"), "escrowed", False),
        (("present", "unknown"), "escrowed", False),
        (("absent", "malformed"), "wrong_key", False),
        (("absent", "unknown"), "unknown", False),
    ],
)
def test_the_best_protector_and_its_sibling(states: tuple[str, str], expected: str, flagged: bool) -> None:
    for first, second in (states, states[::-1]):
        judgement = judge(volume("tpm", RP, RP), {"ad": first}, {"ad": second})
        assert judgement.verdict == expected
        assert (Flag.SIBLING_NOT_ESCROWED in judgement.flags) is flagged
        assert ("KW-VOL-107" in judgement.codes) is flagged


def test_a_sibling_is_marked_where_both_bounds_mark_it_even_if_the_verdict_is_unknown() -> None:
    needs = requirements("ad", "entra", proof="live")
    judgement = judge(volume(RP, RP), {"ad": "present", "entra": "unknown"}, {"ad": "absent", "entra": "absent"}, needs=needs)
    assert judgement.verdict is Verdict.UNKNOWN
    assert judgement.flags == (Flag.SIBLING_NOT_ESCROWED,)


def test_bounds_that_both_pass_give_the_lower_one() -> None:
    rows = [{"ad": "present", "entra": "present"}, {"ad": "proven", "entra": "unknown"}]
    assert judge(volume(RP, RP), *rows, needs=requirements(*AD_ENTRA, copies=2)).verdict is Verdict.ESCROWED
    assert judge(volume(RP, RP), *rows, needs=requirements(*AD_ENTRA, copies=2, proof="live")).verdict is Verdict.UNKNOWN


@pytest.mark.parametrize("unread", [None, "unknown_0", "unknown_11"])
@pytest.mark.parametrize(
    ("state", "expected"), [("proven", "recoverable"), ("present", "escrowed"), ("absent", "unknown"), ("malformed", "unknown")]
)
def test_a_protector_of_unread_type_may_be_an_escrowed_recovery_password(unread: str | None, state: str, expected: str) -> None:
    judgement = judge(volume(RP, unread), {"ad": state})
    assert judgement.verdict == expected
    assert judgement.flags == ()


@pytest.mark.parametrize("unread", [None, "unknown_11"])
def test_without_a_recovery_password_an_unread_type_leaves_it_open(unread: str | None) -> None:
    judgement = judge(volume("tpm", unread, "external_key"))
    assert judgement.verdict is Verdict.UNKNOWN
    assert judgement.flags == ()


def test_scope() -> None:
    assert judge(volume(RP, type="removable"), PRESENT) == verdict.VolumeJudgement(in_scope=False, verdict=None, flags=(), codes=())
    assert judge(volume(RP, type="removable"), PRESENT, needs=requirements(volume_types=["removable"])).verdict is Verdict.ESCROWED
    for unread in (None, "unknown_9"):
        assert judge(volume(RP, type=unread), PRESENT).verdict is Verdict.ESCROWED
    decrypted = volume("tpm", conversion="fully_decrypted", hardware_test="pending", locked=False)
    relaxed = requirements(encryption=False)
    assert judge(decrypted, needs=relaxed) == verdict.VolumeJudgement(in_scope=False, verdict=None, flags=(), codes=())
    assert judge(volume(conversion=None), needs=relaxed).verdict is Verdict.UNKNOWN
    assert judge(volume(conversion="fully_decrypted", locked=None), needs=relaxed).verdict is Verdict.UNKNOWN
    assert judge(volume(RP, conversion="fully_decrypted", locked=True, protection="unknown"), PRESENT, needs=relaxed).in_scope


def test_a_suspension_without_end_is_flagged_and_unprotected() -> None:
    """Windows offers a count only for a suspended volume; 0 is "until resumed by hand"."""
    judgement = judge(volume(RP, protection="off", suspend_count=0), PRESENT)
    assert judgement.verdict is Verdict.UNPROTECTED
    assert judgement.flags == (Flag.SUSPENDED,)
    assert judgement.codes == ("KW-VOL-002",)
    assert not judge(volume(RP, protection="off"), PRESENT).flags


@pytest.mark.parametrize(
    ("what", "flags", "codes"),
    [
        (volume(RP, protection="off", suspend_count=1), ["suspended"], []),
        (volume(RP, protection="off", suspend_count=2), ["suspended"], []),
        (volume(RP, protection="off", suspend_count=3), ["suspended"], ["KW-VOL-101"]),
        (volume(RP, protection="on", suspend_count=9), [], []),
        (volume(RP, conversion="encryption_in_progress", protection="off", suspend_count=9), ["converting"], ["KW-VOL-103"]),
        (volume(RP, locked=True, protection="unknown"), ["locked"], ["KW-VOL-102"]),
        (volume(RP, locked=True, protection="unknown", method="none"), ["locked"], ["KW-VOL-102"]),
        (volume(RP, locked=True, protection="unknown", method=None), ["locked"], ["KW-VOL-102"]),
        (volume(RP, locked=True, protection="unknown", method="aes_128_diffuser"), ["locked", "weak_method"], ["KW-VOL-102", "KW-VOL-104"]),
        (volume(RP, method="hardware"), ["weak_method"], ["KW-VOL-104"]),
        (volume(RP, method="aes_256_diffuser"), ["weak_method"], ["KW-VOL-104"]),
        (volume(RP, method="aes_128"), [], []),
        (volume(RP, method="unknown_4294967295"), [], []),
        (volume(RP, method="hardware", failed=["GetEncryptionMethod"]), [], []),
        (volume(RP, method="hardware", conversion="encryption_paused"), ["converting", "weak_method"], ["KW-VOL-103", "KW-VOL-104"]),
    ],
)
def test_flags_of_the_volume_itself(what: ObservedVolume, flags: list[str], codes: list[str]) -> None:
    judgement = judge(what, PRESENT)
    assert judgement.verdict is Verdict.ESCROWED
    assert list(judgement.flags) == flags
    assert list(judgement.codes) == codes


@pytest.mark.parametrize("conversion", CONVERTING)
def test_converting_is_said_in_both_directions_running_or_paused(conversion: str) -> None:
    judgement = judge(volume(RP, conversion=conversion, protection="off"), PRESENT)
    assert Flag.CONVERTING in judgement.flags
    assert judgement.verdict == ("unprotected" if conversion.startswith("decryption") else "escrowed")


def test_a_pending_activation_needs_a_protector_and_a_pending_test() -> None:
    decrypted = {"conversion": "fully_decrypted", "protection": "off", "method": "none"}
    pending = judge(volume("tpm", hardware_test="pending", **decrypted))
    assert pending == verdict.VolumeJudgement(
        in_scope=True, verdict=Verdict.NOT_ENCRYPTED, flags=(Flag.ACTIVATION_PENDING,), codes=("KW-VOL-001", "KW-VOL-105")
    )
    for other in (
        volume("tpm", hardware_test="none", **decrypted),
        volume("tpm", hardware_test="failed", **decrypted),
        volume(hardware_test="pending", **decrypted),
        volume("tpm", hardware_test="pending", failed=["GetKeyProtectors"], **decrypted),
    ):
        assert judge(other).flags == ()


def test_the_suspension_allowed_is_a_requirement() -> None:
    suspended = volume(RP, protection="off", suspend_count=1)
    assert judge(suspended, PRESENT, needs=requirements(suspended_reboots_allowed=0)).codes == ("KW-VOL-101",)
    assert judge(suspended, PRESENT, needs=requirements(suspended_reboots_allowed=1)).codes == ()


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"duplicate": True}, "KW-ESC-002"),
        ({"conflicting": True}, "KW-ESC-003"),
        ({"malformed": True}, "KW-ESC-004"),
        ({"held_elsewhere": True}, "KW-ESC-006"),
        ({"unreadable": True}, "KW-ESC-007"),
        ({"backup_claims": {key(0): frozenset({"entra"})}}, "KW-ESC-011"),
        ({"circular_stores": frozenset({"ad"})}, "KW-ESC-012"),
    ],
)
def test_codes_from_marks(fields: dict[str, object], code: str) -> None:
    row = {"ad": "present", "entra": "absent"}
    assert judge(volume(RP), row, needs=requirements(*AD_ENTRA), **fields).codes == (code,)
    assert judge(volume(RP), row, needs=requirements(*AD_ENTRA)).codes == ()


@pytest.mark.parametrize(
    ("state", "codes"),
    [
        ("conflicting", ["KW-ESC-003", "KW-VOL-006"]),
        ("malformed", ["KW-ESC-004", "KW-VOL-006"]),
        ("refuted", ["KW-ESC-005", "KW-VOL-006"]),
        ("unreadable", ["KW-ESC-007"]),
        ("deleted", ["KW-ESC-008", "KW-VOL-004"]),
        ("absent", ["KW-VOL-004"]),
        ("unknown", ["KW-VOL-007"]),
        ("present", []),
        ("proven", []),
    ],
)
def test_codes_from_states(state: str, codes: list[str]) -> None:
    assert list(judge(volume(RP), {"ad": state}).codes) == codes


def test_a_conflict_beside_a_proof_is_still_a_finding() -> None:
    assert judge(volume(RP), {"ad": "proven"}, conflicting=True).codes == ("KW-ESC-003",)


@pytest.mark.parametrize(
    ("state", "claimed", "found"),
    [
        ("absent", "ad", True),
        ("unknown", "ad", False),
        ("deleted", "ad", False),
        ("present", "ad", False),
        ("absent", "entra", False),
        ("absent", "microsoft_account", False),
    ],
)
def test_a_backup_record_that_disagrees(state: str, claimed: str, found: bool) -> None:
    claims = {key(0): frozenset({claimed}), key(5): frozenset({"ad"})}
    assert ("KW-ESC-011" in judge(volume(RP), {"ad": state}, backup_claims=claims).codes) is found


@pytest.mark.parametrize(
    ("rows", "circular", "found"),
    [
        ([{"ad": "present", "entra": "absent"}], {"ad"}, True),
        ([{"ad": "unreadable", "entra": "malformed"}], {"ad"}, True),
        ([{"ad": "present", "entra": "present"}], {"ad"}, False),
        ([{"ad": "present", "entra": "unknown"}], {"ad"}, False),
        ([{"ad": "absent", "entra": "absent"}], {"ad"}, False),
        ([{"ad": "unknown", "entra": "absent"}], {"ad"}, False),
        ([{"ad": "present", "entra": "present"}], {"ad", "entra"}, True),
        ([{"ad": "present", "entra": "absent"}, {"ad": "absent", "entra": "present"}], {"ad"}, False),
        ([{"ad": "present", "entra": "absent"}, {"ad": "absent", "entra": "absent"}], {"ad"}, True),
        ([{"ad": "present", "entra": "absent"}], set(), False),
    ],
)
def test_circular_escrow(rows: list[dict[str, str]], circular: set[str], found: bool) -> None:
    what = volume(*[RP] * len(rows))
    codes = judge(what, *rows, needs=requirements(*AD_ENTRA), circular_stores=frozenset(circular)).codes
    assert ("KW-ESC-012" in codes) is found


def test_circular_escrow_is_not_said_where_an_unread_type_may_hide_a_copy() -> None:
    needs, circular = requirements(*AD_ENTRA), frozenset({"ad"})
    row = {"ad": "present", "entra": "absent"}
    assert "KW-ESC-012" not in judge(volume(RP, None), row, needs=needs, circular_stores=circular).codes
    assert "KW-ESC-012" in judge(volume(RP, None), {"ad": "present"}, needs=requirements(), circular_stores=circular).codes


def test_codes_are_sorted_and_given_once() -> None:
    judgement = judge(
        volume(RP, RP, method="hardware", protection="off", suspend_count=9),
        {"ad": "malformed"},
        {"ad": "malformed"},
        malformed=True,
        duplicate=True,
    )
    assert judgement.codes == ("KW-ESC-002", "KW-ESC-004", "KW-VOL-006", "KW-VOL-101", "KW-VOL-104")


def test_facts_about_entries_are_said_whatever_the_verdict() -> None:
    assert judge(volume(RP, protection="off"), {"ad": "malformed"}).codes == ("KW-ESC-004", "KW-VOL-002")


@pytest.mark.parametrize(
    ("states", "expected"),
    [
        ([], "unknown"),
        ([{"ad": "present"}], "on_file"),
        ([{"ad": "unreadable"}], "on_file"),
        ([{"ad": "proven"}], "on_file"),
        ([{"ad": "absent"}, {"ad": "present"}], "on_file"),
        ([{"ad": "malformed"}, {"ad": "deleted"}, {"ad": "conflicting"}, {"ad": "refuted"}, {"ad": "unknown"}], "unknown"),
        ([{"entra": "present"}], "unknown"),
    ],
)
def test_what_is_on_file_for_a_computer_that_was_not_observed(states: list[dict[str, str]], expected: str) -> None:
    standings = [ProtectorStanding(key_id=key(n), states={s: EntryState(w) for s, w in row.items()}) for n, row in enumerate(states)]
    assert verdict.judge_on_file(standings, requirements()) == expected


def test_a_computer_is_as_bad_as_its_worst_volume() -> None:
    order = [
        "unescrowed",
        "no_recovery_password",
        "wrong_key",
        "at_risk",
        "unprotected",
        "not_encrypted",
        "unavailable",
        "unknown",
        "on_file",
        "escrowed",
        "recoverable",
    ]
    assert order == list(Verdict)
    for place, word in enumerate(order):
        assert verdict.worst(Verdict(other) for other in reversed(order[place:])) == word
    assert verdict.worst([]) is None


def test_passing_and_could_not_look() -> None:
    passing = {proof: [word for word in Verdict if verdict.is_passing(word, requirements(proof=proof))] for proof in ("none", "live")}
    assert passing == {"none": ["escrowed", "recoverable"], "live": ["recoverable"]}
    assert [word for word in Verdict if verdict.could_not_look(word)] == ["unknown", "on_file"]


@pytest.mark.parametrize(
    ("age", "expected"),
    [
        (timedelta(0), False),
        (timedelta(days=30), False),
        (timedelta(days=30, seconds=1), True),
        (timedelta(minutes=-5), False),
        (timedelta(minutes=-5, seconds=-1), True),
    ],
)
def test_too_old_includes_the_future(age: timedelta, expected: bool) -> None:
    now = datetime(2026, 11, 22, 20, 0, tzinfo=UTC)
    assert verdict.is_too_old(now - age, now, requirements()) is expected


def test_protector_lists_are_not_mixed_up() -> None:
    """The standing belongs to the protector with its key ID, wherever it stands in either list."""
    what = volume(protectors=protectors(RP, "tpm", RP))
    given = verdict.VolumeEvidence(volume=what, standings=(standing(2, ad="present"), standing(0, ad="absent"), standing(1, ad="proven")))
    judgement = verdict.judge_volume(given, requirements())
    assert judgement.verdict is Verdict.ESCROWED
    assert judgement.flags == (Flag.SIBLING_NOT_ESCROWED,)
