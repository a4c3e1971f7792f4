# SPDX-License-Identifier: GPL-3.0-or-later
"""Action of keyward.bitlocker.key_proof: a key and what it should open in, proven or not out."""

from __future__ import annotations

from typing import Any, ClassVar

from ..plugin_utils._ansible import image_proof
from ..plugin_utils._ansible.base import KeywardAction
from ..plugin_utils._ansible.image_proof import KeyProof, Material
from ..plugin_utils._ansible.options import Rules
from ..plugin_utils._core import recovery_password

_MATERIAL = ("image", "package_files")
_KEYS = ("recovery_password", "bek_file")


class ActionModule(KeywardAction):
    """Prove one key, on the controller."""

    rules: ClassVar[Rules] = {"": {"mutually_exclusive": [_MATERIAL, _KEYS, ("bek_file", "key_id")], "required_one_of": [_MATERIAL, _KEYS]}}

    def run_action(self, params: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        """Read, prove, and say what that came to."""
        self.require("cryptography")
        material = (
            image_proof.read_image(params["image"], params["offset"])
            if params["image"]
            else image_proof.read_packages(params["package_files"] or [])
        )
        if params["bek_file"]:
            proof = image_proof.prove_bek(image_proof.read_external_key(params["bek_file"]), material)
        else:
            password = recovery_password.parse(params["recovery_password"])
            wanted = image_proof.chosen(material, params["key_id"]) if params["key_id"] else None
            proof = image_proof.prove_password(password, material, wanted)
        return _result(material, proof)


def _result(material: Material, proof: KeyProof) -> dict[str, Any]:
    facts = dict(material.facts)
    volume_guid = facts.pop("volume_guid", None)
    return {
        "changed": False,
        "outcome": proof.outcome.value,
        "reason": proof.reason,
        "basis": material.basis,
        "key_id": proof.key_id,
        "volume_guid": volume_guid,
        "proofs": [{"key_id": key_id, "outcome": one.outcome.value, "reason": one.reason} for key_id, one in proof.tried],
        "protectors": [{"key_id": item.key_id, "type": item.type} for item in material.protectors],
        "metadata": {**facts, "authenticated": proof.authenticated} if facts else None,
    }
