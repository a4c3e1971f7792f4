# SPDX-License-Identifier: GPL-3.0-or-later
"""The seeded estate generator, the truth about an estate, what a run reads of it, and the comparison of a report with the truth.

``generate`` makes an Estate (tests/lab/model.py) from the conditions of conditions.py; ``truth`` says what a correct report says of it.
"""

from __future__ import annotations
