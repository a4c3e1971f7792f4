# SPDX-License-Identifier: GPL-3.0-or-later
"""One computer of the report: an inventory host, a computer object, an Entra device, or several of them joined."""

from __future__ import annotations

from dataclasses import dataclass, field

from ansible_collections.keyward.bitlocker.tests.lab.estate.view import SeenHost
from ansible_collections.keyward.bitlocker.tests.lab.model import LabComputerObject, LabEntraDevice


@dataclass(kw_only=True)
class Identity:
    """Who somebody is, and what lies under names that are its own."""

    host: SeenHost | None
    owner: LabComputerObject | None = None
    by_name: bool = False
    #: live hosts share the owner: nothing below it is anybody's own
    collided: bool = False
    #: objects that each might be the owner while nobody can tell which
    candidates: tuple[str, ...] = ()
    name: str = ""
    #: names of computer objects, the owner included, whose entries are nobody's own and nobody else's here
    undecided: frozenset[str] = field(default_factory=frozenset)
    device: LabEntraDevice | None = None
    device_collided: bool = False
    #: the same of devices
    undecided_devices: frozenset[str] = field(default_factory=frozenset)

    @property
    def owner_known(self) -> bool:
        """Whether it can be said which entries are its own (none, if it has no computer object)."""
        return not self.collided and not self.candidates

    @property
    def owners(self) -> frozenset[str]:
        """The computer objects whose entries are its own."""
        return frozenset({self.owner.name}) if self.owner is not None and self.owner_known else frozenset()

    @property
    def device_known(self) -> bool:
        """Whether it can be said which device is its own."""
        return not self.undecided_devices

    @property
    def devices(self) -> frozenset[str]:
        """The devices whose keys are its own."""
        return frozenset({self.device.device_id}) if self.device is not None and self.device_known else frozenset()
