"""Size limits for untrusted files that the user may raise by environment variables."""

from __future__ import annotations

import os

from hpc.errors import ConfigError


def raised_limit(variable: str, default: int, unit: str) -> int:
    """What `variable` says, else `default`; ConfigError if it is no such number."""
    text = os.environ.get(variable, "")
    if not text:
        return default
    if not text.isascii() or not text.isdigit() or not 0 < int(text[:19]) < 1 << 40:
        raise ConfigError(f"{variable} is {text!r}, not a number of {unit} such as 500000000.")
    return int(text)
