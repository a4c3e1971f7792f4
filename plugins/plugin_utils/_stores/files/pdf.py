# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""The text of a PDF, page by page, taken out by pypdf in a process of its own.

A PDF is a program that somebody else wrote, and its streams may unpack to any size. So the work is done by a process with a bound on its
memory, its CPU time and its clock, which has neither the environment nor the secrets of this one; the PDF goes in by its standard input and
the text comes back by its standard output, and nothing is written.
"""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

from ..._core.redaction import Secret

_PACKAGE = __name__.rpartition(".")[0]
#: the folder that holds ``ansible_collections``
_TREE = Path(__file__).parents[len(_PACKAGE.split("."))]
_PROGRAM = f"import sys; sys.path[:] = sys.argv[1:]; from {_PACKAGE} import pdf_worker; pdf_worker.main()"
MOST_SECONDS = 20.0
MISSING = "it is a PDF, and the Python library pypdf, which reads them, is not installed on the controller"


class PdfError(Exception):
    """A PDF could not be read; the text says why, as a clause."""


def pdf_texts(content: Secret[bytes], *, pages: int, seconds: float) -> list[str]:
    """The text of each page.

    Raises:
        PdfError: pypdf is missing, the PDF is damaged, encrypted, or takes more time, memory or pages than it may.
    """
    if find_spec("pypdf") is None:
        raise PdfError(MISSING)
    limit = max(min(seconds, MOST_SECONDS), 1.0)
    command = [sys.executable, "-I", "-c", _PROGRAM, str(_TREE), *(path for path in sys.path if path)]
    order = json.dumps({"pages": pages, "seconds": int(limit) + 1}).encode("ascii") + b"\n"
    try:
        done = subprocess.run(
            command,
            input=order + content.reveal(),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={},
            cwd="/",
            timeout=limit,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise PdfError(f"its text could not be taken out within {limit:.0f} seconds") from None
    except OSError as error:
        raise PdfError(f"the process that reads PDFs did not start ({error.strerror})") from None
    return _answer(done.stdout)


def _answer(output: bytes) -> list[str]:
    try:
        answer = json.loads(output)
        problem, texts = str(answer["problem"]), [str(text) for text in answer["pages"]]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise PdfError(
            "the process that reads PDFs ended without an answer; the PDF may need more memory or time than it may have"
        ) from None
    if problem:
        raise PdfError(problem)
    return texts
