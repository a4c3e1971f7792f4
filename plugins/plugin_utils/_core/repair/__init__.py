# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""Repairing what the report finds: pure decisions over what was just read; one step at a time, each safe by itself."""
