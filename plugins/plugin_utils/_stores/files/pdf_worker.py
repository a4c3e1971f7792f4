# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""A process that takes the text out of one PDF: a line of JSON and the PDF on its standard input, one JSON text on its standard output.

It is started as ``python -I`` by :mod:`.pdf` and bounds itself before it reads; what a single stream may unpack to is bounded by pypdf
(its documentation, "Security"). It imports nothing of Ansible.
"""

from __future__ import annotations

import ctypes
import json
import logging
import resource
import sys
from io import BytesIO
from typing import Any

#: bytes of memory for interpreter, library and PDF together
MOST_MEMORY = 768 * 1024 * 1024
#: characters of text in all
MOST_TEXT = 16 * 1024 * 1024
_PR_SET_DUMPABLE = 4


def main() -> None:
    """Read, answer, end."""
    order = json.loads(sys.stdin.buffer.readline(4096))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        # a handler of core dumps that is a pipe gets them whatever the limit says (core(5)), but none of what is not dumpable
        ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
    resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (order["seconds"], order["seconds"]))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    logging.disable(logging.CRITICAL)
    sys.stdout.write(json.dumps(texts(sys.stdin.buffer.read(), int(order["pages"]))))
    sys.stdout.flush()


def texts(content: bytes, most: int) -> dict[str, Any]:
    """``pages``: the texts; ``problem``: why there are none, as a clause."""
    try:
        from pypdf import PdfReader
    except ImportError:
        return {"pages": [], "problem": "pypdf cannot be imported"}
    try:
        reader = PdfReader(BytesIO(content))
        if reader.is_encrypted and not reader.decrypt(""):
            return {"pages": [], "problem": "the PDF is protected with a password"}
        if len(reader.pages) > most:
            return {"pages": [], "problem": f"the PDF has more than {most} pages (max_pages)"}
        found: list[str] = []
        size = 0
        for page in reader.pages:
            found.append(page.extract_text())
            size += len(found[-1])
            if size > MOST_TEXT:
                return {"pages": [], "problem": "the PDF holds more text than any page with keys"}
    except MemoryError:
        return {"pages": [], "problem": "the PDF needs more memory than it may have"}
    except Exception as error:  # noqa: BLE001  # the library lets whatever a damaged PDF causes through; its name says enough
        return {"pages": [], "problem": f"the PDF is damaged or of a kind that pypdf cannot read ({type(error).__name__})"}
    return {"pages": found, "problem": ""}
