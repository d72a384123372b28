"""torchrun's error files, from which it reports at the end why each process failed."""

from __future__ import annotations

import json
import os
import time
from contextlib import suppress
from pathlib import Path

_NAME = "TORCHELASTIC_ERROR_FILE"


def leave_for_torchrun(message: str) -> None:
    """Write the sentence with which this process ends where torchrun looks for it, if it does.

    Otherwise torchrun's own table, which comes after our message, ends with a web address.
    """
    path = os.environ.get(_NAME)
    if not path:
        return
    more = {"py_callstack": message, "timestamp": str(int(time.time()))}
    content = {"message": {"message": message, "extraInfo": more}}
    with suppress(OSError):
        Path(path).write_text(json.dumps(content), encoding="utf-8")
