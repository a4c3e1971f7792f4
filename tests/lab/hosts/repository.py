# SPDX-License-Identifier: GPL-3.0-or-later
"""The WMI repository of one lab host: namespaces and the classes in them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime

from ..model import LabHost
from .cim import WmiClass
from .classes import volume_schema
from .classes.files import file_classes
from .classes.identity import cluster_class, identity_classes, tpm_class
from .classes.registry import Registry
from .classes.volume import VolumeProvider
from .escrow import Escrow
from .profiles import Profile, WireForm

BITLOCKER = volume_schema.NAMESPACE.lower()


class Repository:
    """Namespaces by their lower-case path, classes by their lower-case name: WMI compares both without case."""

    def __init__(
        self,
        host: LabHost,
        profile: Profile,
        form: WireForm,
        now: datetime,
        escrow: Escrow | None = None,
        changed: Callable[[], None] = lambda: None,
    ) -> None:
        registry = Registry(host, form, changed).wmi_class()
        cimv2 = [*identity_classes(host, profile, now), *file_classes(host, now)]
        if profile.registry_in_cimv2:
            cimv2.append(registry)
        #: None where BitLocker is not installed
        self.volumes: VolumeProvider | None = None
        self._namespaces = {
            "root": _by_name([]),
            "root/cimv2": _by_name(cimv2),
            "root/default": _by_name([registry]),
            "root/cimv2/security": _by_name([]),
            "root/cimv2/security/microsofttpm": _by_name([tpm_class(host, profile)]),
        }
        if host.bitlocker_installed:
            self.volumes = VolumeProvider(host, profile, form, escrow, changed)
            self._namespaces[BITLOCKER] = _by_name([self.volumes.wmi_class()])
        if host.cluster_name:
            self._namespaces["root/mscluster"] = _by_name([cluster_class(host)])

    def namespace(self, path: str) -> dict[str, WmiClass] | None:
        """The classes of a namespace by lower-case name; None where the namespace does not exist."""
        return self._namespaces.get(path.lower())


def _by_name(classes: Iterable[WmiClass]) -> dict[str, WmiClass]:
    return {item.name.lower(): item for item in classes}
