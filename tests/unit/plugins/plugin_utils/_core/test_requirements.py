# SPDX-License-Identifier: GPL-3.0-or-later
"""The requirements: defaults of DESIGN section 5, and every option that cannot be used."""

from __future__ import annotations

import json
from dataclasses import FrozenInstanceError
from datetime import timedelta
from typing import Any

import pytest
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.requirements import Requirements
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._errors import OptionError


def test_defaults_are_those_of_the_design() -> None:
    plain = Requirements(stores=("ad",)).to_dict()
    assert plain == {
        "stores": ["ad"],
        "copies": 1,
        "proof": "none",
        "volume_types": ["os", "fixed"],
        "encryption": True,
        "methods": ["aes_128", "aes_256", "xts_aes_128", "xts_aes_256"],
        "max_observation_age": 30,
        "suspended_reboots_allowed": 2,
        "min_coverage": 0.0,
    }
    assert json.loads(json.dumps(plain)) == plain


def test_lists_become_tuples_and_nothing_can_be_changed() -> None:
    given: dict[str, Any] = {"stores": ["ad", "entra"], "volume_types": ["removable"], "methods": ["hardware"]}
    required = Requirements(**given)
    assert (required.stores, required.volume_types, required.methods) == (("ad", "entra"), ("removable",), ("hardware",))
    assert hash(required) == hash(Requirements(**given))
    with pytest.raises(FrozenInstanceError):
        required.copies = 2  # type: ignore[misc]  # that it is refused is what is tested


def test_an_age_is_shown_in_days() -> None:
    assert Requirements(stores=("ad",), max_observation_age=timedelta(hours=36)).to_dict()["max_observation_age"] == 1.5


@pytest.mark.parametrize(
    ("options", "option", "says"),
    [
        ({"stores": ()}, "stores", "empty"),
        ({"stores": "ad"}, "stores", "list"),
        ({"stores": None}, "stores", "list"),
        ({"stores": ("ad", "host")}, "stores", "'host'"),
        ({"stores": ("ad", "ad")}, "stores", "twice"),
        ({"stores": ("ad", 7)}, "stores", "7"),
        ({"stores": ("ad", ["x"])}, "stores", "not known"),
        ({"copies": 2}, "copies", "(ad)"),
        ({"stores": ("ad", "entra"), "copies": 3}, "copies", "ad, entra"),
        ({"copies": 0}, "copies", "whole number"),
        ({"copies": -1}, "copies", "whole number"),
        ({"copies": True}, "copies", "whole number"),
        ({"copies": "1"}, "copies", "whole number"),
        ({"proof": "image"}, "proof", "'image'"),
        ({"proof": None}, "proof", "not known"),
        ({"volume_types": ()}, "volume_types", "empty"),
        ({"volume_types": ("usb",)}, "volume_types", "'usb'"),
        ({"encryption": "no"}, "encryption", "true or false"),
        ({"methods": ()}, "methods", "empty"),
        ({"methods": ("none",)}, "methods", "'none'"),
        ({"methods": ("aes",)}, "methods", "'aes'"),
        ({"max_observation_age": timedelta(days=-1)}, "max_observation_age", "young enough"),
        ({"max_observation_age": timedelta(0)}, "max_observation_age", "young enough"),
        ({"max_observation_age": 30}, "max_observation_age", "young enough"),
        ({"suspended_reboots_allowed": -1}, "suspended_reboots_allowed", "whole number"),
        ({"min_coverage": -0.1}, "min_coverage", "part of one"),
        ({"min_coverage": 1.1}, "min_coverage", "part of one"),
        ({"min_coverage": float("nan")}, "min_coverage", "part of one"),
        ({"min_coverage": True}, "min_coverage", "part of one"),
        ({"min_coverage": "0.9"}, "min_coverage", "part of one"),
    ],
)
def test_what_cannot_be_used_is_an_option_error_that_names_the_option(options: dict[str, Any], option: str, says: str) -> None:
    with pytest.raises(OptionError) as caught:
        Requirements(**({"stores": ("ad",)} | options))
    assert caught.value.target == f"option {option}"
    assert says in str(caught.value)
    assert caught.value.remedy


@pytest.mark.parametrize("coverage", [0, 1, 0.5, 1.0])
def test_coverage_reaches_from_nothing_to_all(coverage: float) -> None:
    assert Requirements(stores=("ad",), min_coverage=coverage).min_coverage == coverage
