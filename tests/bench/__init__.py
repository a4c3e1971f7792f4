# SPDX-License-Identifier: GPL-3.0-or-later
"""What the collection costs, measured now: ``python -m ansible_collections.keyward.bitlocker.tests.bench --out FILE`` (``make bench``)."""
