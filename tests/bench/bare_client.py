# SPDX-License-Identifier: GPL-3.0-or-later
"""The least that reads a tenant's lists with requests: a token, pages, ``json.loads``, nothing kept but the rows.

``python bare_client.py``; the question (see tenant.py) comes as JSON on standard input, the answer goes as JSON to standard output. No code
of the collection takes part.
"""

from __future__ import annotations

import json
import sys
import time

import requests

DEVICE = "id,deviceId,displayName,operatingSystem,trustType,accountEnabled,approximateLastSignInDateTime,registrationDateTime"
LISTS = (
    f"devices?$select={DEVICE}&$top=999",
    "informationProtection/bitlocker/recoveryKeys?$select=id,createdDateTime,deviceId,volumeType",
)


def main() -> int:
    """Ask, read, answer."""
    asked = json.load(sys.stdin)
    wall, cpu = time.monotonic(), time.process_time()
    session = requests.Session()
    session.trust_env = False
    session.verify = asked["ca_cert"]
    form = {"grant_type": "client_credentials", "client_id": asked["client_id"], "client_secret": asked["secret"]}
    form["scope"] = f"{asked['graph_url']}/.default"
    answer = session.post(f"{asked['authority']}/{asked['tenant']}/oauth2/v2.0/token", data=form, timeout=60)
    session.headers["Authorization"] = "Bearer " + json.loads(answer.content)["access_token"]
    session.headers.update({"User-Agent": "bare/1", "ocp-client-name": "bare", "ocp-client-version": "1"})
    found = []
    for path in LISTS:
        rows = []
        url = f"{asked['graph_url']}/v1.0/{path}"
        while url:
            body = json.loads(session.get(url, timeout=60).content)
            rows += body["value"]
            url = body.get("@odata.nextLink")
        found.append(rows)
    said = {"wall": time.monotonic() - wall, "cpu": time.process_time() - cpu, "devices": len(found[0]), "keys": len(found[1])}
    json.dump(said, sys.stdout)
    return 0


if __name__ == "__main__":
    sys.exit(main())
