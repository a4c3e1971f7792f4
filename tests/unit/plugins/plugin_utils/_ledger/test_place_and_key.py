# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a ledger and its key may lie, and what a URL may say."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._core.redaction import Secret
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._errors import OptionError
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._ledger import place
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._ledger.seal import load_key
from ansible_collections.keyward.bitlocker.plugins.plugin_utils._ledger.settings import LedgerSettings


def test_the_file_is_this_accounts_alone(tmp_path: Path) -> None:
    path = place.prepare(tmp_path / "new" / "ledger.db", make=True)
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o077 == 0
    assert place.prepare(path, make=True) == path
    path.chmod(0o640)
    with pytest.raises(OptionError, match="this account's alone"):
        place.prepare(path, make=True)


@pytest.mark.parametrize("name", ["ledger.db", "ledger.db-wal", "ledger.db-journal", "ledger.db-shm"])
def test_no_link_is_followed(tmp_path: Path, name: str) -> None:
    (tmp_path / "other").write_text("precious", encoding="utf-8")
    (tmp_path / name).symlink_to(tmp_path / "other")
    with pytest.raises(OptionError, match="it is a link"):
        place.prepare(tmp_path / "ledger.db", make=True)
    assert (tmp_path / "other").read_text(encoding="utf-8") == "precious"


def test_nobody_else_writes_to_the_folder(tmp_path: Path) -> None:
    for mode in (0o777, 0o1777, 0o770):
        (tmp_path / "open").mkdir(exist_ok=True)
        (tmp_path / "open").chmod(mode)
        with pytest.raises(OptionError, match="other accounts can write to this folder"):
            place.prepare(tmp_path / "open" / "ledger.db", make=True)


MOUNTS = """\
21 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
30 21 0:45 / /mnt/share rw,relatime shared:2 - {kind} server:/export rw
31 30 8:2 / /mnt/share/disk rw - xfs /dev/sdb1 rw
32 21 0:46 / /mnt/a\\040b rw master:1 - nfs4 server:/x rw
broken line
"""


@pytest.mark.parametrize(
    "kind", ["nfs", "nfs4", "cifs", "smb3", "9p", "fuse.sshfs", "fuse.glusterfs", "ceph", "fuse", "virtiofs", "vboxsf"]
)
def test_network_file_systems_are_refused(tmp_path: Path, kind: str) -> None:
    mounts = MOUNTS.format(kind=kind)
    assert place.file_system("/mnt/share/keyward", mounts) == kind
    assert place.file_system("/mnt/share", mounts) == kind
    assert place.file_system("/mnt/share/disk/x", mounts) == "xfs"
    assert place.file_system("/mnt/shared", mounts) == "ext4"
    assert place.file_system("/mnt/a b/c", mounts) == "nfs4"
    table = tmp_path / "mountinfo"
    table.write_text(f"21 1 8:1 / / rw - ext4 /dev/sda1 rw\n22 21 0:9 / {tmp_path} rw - {kind} x rw\n", encoding="utf-8")
    with pytest.raises(OptionError, match=f"network file system .{kind}."):
        place.prepare(tmp_path / "l" / "ledger.db", make=True, mounts=table)


@pytest.mark.parametrize("kind", ["ext4", "xfs", "btrfs", "zfs", "tmpfs", "overlay", "fuseblk"])
def test_disks_of_this_machine_are_not(kind: str) -> None:
    assert not place.is_network(kind)


def test_a_key_is_made_once_and_read_again(tmp_path: Path) -> None:
    made = load_key(tmp_path / "keys" / "key", make=True)
    again = load_key(tmp_path / "keys" / "key", make=True)
    assert made.fresh
    assert not again.fresh
    assert (tmp_path / "keys" / "key").stat().st_mode & 0o777 == 0o600
    assert os.listdir(tmp_path / "keys") == ["key"]
    assert made.of("proofs", "run", "a", 1) == again.of("proofs", "run", "a", 1)
    assert made.value_mark("ad", "e", "k", Secret("v")) == again.value_mark("ad", "e", "k", Secret("v"))
    other = load_key(tmp_path / "other" / "key", make=True)
    assert made.of("proofs", "run", "a", 1) != other.of("proofs", "run", "a", 1)


def test_a_seal_is_of_one_row_alone(tmp_path: Path) -> None:
    seal = load_key(tmp_path / "key", make=True)
    rows = [
        ("t", "r", "a", "b"),
        ("t", "r", "ab", ""),
        ("t", "r", "a", "b", None),
        ("t", "ra", "b"),
        ("u", "r", "a", "b"),
        ("t", "r", "a", 1),
    ]
    assert len({seal.of(*row) for row in rows}) == len(rows)
    assert seal.fits(seal.of("t", "r", "a"), "t", "r", "a")
    for wrong in (None, "", b"", b"0" * 16, 7, memoryview(b"0" * 16)):
        assert not seal.fits(wrong, "t", "r", "a")


@pytest.mark.parametrize("content", ["", "nonsense", "keyward-ledger-key-1:abcd", "keyward-ledger-key-1:" + "zz" * 32, "ä" * 99, "a:b:c"])
def test_what_is_no_key_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "key"
    path.write_text(content, encoding="utf-8")
    path.chmod(0o600)
    with pytest.raises(OptionError, match="holds no key"):
        load_key(path, make=True)
    assert path.read_text(encoding="utf-8") == content


def test_a_key_that_others_can_read_or_that_is_a_link_is_refused(tmp_path: Path) -> None:
    load_key(tmp_path / "key", make=True)
    (tmp_path / "key").chmod(0o644)
    with pytest.raises(OptionError, match="this account's alone"):
        load_key(tmp_path / "key", make=True)
    (tmp_path / "key").chmod(0o600)
    (tmp_path / "link").symlink_to(tmp_path / "key")
    with pytest.raises(OptionError):
        load_key(tmp_path / "link", make=True)
    os.mkfifo(tmp_path / "pipe", 0o600)
    with pytest.raises(OptionError):
        load_key(tmp_path / "pipe", make=True)


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("postgresql://u:hunter2@db/keyward", "holds a password"),
        ("postgresql://u@db/keyward?password=hunter2", "holds a password"),
        ("postgresql://u@db/keyward?passfile=/x", "passfile"),
        ("mysql://u@db/keyward", "no URL of a PostgreSQL"),
        ("sqlite:////etc/passwd", "no URL of a PostgreSQL"),
        ("postgresql://u@db", "no URL of a PostgreSQL"),
        ("postgresql://u@db/keyward?options=-csearch_path=x", "options"),
        ("postgresql://u@[db/keyward", "cannot be read"),
    ],
)
def test_a_url_that_is_refused_is_not_repeated(url: str, reason: str) -> None:
    with pytest.raises(OptionError, match=reason) as caught:
        LedgerSettings.from_options({"url": url, "hmac_key_file": "/k/key"})
    assert "hunter2" not in str(caught.value)


def test_the_servers_certificate_is_verified_unless_it_is_this_machine() -> None:
    def url(text: str) -> str | None:
        return LedgerSettings.from_options({"url": text, "hmac_key_file": "/k/key"}).url

    assert url("postgresql://u@db.corp.example/k") == "postgresql://u@db.corp.example/k?sslmode=verify-full"
    assert url("postgresql:///k?host=db.corp.example") == "postgresql:///k?host=db.corp.example&sslmode=verify-full"
    for unchanged in ("postgresql://u@127.0.0.1/k", "postgresql:///k?host=/run/postgresql", "postgresql://u@db/k?sslmode=require"):
        assert url(unchanged) == unchanged


@pytest.mark.parametrize(
    "given",
    [
        {"path": "/l/ledger.db", "hmac_key_file": "/l/key"},
        {"path": "/l/ledger.db", "hmac_key_file": "/l/below/key"},
        {"hmac_key_file": "/k/key"},
        {"path": "/l/ledger.db", "url": "postgresql:///k", "hmac_key_file": "/k/key"},
        {"path": "/l/ledger.db", "hmac_key_file": "/k/key", "keep_days": 0},
        {"path": "/l/ledger.db", "hmac_key_file": "/k/key", "keep_days": 5, "compare_days": 6},
    ],
)
def test_options_that_do_not_fit(given: dict[str, object]) -> None:
    with pytest.raises(OptionError):
        LedgerSettings.from_options(given)
