# SPDX-License-Identifier: GPL-3.0-or-later
"""Made-up secrets of every kind that the Entra store meets, for the positive controls."""

from __future__ import annotations

import base64
import json
import random
import string


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def make_entra_secrets(rng: random.Random) -> dict[str, str]:
    """By kind: a client secret, a token as a JWT in three parts, a device code, an identity endpoint's secret, a part of a private key."""
    letters = string.ascii_letters + string.digits
    claims = {"aud": "https://graph.example", "oid": f"{rng.getrandbits(128):032x}", "roles": ["BitlockerKey.ReadBasic.All"]}
    parts = [json.dumps({"typ": "JWT", "alg": "RS256", "x5t": _encoded(rng.randbytes(20))}).encode(), json.dumps(claims).encode()]
    return {
        "client secret": "aB38Q~" + "".join(rng.choice(letters + "~._") for _unused in range(34)),
        "token": ".".join(_encoded(part) for part in (*parts, rng.randbytes(128))),
        "device code": "".join(rng.choice(letters) for _unused in range(44)),
        "identity header": rng.randbytes(16).hex().upper(),
        "private exponent": base64.b64encode(rng.randbytes(96)).decode(),
    }
