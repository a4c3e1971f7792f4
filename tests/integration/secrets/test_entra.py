# SPDX-License-Identifier: GPL-3.0-or-later
"""No client secret, private key, assertion, token, device code or recovery key in anything that the Entra store leaves behind."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from ansible_collections.keyward.bitlocker.tests.integration.secrets import entra_mirror
from ansible_collections.keyward.bitlocker.tests.integration.secrets.box import Box
from ansible_collections.keyward.bitlocker.tests.integration.secrets.checks import assert_clean, leaks_of
from ansible_collections.keyward.bitlocker.tests.integration.secrets.entra_credentials import (
    PEM_PASSWORD,
    WRONG_CLIENT_SECRET,
    WRONG_FILE_PASSWORD,
)
from ansible_collections.keyward.bitlocker.tests.integration.secrets.ground import Ground
from ansible_collections.keyward.bitlocker.tests.integration.secrets.test_reveal import hashed
from ansible_collections.keyward.bitlocker.tests.lab.entra.accounts import NO_RIGHTS, PERSON, REVEAL
from ansible_collections.keyward.bitlocker.tests.lab.estate.values import is_recovery_password
from ansible_collections.keyward.bitlocker.tests.lab.model import LabEntraKey

MakeBox = Callable[..., Box]
Task = dict[str, Any]
INFO = "keyward.bitlocker.entra_recovery_key_info"
REPORT = "keyward.bitlocker.escrow_report"
FORMATS = ["json", "csv", "html", "md"]
ENTRIES = "{{{{ {0}.entries | default([]) | length }}}} entries by {0}"


def ways_in(ground: Ground) -> dict[str, dict[str, Any]]:
    """Every way to prove who asks that the lab offers."""
    files = ground.entra_files
    certificate: dict[str, Any] = {"auth_method": "certificate", "secret": None}
    identity: dict[str, Any] = {"auth_method": "managed_identity", "secret": None, "tenant": None, "client_id": None, "authority": None}
    return {
        "secret": ground.entra(),
        "pem": ground.entra(**certificate, x509_certificate_path=str(files.lab.certificate_pem)),
        "sealed": ground.entra(**certificate, x509_certificate_path=str(files.sealed_pem), certificate_password=PEM_PASSWORD),
        "pfx": ground.entra(
            **certificate, x509_certificate_path=str(files.lab.certificate_pfx), certificate_password=files.lab.pfx_password
        ),
        "federated": ground.entra(auth_method="federated_token", secret=None, federated_token_file=str(files.lab.federated_token)),
        "identity": ground.entra(**identity),
        "person": ground.entra(PERSON, auth_method="device_code", secret=None),
    }


def wrong_ways(ground: Ground) -> dict[str, tuple[dict[str, Any], str]]:
    """Options that fail, and a part of what is said about it."""
    files, ways = ground.entra_files, ways_in(ground)
    nobody = f"https://{ground.lab.block.infrastructure(99)}"
    key_text = files.lab.certificate_pem.read_text(encoding="ascii")
    token_text = files.lab.federated_token.read_text(encoding="ascii")
    secret, assert_by = str(ways["secret"]["secret"]), ways["pem"]
    assert ground.lab.authority is not None
    return {
        "wrong secret": (ways["secret"] | {"secret": WRONG_CLIENT_SECRET}, "AADSTS7000215"),
        "an expired certificate": (assert_by | {"x509_certificate_path": str(files.expired_pem)}, "AADSTS700027"),
        "a wrong password of a file": (ways["pfx"] | {"certificate_password": WRONG_FILE_PASSWORD}, "the password is wrong"),
        "no rights": (ground.entra(NO_RIGHTS), "HTTP 403"),
        "no such tenant": (ways["secret"] | {"tenant": "nobody.example"}, "tenant"),
        "another application": (ways["secret"] | {"client_id": entra_mirror.CLIENT_ID}, "AADSTS700016"),
        "an authority that is not trusted": (ways["secret"] | {"ca_cert": str(ground.lab.authority.untrusted_pem)}, "X509"),
        "nobody there": (ways["secret"] | {"authority": nobody, "graph_url": nobody}, "no connection"),
        "a secret that is a dictionary": (ways["secret"] | {"secret": {"value": secret}}, "secret"),
        "a secret where the ID belongs": (ways["secret"] | {"client_id": secret, "secret": entra_mirror.CLIENT_ID}, "client_id"),
        "a secret where the tenant belongs": (ways["secret"] | {"tenant": secret, "secret": "something-else"}, "tenant"),
        "a secret where the thumbprint belongs": (assert_by | {"thumbprint": secret}, "thumbprint"),
        "a secret in the address": (
            ways["secret"] | {"authority": f"https://x:{secret}@login.example"},
            "authority",
        ),
        "a secret in the proxy": (ways["secret"] | {"proxy": f"http://x:{secret}@127.0.0.1:3128"}, "proxy"),
        "a key where its path belongs": (assert_by | {"x509_certificate_path": key_text}, "x509_certificate_path"),
        "a key where a certificate belongs": (ways["secret"] | {"ca_cert": key_text.partition("-----BEGIN CERT")[0]}, "ca_cert"),
        "a token where its path belongs": (ways["federated"] | {"federated_token_file": token_text}, "federated_token_file"),
        "a key where a token belongs": (ways["federated"] | {"federated_token_file": str(files.lab.certificate_pem)}, "holds no token"),
    }


def templated(variable: str, options: dict[str, Any]) -> dict[str, Any]:
    """Options as a playbook that does not hold its secrets itself gives them."""
    return {name: f"{{{{ {variable}['{name}'] }}}}" for name in options}


def info(name: str, variable: str, options: dict[str, Any], *, keywords: Task | None = None, **more: Any) -> Task:
    """A task that looks keys up, and asks for all of them if not told otherwise."""
    return {"name": name, INFO: {**templated(variable, options), **(more or {"all": True})}, **(keywords or {})}


def reveal(name: str, variable: str, options: dict[str, Any], *, keywords: Task | None = None, **more: Any) -> Task:
    """A task that hands out."""
    return info(name, variable, options, keywords=keywords, **{"reveal": True, "reason": "INC-4711", "max_reveals": 1000, **more})


def report(name: str, variable: str, box: Box, *, keywords: Task | None = None, **more: Any) -> Task:
    """A task that writes a report of one store in every format, and returns it whole."""
    given = {"dest": str(box.report / variable.replace(".", "-")), "formats": FORMATS, "query": "@", "hosts": [], **more}
    return {"name": name, REPORT: {"entra": f"{{{{ {variable} }}}}", **given}, **(keywords or {})}


def shown(variable: str) -> Task:
    """What a variable holds, for all to see."""
    return {"name": f"About {variable}", "ansible.builtin.debug": {"var": variable}}


def play(box: Box, ground: Ground, tasks: list[Task], variables: dict[str, Any], *arguments: str) -> str:
    """One play for localhost over these tasks; what was printed."""
    book = box.give("play.yml", [{"name": "Entra", "hosts": "localhost", "connection": "local", "gather_facts": False, "tasks": tasks}])
    assert box.play(book, *arguments, variables=[box.give("variables.yml", variables)]) == 0, box.text("stdout")[-4000:]
    return box.text("stdout")


def sound_keys(ground: Ground, count: int) -> list[LabEntraKey]:
    """Keys that a reveal hands out whole."""
    ids = [key.key_id for key in ground.lab.estate.entra_keys]
    sound = [key for key in ground.lab.estate.entra_keys if is_recovery_password(key.password) and ids.count(key.key_id) == 1]
    return [key for key in sound if key.device_id][:count]


def test_every_way_in_and_every_reveal(ground: Ground, box: MakeBox) -> None:
    first, second = sound_keys(ground, 2)
    run = box(AZURE_POD_IDENTITY_AUTHORITY_HOST=ground.identity_url)
    ways, reveals = ways_in(ground), ground.entra(REVEAL)
    tasks: list[Task] = []
    for way, options in ways.items():
        # what it shows of one key it shows of all; -vvvv prints every result
        wanted: dict[str, Any] = {"all": True} if way == "secret" else {"key_id": first.key_id}
        tasks.append(info(f"As {way}", f"ways.{way}", options, keywords={"register": f"by_{way}"}, **wanted))
        tasks.append({"ansible.builtin.debug": {"msg": ENTRIES.format(f"by_{way}")}})
    tasks += [report("Report", f"ways.{way}", run, query="summary") for way in ("sealed", "federated")]
    tasks.append(report("Report whole", "ways.secret", run, keywords={"register": "whole"}))
    tasks.append(report("Report again", "ways.secret", run, query="stores", keywords={"check_mode": True, "diff": True}))
    tasks.append({"ansible.builtin.set_fact": {"kept": "{{ whole }}", "cacheable": True}})
    for name, more, keywords in (
        ("One", {"key_id": first.key_id}, {"register": "one"}),
        ("In a loop", {"key_id": "{{ item }}"}, {"loop": [first.key_id, second.key_id], "register": "looped"}),
        ("By device", {"device": second.device_id}, {"register": "device", "check_mode": True, "diff": True}),
        ("Asked no_log", {"key_id": first.key_id}, {"register": "quiet", "no_log": True}),
        ("Not registered", {"key_id": first.key_id}, {}),
        ("Failed when", {"key_id": first.key_id}, {"failed_when": True, "ignore_errors": True, "register": "judged"}),
        ("Again", {"key_id": first.key_id}, {"until": False, "retries": 1, "delay": 0, "ignore_errors": True, "register": "again"}),
    ):
        tasks.append(reveal(name, "reveals", reveals, keywords=dict(keywords), **more))
    for variable in ("one", "looped", "device", "quiet"):
        tasks += [{"handed_out": {"variable": variable}, "register": "hashes"}, shown("hashes.hashes")]
    said = play(run, ground, tasks, {"ways": ways, "reveals": reveals})
    assert_clean(run, ground)
    for way in ways:
        count = len(ground.lab.estate.entra_keys) if way == "secret" else 1
        # a person is shown the keys of own devices alone
        assert f"{count} entries by by_{way}" in said or way == "person", way
    assert all(hashed([key.password])[0] in said for key in (first, second))
    for way in ("secret", "sealed", "federated"):
        assert {path.suffix[1:] for path in (run.report / f"ways-{way}").iterdir()} == set(FORMATS)
    credentials = {row["credential"] for row in entra_log(ground) if row["side"] != "graph" and row["status"] == 200}
    assert {"secret", "certificate", "federated", "managed_identity", "device_code"} <= credentials
    # who held a token was watched: it could neither be dumped nor read
    assert ground.lab.entra is not None
    assert [note for note in run.notes("connect") if note["address"][0] == ground.lab.entra.address and note["dumpable"] == 0]
    logged = run.text("logging")
    assert "urllib3" in logged
    # at DEBUG it would log device codes
    assert "msal" not in logged


def entra_log(ground: Ground) -> list[dict[str, Any]]:
    """What the lab's tenant was asked."""
    path = ground.lab.logs / "entra-requests.jsonl"
    return [row for row in map(json.loads, path.read_text().splitlines()) if row["event"] == "exchange"]


def test_whatever_is_wrong_is_told_without_secrets(ground: Ground, box: MakeBox) -> None:
    run = box(ANSIBLE_STDOUT_CALLBACK="ansible.builtin.default", ANSIBLE_CALLBACK_RESULT_FORMAT="yaml")
    wrong, reveals, key = wrong_ways(ground), ground.entra(REVEAL), sound_keys(ground, 1)[0]
    logins = [options for options, _said in wrong.values()]
    tasks: list[Task] = []
    for number, (name, (options, _said)) in enumerate(wrong.items()):
        keywords = {"ignore_errors": True, "register": f"found_{number}"}
        tasks += [info(name, f"logins[{number}]", options, keywords=keywords), {**shown(f"found_{number}"), "name": f"About {name}"}]
        tasks.append(report(f"Report, {name}", f"logins[{number}]", run, keywords={"ignore_errors": True}, query="stores"))
    metadata_only = ground.entra()
    refused: dict[str, tuple[str, dict[str, Any], dict[str, Any], Task]] = {
        "no reason": ("reveals", reveals, {"reason": " "}, {}),
        "metadata alone": ("metadata_only", metadata_only, {}, {}),
        "a full disk": ("reveals", reveals, {"audit_file": "/dev/full"}, {}),
        "async": ("reveals", reveals, {}, {"async": 10}),
        "all": ("reveals", reveals, {"all": True}, {}),
    }
    for name, (variable, options, more, extra) in refused.items():
        keywords = {"ignore_errors": True, "register": "refusal", **extra}
        wanted: dict[str, Any] = {"key_id": key.key_id, **more}
        tasks += [reveal(name, variable, options, keywords=keywords, **wanted), shown("refusal")]
    said = play(run, ground, tasks, {"logins": logins, "reveals": reveals, "metadata_only": metadata_only})
    assert_clean(run, ground)
    about = said.split("TASK [About ")
    for name, (_options, expected) in wrong.items():
        (text,) = [text for text in about if text.startswith((f"{name}]", f"{name} var="))]
        assert expected in text, name
        assert "failed: true" in text, name
    assert said.count("...ignoring") >= len(wrong) + len(refused)


def test_services_that_repeat_what_they_were_told(ground: Ground, box: MakeBox) -> None:
    mirror = ground.entra_mirror
    run = box(IDENTITY_ENDPOINT=f"{mirror.url}/identity", IDENTITY_HEADER=entra_mirror.IDENTITY_HEADER)
    files, ca = ground.entra_files, {"ca_cert": str(ground.lab.ca_file)}
    by_secret = {"auth_method": "client_secret", "secret": str(ground.entra()["secret"]), **ca}
    certificate = {"auth_method": "certificate", "x509_certificate_path": str(files.lab.certificate_pem), **ca}
    federated = {"auth_method": "federated_token", "federated_token_file": str(files.lab.federated_token), **ca}
    identity = {"auth_method": "managed_identity", "graph_url": mirror.url, "proxy": "none", **ca}
    logins = {f"{kind} by secret": mirror.options(kind, **by_secret) for kind in (*entra_mirror.SIGN_IN, *entra_mirror.GRAPH)}
    for kind in ("refusal", "words", "status", "lifetime"):
        logins |= {f"{kind} by certificate": mirror.options(kind, **certificate), f"{kind} by token": mirror.options(kind, **federated)}
    logins |= {
        f"{kind} by code": mirror.options(kind, auth_method="device_code", **ca) for kind in ("refusal", "words", "names", "word403")
    }
    logins["identity"] = identity
    numbered = list(logins.values())
    tasks: list[Task] = []
    for number, (name, options) in enumerate(logins.items()):
        keywords = {"ignore_errors": True, "register": "found"}
        tasks += [info(name, f"logins[{number}]", options, keywords=keywords), shown("found")]
        if name.partition(" ")[0] in ("names", "links", "forms", "http429", "word403", "words"):
            tasks.append(report(f"Report, {name}", f"logins[{number}]", run, keywords={"ignore_errors": True, "register": "written"}))
            if name == "names by secret":
                tasks.append({"ansible.builtin.set_fact": {"kept": "{{ written }}", "cacheable": True}})
    for kind in entra_mirror.REVEALS:
        options = mirror.options(kind, **by_secret)
        numbered.append(options)
        keywords = {"ignore_errors": True, "register": f"revealed_{kind}"}
        tasks.append(reveal(f"Reveal, {kind}", f"logins[{len(numbered) - 1}]", options, keywords=keywords, key_id=entra_mirror.KEY_ID))
    tasks += [{"handed_out": {"variable": "revealed_key"}, "register": "hashes"}, shown("hashes.hashes"), shown("revealed_other")]
    said = play(run, ground, tasks, {"logins": numbered})
    assert_clean(run, ground, environment=["mirror's identity header"])
    asked = {what for what, _path in mirror.asked}
    assert {f"login {kind}" for kind in entra_mirror.SIGN_IN} | {f"graph {kind}" for kind in entra_mirror.GRAPH} <= asked
    assert "identity" in asked
    # it really was told everything, so that there was something to repeat
    kinds = {name.split()[1] for name in mirror.told}
    assert {"token", "client_secret", "client_assertion", "device"} <= kinds
    assert hashed([entra_mirror.REVEALED])[0] in said
    assert said.count("AADSTS7000215") >= 3
    named = f"report/logins[{list(logins).index('names by secret')}]"
    assert all("keyward secret" in run.text(f"{named}/escrow-report.{ending}") for ending in ("json", "csv", "html"))


def test_the_environment_and_the_arguments_of_tasks(ground: Ground, box: MakeBox) -> None:
    files, secret = ground.entra_files, str(ground.entra(REVEAL)["secret"])
    arguments = "in/arguments.jsonl"
    run = box(
        AZURE_SECRET=secret,
        AZURE_CLIENT_CERTIFICATE_PASSWORD=files.lab.pfx_password,
        IDENTITY_ENDPOINT=f"{ground.identity_url}/msi/token",
        IDENTITY_HEADER=str(ground.secrets["identity header"]),
        ANSIBLE_DEBUG="1",
        PYTHONWARNINGS="always",
        ANSIBLE_STDOUT_CALLBACK="ansible.builtin.minimal",
    )
    run.environment = {**run.environment, "KEYWARD_ARGUMENTS": str(run.folder / arguments)}
    ways, key = ways_in(ground), sound_keys(ground, 1)[0]
    by_environment = {name: value for name, value in ground.entra(REVEAL).items() if name != "secret"}
    pfx = {name: value for name, value in ways["pfx"].items() if name != "certificate_password"}
    in_arguments = ground.entra(REVEAL)
    tasks = [
        info("Secret from the environment", "by_environment", by_environment, keywords={"register": "one"}, key_id=key.key_id),
        info("File from the environment", "pfx", pfx, keywords={"register": "two"}, key_id=key.key_id),
        info("Identity from the environment", "ways.identity", ways["identity"], keywords={"register": "three"}, key_id=key.key_id),
        reveal("Reveal", "by_environment", by_environment, key_id=key.key_id, keywords={"register": "found"}),
        report("Report", "by_environment", run, query="stores"),
        info("Secret in the arguments", "in_arguments", in_arguments, key_id=key.key_id),
        info("Secret in the arguments, no_log", "in_arguments", in_arguments, keywords={"no_log": True}, key_id=key.key_id),
        {"ansible.builtin.debug": {"msg": "{{ [one, two, three] | map(attribute='store.state') | list }}"}},
        {"handed_out": {"variable": "found"}, "register": "hashes"},
        shown("hashes.hashes"),
    ]
    variables = {"by_environment": by_environment, "pfx": pfx, "ways": ways, "in_arguments": in_arguments}
    said = play(run, ground, tasks, variables)
    assert_clean(run, ground, environment=[f"client {REVEAL}", "password of a PFX file", "identity header"])
    assert said.count('"searched"') >= 3
    assert hashed([key.password])[0] in said
    # what Ansible hands to callbacks, no_log or not: the page "Secrets" tells users so
    given = {row["task"]: json.dumps(row["args"]) for row in map(json.loads, run.text(arguments).splitlines())}
    assert {name for name, text in given.items() if secret in text} == {"Secret in the arguments", "Secret in the arguments, no_log"}
    assert not any(files.lab.pfx_password in text for text in given.values())


@pytest.mark.parametrize("place", ["adapter", "token", "json"])
def test_an_error_that_quotes_everything(ground: Ground, box: MakeBox, place: str) -> None:
    run = box(KEYWARD_SABOTAGE=place)
    options, key = ground.entra(REVEAL), sound_keys(ground, 1)[0]
    tasks = [
        info("Look", "options", options, keywords={"ignore_errors": True, "register": "looked"}),
        reveal("Reveal", "options", options, key_id=key.key_id, keywords={"ignore_errors": True, "register": "revealed"}),
        report("Report", "options", run, keywords={"ignore_errors": True, "register": "reported"}),
        *(shown(name) for name in ("looked", "revealed", "reported")),
    ]
    said = play(run, ground, tasks, {"options": options})
    assert_clean(run, ground)
    assert [note for note in run.notes("sabotage") if note["texts"]]
    assert "HorridError" in said


def test_positive_control_of_what_is_made_anew(ground: Ground, box: MakeBox) -> None:
    """A token that is issued, and an assertion that is made, while the tests run are known to the scanner."""
    assert ground.lab.entra is not None
    run = box()
    ground.learn()
    tokens = ground.lab.entra.issued_tokens.read_text().split()
    assertions = [value for name, value in ground.entra_mirror.told.items() if "assertion" in name]
    (run.report / "escrow-report.csv").write_text(f"PC01;{tokens[-1][40:70]};x\n")
    (run.report / "escrow-report.md").write_text(f"| {str(assertions[-1])[-40:]} |\n")
    found = {(leak.place, leak.secret.split()[0]) for leak in leaks_of(run, ground)}
    assert ("report/escrow-report.csv", "token") in found
    assert any(place == "report/escrow-report.md" for place, _secret in found)
