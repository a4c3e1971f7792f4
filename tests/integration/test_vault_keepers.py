# SPDX-License-Identifier: GPL-3.0-or-later
"""The guide's plays for HashiCorp Vault and Azure Key Vault, played as they stand, with stand-ins for the modules of those collections.

The stand-ins take the options that the collections document and no others, and keep what they are given in a file. Of the guide's plays
only addresses, paths, keys and the source of the keys are replaced.
"""

from __future__ import annotations

import json
import os
import re
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.keyward.bitlocker.tests.integration.playing import ROOT, Player, Run

GUIDE = ROOT / "docs" / "docsite" / "rst" / "second_copy.rst"
KEY_ID = "4a6b8c0d-1111-4222-8333-444444444444"
OTHER_ID = "5a6b8c0d-1111-4222-8333-444444444444"
PASSWORD = "-".join(f"{number * 11:06d}" for number in (1001, 2002, 3003, 4004, 5005, 6006, 7007, 8008))
OTHER = "-".join(f"{number * 11:06d}" for number in (1002, 2002, 3003, 4004, 5005, 6006, 7007, 8008))

#: by module: the options that its collection documents (community.hashi_vault, azure.azcollection) and these plays use, and what it does
STAND_INS = {
    "community.hashi_vault.vault_kv2_write": (
        {
            "url": {"type": "str"},
            "engine_mount_point": {"type": "str", "default": "secret"},
            "path": {"type": "str", "required": True},
            "data": {"type": "dict", "required": True, "no_log": True},
            "cas": {"type": "int"},
            "read_before_write": {"type": "bool", "default": False},
        },
        """
place = p["engine_mount_point"] + "/" + p["path"]
changed = not p["read_before_write"] or kept.get(place) != p["data"]
kept[place] = p["data"]
result = {"changed": changed}
""",
    ),
    "community.hashi_vault.vault_kv2_get": (
        {
            "url": {"type": "str"},
            "engine_mount_point": {"type": "str", "default": "secret"},
            "path": {"type": "str", "required": True},
            "version": {"type": "int"},
        },
        """
result = {"secret": kept[p["engine_mount_point"] + "/" + p["path"]]}
""",
    ),
    "community.hashi_vault.vault_list": (
        {"url": {"type": "str"}, "path": {"type": "str", "required": True}},
        """
below = p["path"].replace("/metadata/", "/") + "/"
result = {"data": {"data": {"keys": sorted(place[len(below):] for place in kept if place.startswith(below))}}}
""",
    ),
    "azure.azcollection.azure_rm_keyvaultsecret": (
        {
            "keyvault_uri": {"type": "str", "required": True, "no_log": True},
            "secret_name": {"type": "str", "required": True},
            "secret_value": {"type": "str", "no_log": True},
            "content_type": {"type": "str"},
        },
        """
import re
if not re.fullmatch("[0-9a-zA-Z-]{1,127}", p["secret_name"]) or len(p["secret_value"]) > 25600:
    module.fail_json(msg="Azure would refuse this")
result = {"changed": kept.get(p["secret_name"]) != p["secret_value"]}
kept[p["secret_name"]] = p["secret_value"]
""",
    ),
    "azure.azcollection.azure_rm_keyvaultsecret_info": (
        {"vault_uri": {"type": "str", "required": True}, "name": {"type": "str"}, "version": {"type": "str", "default": "current"}},
        """
result = {"secrets": [{"secret": kept[p["name"]]}]}
""",
    ),
}
MODULE = """
import json
from ansible.module_utils.basic import AnsibleModule
module = AnsibleModule({spec!r})
p = module.params
with open({file!r}) as file:
    kept = json.load(file)
{body}
with open({file!r}, "w") as file:
    json.dump(kept, file)
module.exit_json(**result)
"""


def guide_plays() -> list[dict[str, Any]]:
    """The guide's plays that use another collection."""
    text = GUIDE.read_text(encoding="utf-8").partition("docsite.second_copy.keepers:")[2]
    found = re.findall(r"\.\. code-block:: yaml\n\n((?:   .*\n|\n)+)", text)
    return [play for block in found for play in yaml.safe_load(block)]


class Keeper:
    """A folder with stand-ins, a file with two keys to copy, and a pair of age's."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.file = folder / "kept.json"
        self.file.write_text("{}")
        for name, (spec, body) in STAND_INS.items():
            namespace, collection, module = name.split(".")
            path = folder / "collections" / "ansible_collections" / namespace / collection / "plugins" / "modules" / f"{module}.py"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(MODULE.format(spec=spec, file=str(self.file), body=body))
        pyrage = pytest.importorskip("pyrage", reason="needs pyrage, which requirements-dev.txt names")
        identity = pyrage.x25519.Identity.generate()
        self.public = str(identity.to_public())
        (folder / "keyward.key").write_text(str(identity))
        (folder / "saved").mkdir()
        (folder / "restored").mkdir()
        for key_id, password in ((KEY_ID, PASSWORD), (OTHER_ID, OTHER)):
            saved = f"BitLocker Drive Encryption recovery key\n\nIdentifier:\n\n\t{key_id.upper()}\n\nRecovery Key:\n\n\t{password}\n"
            (folder / "saved" / f"{key_id}.txt").write_text(saved, encoding="utf-16")

    def play(self, *plays: dict[str, Any]) -> Run:
        player = Player(self.folder)
        player.environment["ANSIBLE_COLLECTIONS_PATH"] = f"{os.environ['ANSIBLE_COLLECTIONS_PATH']}:{self.folder / 'collections'}"
        here = {"localhost": {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}}
        return player.play([self._here(play) for play in plays], hosts=player.write("hosts.yml", {"all": {"hosts": here}})).no_traceback()

    def _here(self, play: dict[str, Any]) -> dict[str, Any]:
        text = json.dumps(play)
        for old, new in {
            "/srv/keyward": str(self.folder),
            "/media/safe": str(self.folder),
            "/var/log/keyward": str(self.folder),
            "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p": self.public,
        }.items():
            text = text.replace(old, new)
        moved: dict[str, Any] = json.loads(text)
        for step in moved["tasks"]:
            if (copying := step.get("keyward.bitlocker.vault_copy")) is not None:
                del copying["ad"]
                copying |= {"file": {"paths": [str(self.folder / "saved")]}, "terms": [KEY_ID, OTHER_ID]}
        if any("recovery_key_info" in name for step in moved["tasks"] for name in step):
            keep = {"content": "{{ found['keys'] | to_json }}", "dest": str(self.folder / "found.json"), "mode": "0600"}
            moved["tasks"].append({"name": "keep", "ansible.builtin.copy": keep, "no_log": True})
        return moved


@pytest.mark.parametrize(("name", "write", "read"), [("HashiCorp Vault", 0, 1), ("Azure Key Vault", 2, 3)])
def test_only_ciphertext_travels_and_the_key_comes_back(tmp_path: Path, name: str, write: int, read: int) -> None:
    plays = guide_plays()
    assert name in plays[write]["name"]
    assert name in plays[read]["name"]
    keeper = Keeper(tmp_path)
    run = keeper.play(plays[write])
    assert run.code == 0, run.output
    kept = keeper.file.read_text()
    assert kept.count("BEGIN AGE ENCRYPTED FILE") == 2
    again = keeper.play(plays[write])
    assert again.code == 0, again.output
    assert not any(event["result"].get("changed") for event in again.events("Hand on"))
    assert keeper.file.read_text() == kept
    back = keeper.play(plays[read])
    assert back.code == 0, back.output
    (row,) = json.loads((tmp_path / "found.json").read_text())
    assert (row["key_id"], row["recovery_password"]) == (KEY_ID, PASSWORD)
    everything = kept + run.output + again.output + back.output + json.dumps([run.record, again.record, back.record])
    assert [value for value in (PASSWORD, OTHER) if value in everything or value.replace("-", "") in everything] == []


def test_every_module_of_the_guide_has_a_stand_in() -> None:
    used = {name for play in guide_plays() for step in play["tasks"] for name in step if name.count(".") == 2}
    ours = {name for name in used if name.startswith(("keyward.bitlocker.", "ansible.builtin."))}
    assert used - ours == set(STAND_INS)
