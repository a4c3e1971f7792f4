# SPDX-License-Identifier: GPL-3.0-or-later
"""A lab host posts recovery passwords to the lab's Entra tenant, as its own device."""

from __future__ import annotations

import http.client
import json
import ssl
import urllib.parse
from dataclasses import dataclass
from pathlib import Path

from ..entra.registration import device_secret, escrow_path
from ..model import LabHost, LabProtector, LabVolume
from .escrow import S_OK

#: NTE_NO_KEY: the device has no registration to prove itself with
NOT_JOINED = 0x8009000D
#: WININET_E_CANNOT_CONNECT, WININET_E_TIMEOUT, WININET_E_DECODING_FAILED (TLS)
CANNOT_CONNECT, TIMED_OUT, TLS_FAILED = 0x80072EFD, 0x80072EE2, 0x80072F8F
#: HTTP_E_STATUS...: an HTTP status as an HRESULT
HTTP_FACILITY = 0x80190000
_TIMEOUT = 20.0


@dataclass(kw_only=True)
class TenantEscrow:
    """Posts to the tenant at ``url`` (https, without a slash at its end); ``seed`` is the estate's, from which device secrets follow."""

    url: str
    tenant_id: str
    seed: int
    ca_file: Path

    def to_tenant(self, host: LabHost, volume: LabVolume, protector: LabProtector) -> int:
        """Post one password; an HRESULT."""
        if host.entra_device_id is None or (host.entra_tenant_id or "").lower() != self.tenant_id.lower():
            return NOT_JOINED
        body = json.dumps({"keyId": protector.key_id, "key": protector.password, "volumeType": volume.volume_type + 1})
        headers = {"Content-Type": "application/json", "Authorization": f"Device {device_secret(self.seed, host.entra_device_id)}"}
        where = urllib.parse.urlsplit(self.url)
        try:
            context = ssl.create_default_context(cafile=str(self.ca_file))
            connection = http.client.HTTPSConnection(where.hostname or "", where.port or 443, timeout=_TIMEOUT, context=context)
            try:
                connection.request("POST", escrow_path(host.entra_device_id), body=body, headers=headers)
                status = connection.getresponse().status
            finally:
                connection.close()
        except TimeoutError:
            return TIMED_OUT
        except ssl.SSLError:
            return TLS_FAILED
        except (OSError, http.client.HTTPException):
            return CANNOT_CONNECT
        return S_OK if status in (200, 201) else HTTP_FACILITY | status
