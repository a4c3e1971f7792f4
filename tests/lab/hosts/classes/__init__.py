# SPDX-License-Identifier: GPL-3.0-or-later
"""The WMI classes that a lab host has."""
