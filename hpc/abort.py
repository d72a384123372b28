"""Ending the process from any thread, with a message and an exit code."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from typing import NoReturn


def abort_process(text: str, *, exit_code: int) -> NoReturn:
    """Write `text` to stderr and end this process at once, without any tidying.

    Whoever reads stderr may be gone, or its disk full: the process ends all the same.
    """
    try:
        with suppress(OSError, ValueError):
            if sys.stderr is not None and text:
                data = text.encode(sys.stderr.encoding, "backslashreplace")
                os.write(sys.stderr.fileno(), data)
    finally:
        os._exit(exit_code)
