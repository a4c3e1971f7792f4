# SPDX-License-Identifier: GPL-3.0-or-later
"""A Samba AD domain controller on a loopback address: provisioned once, cached, unpacked, seeded offline, started in about a second."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType

from ansible_collections.keyward.bitlocker.tests.lab.directory import layout
from ansible_collections.keyward.bitlocker.tests.lab.directory.plan import make_plan
from ansible_collections.keyward.bitlocker.tests.lab.directory.processes import Child
from ansible_collections.keyward.bitlocker.tests.lab.model import Estate
from ansible_collections.keyward.bitlocker.tests.lab.pki import LabCA

SYSTEM_PYTHON = "/usr/bin/python3"
SAMBA = "/usr/sbin/samba"
PACKAGES = ("samba", "samba-dsdb-modules", "samba-ad-provision", "winbind", "ldb-tools", "ldap-utils")
KERBEROS_PACKAGES = ("krb5-user",)
HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parents[2]

#: what the modules of each package look like to Samba's own Python
_PROBE = """
import os, sys
missing = []
try:
    import samba, samba.provision, samba.samdb, samba.param
except ImportError:
    missing.append("samba")
else:
    if not os.path.exists(samba.param.setup_dir() + "/provision.ldif"):
        missing.append("samba-ad-provision")
    if not os.path.exists(samba.param.modules_dir() + "/ldb/samldb.so"):
        missing.append("samba-dsdb-modules")
print(" ".join(missing))
"""


class DirectoryError(RuntimeError):
    """The directory cannot be made; the text says what to do."""


def missing_packages(*, kerberos: bool = False) -> list[str]:
    """The Debian packages a lab directory needs and this machine does not have."""
    missing = [] if os.access(SAMBA, os.X_OK) else ["samba"]
    if os.access(SYSTEM_PYTHON, os.X_OK):
        probe = subprocess.run([SYSTEM_PYTHON, "-I", "-c", _PROBE], capture_output=True, text=True, timeout=60, check=False)
        missing += [name for name in probe.stdout.split() if name not in missing]
    else:
        missing.append("python3")
    if kerberos and not shutil.which("kinit"):
        missing += KERBEROS_PACKAGES
    return missing


def install_line(*, kerberos: bool = False) -> str:
    """The exact command that installs everything the directory needs."""
    names = (*PACKAGES, *(KERBEROS_PACKAGES if kerberos else ()))
    return f"apt-get install -y --no-install-recommends {' '.join(names)}"


def cache_folder() -> Path:
    """Where provisioned trees are kept: ``$XDG_CACHE_HOME/keyward-lab``, else ``build/lab-cache`` of the checkout."""
    xdg = os.environ.get("XDG_CACHE_HOME")
    return Path(xdg) / "keyward-lab" if xdg else REPOSITORY / "build" / "lab-cache"


class LabDirectory:
    """A domain controller in ``tree`` on ``address``: ``prepare``, ``seed``, ``start``, ``stop``; a context manager starts and stops.

    Nothing here is shared: two directories with two addresses do not know each other.
    """

    def __init__(
        self, tree: Path, address: str, authority: LabCA, *, realm: str = layout.REALM, kerberos: bool = False, cache: Path | None = None
    ) -> None:
        self.tree = tree.resolve()
        self.address = address
        self.realm = realm
        self.kerberos = kerberos
        self.accounts: Mapping[str, layout.Account] = layout.accounts(realm)
        self._authority = authority
        self._cache = cache or cache_folder()
        self._child: Child | None = None

    @property
    def host_name(self) -> str:
        """The controller's DNS name, which its certificate bears beside the address."""
        return f"{layout.DC_NAME}.{self.realm}"

    @property
    def base_dn(self) -> str:
        """The domain's DN."""
        return layout.base_dn(self.realm)

    @property
    def url(self) -> str:
        """Where it listens with TLS."""
        return f"ldaps://{self.address}:{layout.LDAPS_PORT}"

    @property
    def ca_file(self) -> Path:
        """The lab's authority, PEM."""
        return self.tree / "tls" / "ca.pem"

    @property
    def krb5_conf(self) -> Path:
        """For ``KRB5_CONFIG``, with ``kerberos=True``."""
        return self.tree / "krb5.conf"

    @property
    def log(self) -> Path:
        """What Samba says."""
        return self.tree / "samba.log"

    @property
    def pid(self) -> int | None:
        """The running server's process ID."""
        return self._child.pid if self._child and self._child.running else None

    def prepare(self) -> None:
        """Unpack a provisioned tree (provisioning it first, once a machine) and give it this address and certificate.

        Raises:
            DirectoryError: packages are missing, or provisioning failed.
        """
        missing = missing_packages(kerberos=self.kerberos)
        if missing:
            raise DirectoryError(f"missing: {', '.join(missing)}. Install with: {install_line(kerberos=self.kerberos)}")
        archive = provisioned(self._cache, self.realm)
        self.tree.mkdir(parents=True, exist_ok=True)
        # the system's tar: Python's own wants an argument that Debian 12's 3.11.2 does not know
        unpack = ["tar", "-xzf", str(archive), "--no-same-owner", "-C", str(self.tree)]
        subprocess.run(unpack, capture_output=True, timeout=120, check=True)
        for folder in ("run", "tls", "etc"):
            (self.tree / folder).mkdir(exist_ok=True)
        self._write_tls()
        conf = layout.smb_conf(self.tree, self.address, realm=self.realm, kerberos=self.kerberos)
        (self.tree / "etc" / "smb.conf").write_text(conf, encoding="utf-8")
        self.krb5_conf.write_text(layout.krb5_conf(self.address, self.realm), encoding="utf-8")

    def _write_tls(self) -> None:
        certificate, key = self._authority.issue(dns_names=[self.host_name], addresses=[self.address])
        folder = self.tree / "tls"
        # copy2 keeps the modes: Samba refuses a key that others may read
        shutil.copy2(certificate, folder / "cert.pem")
        shutil.copy2(key, folder / "key.pem")
        shutil.copy2(self._authority.ca_pem, folder / "ca.pem")

    def seed(self, estate: Estate, *, timeout: float = 600.0) -> None:
        """Write the estate's computers and entries into the stopped directory.

        Raises:
            DirectoryError: it runs, or Samba refused an object.
            ValueError: the estate contradicts itself (see make_plan).
        """
        if self.pid is not None:
            raise DirectoryError("seed before starting: the database is written directly")
        document = json.dumps(make_plan(estate).to_json())
        _system_script("seed_script.py", self.tree, document, timeout=timeout)

    def export_keytab(self, path: Path, principals: Sequence[str]) -> None:
        """Write the keys of these services (``HTTP/pc01.lab.example``) into a new keytab; computers need a machine password for that.

        Raises:
            DirectoryError: the directory does not know one of them.
        """
        path.unlink(missing_ok=True)
        document = json.dumps({"keytab": str(path.resolve()), "principals": [f"{name}@{self.realm.upper()}" for name in principals]})
        _system_script("keytab_script.py", self.tree, document, timeout=120.0)
        path.chmod(0o600)

    def start(self, timeout: float = 30.0) -> None:
        """Start and wait until LDAPS (and the KDC) accepts.

        Raises:
            ChildError: it did not come up; the text holds the end of its log.
        """
        command = [SAMBA, "-F", "--no-process-group", "--debug-stdout", "-M", "single", "-s", str(self.tree / "etc" / "smb.conf")]
        self._child = Child("samba", command, self.log)
        try:
            self._child.wait_for_port(self.address, layout.LDAPS_PORT, timeout)
            if self.kerberos:
                self._child.wait_for_port(self.address, layout.KERBEROS_PORT, timeout)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop and wait; harmless when it does not run."""
        if self._child is not None:
            self._child.stop()
            self._child = None

    def __enter__(self) -> LabDirectory:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()


def provisioned(cache: Path, realm: str = layout.REALM) -> Path:
    """The archive of a freshly provisioned domain with its base accounts, made when the cache does not have it (about five seconds).

    Keyed by Samba's version, our settings and our scripts. Several callers may ask at once.
    """
    settings = {
        "version": layout.PROVISIONING_VERSION,
        "realm": realm,
        "domain": layout.domain_name(realm),
        "host": layout.DC_NAME,
        "address": "127.0.0.10",
        "admin_password": layout.PASSWORDS[layout.ADMINISTRATOR],
        "users": {name: password for name, password in layout.PASSWORDS.items() if name != layout.ADMINISTRATOR},
    }
    document = json.dumps(settings, sort_keys=True)
    samba_version = subprocess.run([SAMBA, "--version"], capture_output=True, text=True, timeout=30, check=True).stdout
    script = (HERE / "provision_script.py").read_text(encoding="utf-8")
    key = hashlib.sha256("\0".join((samba_version, document, script)).encode()).hexdigest()[:20]
    archive = cache / f"provisioned-{key}.tar.gz"
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "provisioned.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not archive.exists():
            with tempfile.TemporaryDirectory(prefix="provision-", dir=cache) as folder:
                tree = Path(folder) / "tree"
                tree.mkdir()
                _system_script("provision_script.py", tree, document, timeout=300.0)
                packed = Path(folder) / "tree.tar.gz"
                with tarfile.open(packed, "w:gz", compresslevel=3) as target:
                    for entry in sorted(tree.iterdir()):
                        target.add(entry, arcname=entry.name, filter=_without_sockets)
                packed.replace(archive)
    return archive


def _without_sockets(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
    return member if member.isfile() or member.isdir() or member.issym() or member.islnk() else None


def _system_script(name: str, tree: Path, document: str, *, timeout: float) -> None:
    """Run one of our scripts with the distribution's Python, isolated from this one's paths."""
    done = subprocess.run(
        [SYSTEM_PYTHON, "-I", str(HERE / name), str(tree)], input=document, capture_output=True, text=True, timeout=timeout, check=False
    )
    if done.returncode != 0:
        raise DirectoryError(f"{name} failed with status {done.returncode}:\n{(done.stderr + done.stdout)[-4000:]}")
