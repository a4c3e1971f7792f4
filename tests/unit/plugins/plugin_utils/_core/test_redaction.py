# SPDX-License-Identifier: GPL-3.0-or-later
"""A secret shows no digit, whatever shows it."""

from __future__ import annotations

import copy
import io
import json
import logging
import pickle
import pprint
import string
from dataclasses import asdict, astuple, dataclass, replace

import pytest
import yaml
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.model import Entry
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.redaction import MASK, Secret
from hypothesis import given
from hypothesis import strategies as st

PASSWORD = "042647-302313-590458-071500-554323-116567-412181-516978"
SECRETS = [Secret(PASSWORD), Secret(PASSWORD.encode())]


def entry() -> Entry:
    return Entry(store="ad", owner_id="o", entry_id="e", location="l", value=Secret(PASSWORD))


def shows_nothing(shown: object) -> bool:
    return not any(char.isdigit() for char in str(shown))


def test_the_mask_has_no_digit() -> None:
    assert shows_nothing(MASK)
    assert MASK


@pytest.mark.parametrize("secret", SECRETS)
def test_text_forms(secret: Secret[str]) -> None:
    forms = [
        repr(secret),
        str(secret),
        f"{secret}",
        f"{secret!r}",
        f"{secret!s:>30}",
        f"{secret:^40}",
        "{}".format(secret),  # noqa: UP032  # the method is what is tested
        "%s %r" % (secret, secret),  # noqa: UP031  # the operator is what is tested
        format(secret),
        string.Template("$s").substitute(s=secret),
        ascii(secret),
        pprint.pformat({"s": [secret]}),
        f"{[secret]} {(secret,)} { ({'s': secret}) }",
    ]
    for form in forms:
        assert MASK in form
        assert shows_nothing(form)


@pytest.mark.parametrize("secret", SECRETS)
def test_a_format_specification_cannot_reach_inside(secret: Secret[str]) -> None:
    assert shows_nothing(f"{secret:.16}")
    with pytest.raises(ValueError, match="format code"):
        format(secret, "d")
    for attempt in ("{0.value}", "{0[0]}"):
        with pytest.raises((AttributeError, TypeError)):
            attempt.format(secret)


@pytest.mark.parametrize("secret", SECRETS)
@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_pickle_holds_the_mask(secret: Secret[str], protocol: int) -> None:
    frozen = pickle.dumps({"s": secret, "e": entry()}, protocol)
    for spelling in (PASSWORD, PASSWORD.replace("-", ""), *PASSWORD.split("-")):
        assert spelling.encode() not in frozen
    assert pickle.loads(frozen)["s"] == MASK


def test_dataclasses_and_json() -> None:
    for plain in (asdict(entry()), astuple(entry()), asdict(replace(entry(), store="entra"))):
        assert shows_nothing(plain)
        assert shows_nothing(json.dumps(plain, default=str))
        assert shows_nothing(json.dumps(plain, default=repr))
        with pytest.raises(TypeError):
            json.dumps(plain)
    assert shows_nothing(repr(entry()))


def test_yaml() -> None:
    assert shows_nothing(yaml.dump({"s": Secret(PASSWORD)}))
    with pytest.raises(yaml.representer.RepresenterError):
        yaml.safe_dump({"s": Secret(PASSWORD)})


def test_logs_and_exceptions(caplog: pytest.LogCaptureFixture) -> None:
    out = io.StringIO()
    handler = logging.StreamHandler(out)
    logger = logging.getLogger("keyward.test")
    logger.addHandler(handler)
    error = ValueError("no", Secret(PASSWORD))
    logger.error("failed with %s and %r", Secret(PASSWORD), entry(), exc_info=error)
    logger.removeHandler(handler)
    assert MASK in out.getvalue()
    assert shows_nothing(repr(error) + str(error))
    for group in PASSWORD.split("-"):
        assert group not in out.getvalue() + caplog.text


def test_copies_stay_secrets() -> None:
    secret = Secret(PASSWORD)
    for twin in (copy.copy(secret), copy.deepcopy(secret), copy.deepcopy(entry()).value):
        assert isinstance(twin, Secret)
        assert twin.reveal() == PASSWORD


def test_nothing_to_iterate_index_or_compare_with() -> None:
    secret = Secret(PASSWORD)
    assert not hasattr(secret, "__dict__")
    for use in (len, iter, list, bytes, int):
        with pytest.raises(TypeError):
            use(secret)  # type: ignore[call-overload, arg-type]  # that it does not fit is what is tested
    assert secret != PASSWORD
    assert secret == Secret(PASSWORD)
    assert secret != Secret(PASSWORD.replace("0", "1"))
    assert hash(secret) == hash(Secret("other"))
    assert secret
    assert not Secret("")


def test_the_message_of_a_failed_comparison_shows_nothing() -> None:
    one, other = Secret(PASSWORD), Secret("x")
    with pytest.raises(AssertionError) as caught:
        assert one == other
    assert PASSWORD[:6] not in str(caught.value)


@given(st.text(min_size=1) | st.binary(min_size=1))
def test_whatever_it_holds_it_shows_the_mask_alone(value: str | bytes) -> None:
    @dataclass
    class Holder:
        secret: object

    holder = Holder(Secret(value))  # type: ignore[type-var]  # one of the two types, not their union
    assert str(holder.secret) == repr(holder.secret) == f"{holder.secret}" == MASK
    assert json.loads(json.dumps(asdict(holder), default=str)) == {"secret": MASK}
