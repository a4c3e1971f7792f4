# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's Active Directory: a real Samba domain controller, a scripted LDAP peer for what Samba cannot show, and a recording proxy.

``plan`` turns an Estate into objects (pure); ``seed_script`` and ``provision_script`` run under the distribution's own Python, the only
one that has Samba's modules; ``domain_controller`` provisions, caches, seeds, starts and stops.
"""

from __future__ import annotations
