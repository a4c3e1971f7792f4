# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's own writer of BitLocker metadata: datums, protectors, key packages, .BEK files and whole small volumes, with real cryptography.

Shares nothing with plugins/. What it writes is judged by cryptsetup, dissect.fve and libbde in the tests. Facts: the BDE format
documentation of libyal/libbde; the order of datums, roles and flags as in the metadata of public test volumes.
"""
