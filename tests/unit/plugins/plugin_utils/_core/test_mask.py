# SPDX-License-Identifier: GPL-3.0-or-later
"""The mask over texts that a peer had a part in: what it was told does not come back, and nothing else is changed."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.redaction import MASK, Mask, Secret
from hypothesis import given
from hypothesis import strategies as st

PASSWORD = "Tr0ub4dor&3"


def mask(*secrets: str) -> Mask:
    made = Mask()
    for secret in secrets:
        made.learn(Secret(secret))
    return made


def test_a_text_that_repeats_a_secret() -> None:
    assert mask(PASSWORD).text(f"user svc with {PASSWORD}, {PASSWORD}!") == f"user svc with {MASK}, {MASK}!"


@given(before=st.binary(max_size=20), after=st.binary(max_size=20), secret=st.text(min_size=6, max_size=20))
def test_base64_around_a_secret_does_not_show_it(before: bytes, after: bytes, secret: str) -> None:
    told = base64.b64encode(before + secret.encode() + after).decode()
    shown = mask(secret).text(f"Authorization: Basic {told}")
    assert told not in shown
    # but for the characters that hold bits of the neighbours, at most a byte at either end
    assert len(shown) - len("Authorization: Basic ") - len(MASK) <= len(told) - (len(secret.encode()) - 2) * 4 // 3 + 2


def test_a_secret_within_another() -> None:
    both = mask("hunter", "hunter22").text("hunter22 and hunter")
    assert both == f"{MASK} and {MASK}"


@pytest.mark.parametrize("secret", ["", "a", "abc"])
def test_what_is_found_everywhere_by_chance_is_left(secret: str) -> None:
    assert mask(secret).text("abc and a") == "abc and a"


def test_prose_is_masked_and_data_are_not() -> None:
    told = f"You said {PASSWORD}"
    result: dict[str, Any] = {
        "msg": told,
        "error": {"name": told, "target": told, "inner": [told]},
        "observation": {"message": told, "errors": [{"read": "Get", "name": told}], "computer": {"name": PASSWORD, "serial": told}},
        "stores": {"ad": {"reason": told}},
        "entries": [{"problem": told, "recovery_password": PASSWORD}],
        "changed": False,
        "count": 3,
        "nothing": None,
    }
    masked = f"You said {MASK}"
    assert mask(PASSWORD).prose(result) == {
        "msg": masked,
        "error": {"name": masked, "target": masked, "inner": [masked]},
        "observation": {"message": masked, "errors": [{"read": "Get", "name": masked}], "computer": {"name": PASSWORD, "serial": told}},
        "stores": {"ad": {"reason": masked}},
        "entries": [{"problem": masked, "recovery_password": PASSWORD}],
        "changed": False,
        "count": 3,
        "nothing": None,
    }
    assert result["msg"] == told


def test_without_secrets_nothing_is_copied() -> None:
    result = {"msg": "text"}
    assert Mask().prose(result) is result
    assert Mask().text("text") == "text"
