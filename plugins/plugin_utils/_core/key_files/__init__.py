# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""Recovery passwords and external keys in files that people keep, recognised by their content and never by a language; pure."""
