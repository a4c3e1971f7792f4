# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""Does an escrowed key open what a machine or a disk holds: the metadata of BitLocker, and one unwrap that tells true from false. Pure."""
