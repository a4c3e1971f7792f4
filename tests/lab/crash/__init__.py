# SPDX-License-Identifier: GPL-3.0-or-later
"""Exchanges that go wrong at a chosen place: for runs that are repeated with each of their exchanges killed, lost, refused or lied about.

``fate`` numbers exchanges and decides; ``ports`` is for clients in this process, ``proxies`` for whole runs.
"""
