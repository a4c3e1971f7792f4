# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options of everything that reads Entra ID, once: at the top of a module, or under its option ``entra``.

Their counterpart in code is ``plugin_utils/_stores/entra/settings.py``.
"""

from __future__ import annotations

from textwrap import indent


class ModuleDocFragment:
    """The same options twice: equal by construction."""

    DOCUMENTATION = r"""
options:
  auth_method:
    description:
      - How to authenticate. Nothing is tried in turn.
      - V(client_secret) needs C(tenant), C(client_id) and C(secret).
      - V(certificate) needs C(tenant), C(client_id) and C(x509_certificate_path).
      - V(federated_token) needs C(tenant), C(client_id) and C(federated_token_file), and no secret at all.
        A CI job or a Kubernetes pod has such a token.
      - V(managed_identity) uses the identity of the Azure machine or container that Ansible runs on.
      - V(device_code) lets a person sign in in a browser, and waits for that up to 15 minutes. It needs C(tenant) and C(client_id).
        What that person may not read looks as if it were not there, so such a reading is never complete.
    type: str
    required: true
    choices: [client_secret, certificate, federated_token, managed_identity, device_code]
  tenant:
    description:
      - The tenant, by its ID or one of its domains.
      - If the value is not specified, the value of the environment variable E(AZURE_TENANT) is used.
    type: str
  client_id:
    description:
      - The application (client) ID of the app registration.
      - With V(managed_identity) that of a user-assigned identity. Without it the identity that the system assigned is used.
      - If the value is not specified, the value of the environment variable E(AZURE_CLIENT_ID) is used.
    type: str
  secret:
    description:
      - The value of the app registration's client secret.
      - If the value is not specified, the value of the environment variable E(AZURE_SECRET) is used.
    type: str
  x509_certificate_path:
    description:
      - The file with the certificate and its private RSA key. Either PEM, one appended to the other, or PFX.
      - If the value is not specified, the value of the environment variable E(AZURE_X509_CERTIFICATE_PATH) is used.
    type: path
  thumbprint:
    description:
      - The certificate's SHA-1 thumbprint. Needed where the file holds the key alone.
      - If the value is not specified, the value of the environment variable E(AZURE_THUMBPRINT) is used.
    type: str
  certificate_password:
    description:
      - The password of the PFX file or of the PEM file's key.
      - If the value is not specified, the value of the environment variable E(AZURE_CLIENT_CERTIFICATE_PASSWORD) is used.
    type: str
  federated_token_file:
    description:
      - The file with the token of the federated credential. It is read anew each time, as its owner replaces it.
      - If the value is not specified, the value of the environment variable E(AZURE_FEDERATED_TOKEN_FILE) is used.
    type: path
  cloud_environment:
    description:
      - The cloud that the tenant is in. V(AzureCloud) is the worldwide one and the default.
        V(AzureUSGovernment) is GCC High. V(AzureChinaCloud) is operated by 21Vianet.
      - If the value is not specified, the value of the environment variable E(AZURE_CLOUD_ENVIRONMENT) is used.
    type: str
    choices: [AzureCloud, AzureUSGovernment, AzureUSGovernmentDoD, AzureChinaCloud]
  authority:
    description:
      - The address of the token service without the tenant, where it is not the cloud's. A simulator has one.
      - No credential is sent to any other host.
    type: str
  graph_url:
    description:
      - The address of Microsoft Graph without a version, where it is not the cloud's. A simulator has one.
      - No token is sent to any other host.
    type: str
  ca_cert:
    description:
      - The authority that the certificates of Graph and the token service come from. Either PEM text, or the path of a PEM or DER file.
        With it no other authority is trusted.
      - The default is the set of authorities that comes with the Python package requests.
      - Certificates are always verified. No environment variable changes that, nor which authorities are trusted.
    type: str
  proxy:
    description:
      - The HTTP proxy to use, like V(http://proxy.corp.example:3128), or V(none) for no proxy.
      - The default is what the environment variables C(HTTPS_PROXY) and C(NO_PROXY) say. A proxy that wants a password
        can be named only there.
      - A managed identity is never asked for through a proxy.
    type: str
  connection_timeout:
    description: Seconds to wait for each server to accept the connection and TLS.
    type: int
    default: 10
  timeout:
    description: Seconds to wait for each answer.
    type: int
    default: 60
  throttle_wait:
    description:
      - Seconds to wait in all, in one task, when the service asks for patience. It says how long each time.
      - When they are used up, what has been read so far counts, and the rest is unknown.
    type: int
    default: 300
  trust_types:
    description:
      - The devices that are accounted for even if the inventory does not know them, by how they are known to Entra ID.
      - V(AzureAd) are joined, V(ServerAd) are hybrid joined, V(Workplace) are personal devices that are registered.
    type: list
    elements: str
    choices: [AzureAd, ServerAd, Workplace]
    default: [AzureAd, ServerAd]
  max_idle_days:
    description:
      - Devices that were not seen for longer than this many days are not accounted for, unless the inventory knows them.
      - Entra ID notes activity with a delay of up to 14 days. A device that was never seen is judged by its registration.
      - V(0) means no limit.
    type: int
    default: 90
  intune:
    description:
      - Whether to ask Intune too whether it takes each device for encrypted, and when it last heard of it.
      - That is weak evidence for devices that could not be observed. It says nothing about keys, and no verdict rests on it.
      - Needs the permission C(DeviceManagementManagedDevices.Read.All). Without it, or without a licence for Intune, a warning is given
        and everything else goes on.
    type: bool
    default: false
requirements:
  - msal 1.31 or newer
  - requests
  - cryptography, for certificates
"""

    # under the option "entra", which the module describes; set below, as sanity tests read only literal texts here
    SUBOPTIONS: str


def _under_entra(documentation: str) -> str:
    options, mark, requirements = documentation.strip().partition("\nrequirements:\n")
    return f"options:\n  entra:\n    suboptions:\n{indent(options.removeprefix('options:').lstrip(chr(10)), '    ')}{mark}{requirements}\n"


ModuleDocFragment.SUBOPTIONS = _under_entra(ModuleDocFragment.DOCUMENTATION)
