# SPDX-License-Identifier: GPL-3.0-or-later
"""recovery_sheet in real playbooks: what is on the pages, that two scanners of different make read both codes, and who can open it."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyrage
import pytest
import zxingcpp
from ansible.parsing.vault import VaultLib, VaultSecret
from ansible_collections.keyward.bitlocker.tests.integration.chromium import Chromium, executable
from ansible_collections.keyward.bitlocker.tests.integration.estates import recovery
from ansible_collections.keyward.bitlocker.tests.integration.playing import Player, Run, play, task
from ansible_collections.keyward.bitlocker.tests.integration.test_recovery_key_show import directory, host, records, saved, tenant
from ansible_collections.keyward.bitlocker.tests.lab.lab import Lab
from PIL import Image

MODULE = "recovery_sheet"
#: a published test key (cryptsetup's BitLocker test images)
PUBLISHED = "042647-302313-590458-071500-554323-116567-412181-516978"
PASSPHRASE = "a passphrase of the tests"
REASON = "Yearly print for the safe"


def sheets(player: Player, tasks: Mapping[str, dict[str, Any]], *arguments: str) -> Run:
    """Run tasks by name, each allowed to fail."""
    common = {"reason": REASON, "audit_file": str(player.folder / "audit.jsonl"), "dest": str(player.folder / "sheets")}
    listed = [task(name, MODULE, common | given, ignore_errors=True) for name, given in tasks.items()]
    here = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
    inventory = player.write("here.yml", {"all": {"hosts": {"localhost": here}}})
    run = player.play([play("localhost", *listed)], *arguments, hosts=inventory).no_traceback()
    assert run.code == 0, run.output
    return run


def files_of(player: Player) -> dict[str, Any]:
    """Options that find the saved key."""
    return {"terms": "0123abcd", "file": {"paths": [str(player.folder / "keys")]}}


@pytest.fixture
def files(tmp_path: Path) -> Player:
    saved(tmp_path)
    return Player(tmp_path)


@pytest.fixture(scope="module")
def identity() -> Any:
    return pyrage.x25519.Identity.generate()


def read_by_zbar(picture: Path) -> dict[str, set[str]]:
    """Every code of a picture by its kind, as zbar reads it."""
    done = subprocess.run(["zbarimg", "-q", str(picture)], capture_output=True, text=True, check=False)
    found: dict[str, set[str]] = {}
    for line in done.stdout.splitlines():
        kind, _colon, value = line.partition(":")
        found.setdefault({"QR-Code": "qr", "CODE-128": "bars"}[kind], set()).add(value)
    return found


def read_by_zxing(picture: Path) -> dict[str, set[str]]:
    """The same, as ZXing reads it."""
    found: dict[str, set[str]] = {}
    with Image.open(picture) as image:
        for code in zxingcpp.read_barcodes(image):
            kind = re.sub(r"[^a-z0-9]", "", str(code.format).lower().rpartition(".")[2])
            found.setdefault({"qrcode": "qr", "code128": "bars"}[kind], set()).add(code.text)
    return found


READERS = {"zbar": read_by_zbar, "zxing": read_by_zxing}


@pytest.fixture(scope="module")
def made(hybrid: Lab, identity: Any, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Run, list[str]]:
    """A sealed sheet of two computers in both formats, opened again into files beside it: folder, run and the keys in their order."""
    folder = tmp_path_factory.mktemp("sheet")
    names = ["both", "in-ad"]
    more = {
        "terms": names,
        "formats": ["html", "pdf"],
        "recipients": [str(identity.to_public())],
        "ad": directory(hybrid),
        "entra": tenant(hybrid),
        "ticket": "CHG-100",
    }
    run = sheets(Player(folder, hybrid), {"sheet": more}, "-vvvv", "--diff")
    assert run.event("sheet") == "ok", run.output
    for path in map(Path, run.result("sheet")["files"]):
        (folder / path.name.removesuffix(".age")).write_bytes(pyrage.decrypt(path.read_bytes(), [identity]))
    return folder, run, [recovery(host(hybrid, name)).password or "" for name in names]


@pytest.fixture(scope="module")
def pictures(made: tuple[Path, Run, list[str]]) -> dict[str, list[Path]]:
    """A picture of each page, by how it came about."""
    folder = made[0]
    if executable() is None or shutil.which("pdftoppm") is None:
        pytest.skip("no Chromium or no poppler on this machine; tests/tools/system_packages.sh installs them")
    found: dict[str, list[Path]] = {"screen": []}
    with Chromium() as browser:
        browser.command("Emulation.setDeviceMetricsOverride", width=900, height=1300, deviceScaleFactor=2, mobile=False)
        browser.open((folder / "recovery-sheet.html").as_uri())
        assert browser.complaints() == []
        assert browser.requests() == [(folder / "recovery-sheet.html").as_uri()]
        for number in range(2):
            box = browser.evaluate(
                f"(() => {{ const b = document.querySelectorAll('article')[{number}].getBoundingClientRect();"
                " return {x: b.x + scrollX, y: b.y + scrollY, width: b.width, height: b.height} })()"
            )
            found["screen"].append(browser.screenshot(folder / f"screen-{number}.png", whole=True, clip=box))
        (folder / "printed.pdf").write_bytes(browser.pdf())
    for name, document in (("printed page", "printed.pdf"), ("PDF", "recovery-sheet.pdf")):
        subprocess.run(["pdftoppm", "-r", "150", "-png", str(folder / document), str(folder / document)], check=True)
        found[name] = sorted(folder.glob(f"{document}-*.png"))
    return found


@pytest.mark.parametrize("reader", list(READERS))
@pytest.mark.parametrize("way", ["screen", "printed page", "PDF"])
def test_scanners_read_both_codes_of_every_page(
    made: tuple[Path, Run, list[str]], pictures: dict[str, list[Path]], way: str, reader: str
) -> None:
    expected = [password.replace("-", "") for password in made[2]]
    assert len(pictures[way]) == len(expected)
    for picture, digits in zip(pictures[way], expected, strict=True):
        assert READERS[reader](picture) == {"qr": {digits}, "bars": {digits}}


def test_a_scanner_would_see_a_wrong_digit(tmp_path: Path) -> None:
    picture = tmp_path / "code.png"
    zxingcpp_code = zxingcpp.create_barcode("1" * 48, zxingcpp.BarcodeFormat.QRCode)
    Image.fromarray(zxingcpp_code.to_image(scale=6)).save(picture)
    for reader in READERS.values():
        assert reader(picture) == {"qr": {"1" * 48}}


def test_what_is_said_on_a_page(made: tuple[Path, Run, list[str]], hybrid: Lab) -> None:
    folder, _run, passwords = made
    page = (folder / "recovery-sheet.html").read_text(encoding="utf-8")
    key_id = recovery(host(hybrid, "both")).key_id.upper()
    footing = "for: Yearly print for the safe (CHG-100)."
    for said in ("both.lab.example", key_id[:8], key_id[8:], "Active Directory (CN=", "Entra ID (", footing):
        assert said in page, said
    bare = re.sub(r"<[^>]*>", "", page)
    assert all(password.replace("-", "") in bare for password in passwords)


def test_the_run_shows_no_key_and_its_files_are_its_owners_alone(made: tuple[Path, Run, list[str]], hybrid: Lab) -> None:
    folder, run, passwords = made
    result = run.result("sheet")
    assert result["changed"] is True
    assert (result["sealing"], [key["term"] for key in result["keys"]]) == ("age", ["both", "in-ad"])
    assert recovery(host(hybrid, "both")).key_id in result["diff"]["after"]
    sealed = [Path(path) for path in result["files"]]
    assert [path.name for path in sealed] == ["recovery-sheet.html.age", "recovery-sheet.pdf.age"]
    for path in sealed:
        assert path.stat().st_mode & 0o777 == 0o600
        assert path.read_bytes().startswith(b"-----BEGIN AGE ENCRYPTED FILE-----")
    assert (folder / "sheets").stat().st_mode & 0o777 == 0o700
    assert sorted(path.name for path in (folder / "sheets").iterdir()) == [path.name for path in sealed]
    text = run.output + json.dumps(run.record) + (folder / "audit.jsonl").read_text(encoding="ascii")
    assert [group for password in passwords for group in (password, password.replace("-", "")) if group in text] == []
    assert [(record["action"], record["ticket"]) for record in records(folder / "audit.jsonl")] == [("sheet", "CHG-100")] * 2


@pytest.fixture
def tried(files: Player, identity: Any) -> tuple[Player, Run]:
    """Every refusal, and every way to write, in one run."""
    (files.folder / "open").mkdir()
    (files.folder / "open").chmod(0o755)
    files.write("passphrase", PASSPHRASE)
    found, public = files_of(files), str(identity.to_public())
    tasks: dict[str, dict[str, Any]] = {
        "vault": found | {"name": "vault", "formats": ["pdf"]},
        "left alone": found | {"name": "vault", "formats": ["pdf"], "force": False},
        "plain": found | {"name": "plain", "sealed": False, "formats": ["html", "pdf"]},
        "plain for everybody": found | {"sealed": False, "dest": str(files.folder / "open")},
        "private key": found | {"recipients": [str(identity)]},
        "no such vault ID": found | {"vault_id": "elsewhere"},
        "too many": found | {"recipients": [public], "max_reveals": 1, "name": "more"},
        "no reason": found | {"recipients": [public], "reason": " ", "name": "unreasoned"},
        "no record": found | {"recipients": [public], "audit_file": "/dev/full", "name": "unrecorded"},
        "a path as name": found | {"name": "../elsewhere"},
        "no such key": found | {"terms": "fedcba98", "recipients": [public]},
        "no report": found | {"recipients": [public], "report_file": str(files.folder / "passphrase")},
    }
    run = sheets(files, tasks, "--vault-password-file", str(files.folder / "passphrase"))
    return files, run


SAID = {
    "plain for everybody": "everybody can look into",
    "private key": "a private key, which must not be here",
    "no such vault ID": "Ansible has no password of this vault ID",
    "too many": "and max_reveals is 1",
    "no reason": "no reason is given",
    "no record": "no key was handed out",
    "a path as name": "it is no name of a file",
    "no such key": "there is none in file",
    "no report": "it is no",
}


def test_what_is_refused_is_said_and_leaves_no_file(tried: tuple[Player, Run], identity: Any) -> None:
    player, run = tried
    for name, said in SAID.items():
        assert run.event(name) == "failed", name
        assert said in run.result(name)["msg"], name
    assert sorted(path.name for path in (player.folder / "sheets").iterdir()) == ["plain.html", "plain.pdf", "vault.pdf.vault"]
    assert list((player.folder / "open").iterdir()) == []
    text = run.output + json.dumps(run.record)
    assert PUBLISHED not in text
    # the playbook's own line apart, which Ansible quotes where a task fails
    assert str(identity) not in json.dumps(run.record)
    assert len(records(player.folder / "audit.jsonl")) == 2


def test_what_is_sealed_by_ansible_vault_is_opened_by_it(tried: tuple[Player, Run]) -> None:
    player, run = tried
    vault = VaultLib([("default", VaultSecret(PASSPHRASE.encode()))])
    document = vault.decrypt((player.folder / "sheets" / "vault.pdf.vault").read_bytes())
    assert bytes(document).startswith(b"%PDF-")
    assert run.result("vault")["sealed_for"] == "default"
    assert run.result("left alone")["changed"] is False
    assert run.result("left alone")["keys"] == []


def test_what_is_not_sealed_is_for_its_owner_alone(tried: tuple[Player, Run]) -> None:
    player, run = tried
    assert run.result("plain")["sealing"] is None
    page = player.folder / "sheets" / "plain.html"
    assert PUBLISHED[:6] in page.read_text(encoding="utf-8")
    assert page.stat().st_mode & 0o777 == 0o600


def test_check_mode_writes_and_reads_nothing(files: Player, identity: Any) -> None:
    run = sheets(files, {"sheet": files_of(files) | {"recipients": [str(identity.to_public())]}}, "--check", "--diff")
    assert run.result("sheet")["changed"] is True
    assert "0123abcd" in run.result("sheet")["diff"]["after"]
    assert not (files.folder / "sheets").exists()
    assert not (files.folder / "audit.jsonl").exists()
