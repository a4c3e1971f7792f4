# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that people keep keys in, made up: what Windows saves, what scripts write, printouts, exports, an account's page, a USB drive."""
