# SPDX-License-Identifier: GPL-3.0-or-later
"""Stand-in for get-pip: installs pip from the wheel that comes with Python (ensurepip), then whatever is asked for."""

from __future__ import annotations

import ensurepip
import sys
from pathlib import Path


def main() -> int:
    """Put the bundled pip first on the path and let it install."""
    wheel = next((Path(ensurepip.__file__).parent / "_bundled").glob("pip-*.whl"))
    sys.path.insert(0, str(wheel))
    from pip._internal.cli.main import main as pip

    arguments = [argument for argument in sys.argv[1:] if argument not in ("--no-setuptools", "--no-wheel")]
    return pip(["install", *(arguments or ["pip"])])


if __name__ == "__main__":
    sys.exit(main())
