"""Limits that the user may raise."""

import pytest

from hpc.errors import ConfigError
from hpc.limits import raised_limit


def test_the_variable_or_the_default(monkeypatch):
    assert raised_limit("HISTOSYN_TRIED", 5, "bytes") == 5
    monkeypatch.setenv("HISTOSYN_TRIED", "7000")
    assert raised_limit("HISTOSYN_TRIED", 5, "bytes") == 7000


@pytest.mark.parametrize("text", ["0", "-1", "1e9", "x", "٣", str(1 << 40), "9" * 5000])
def test_what_is_no_number_is_told(monkeypatch, text):
    monkeypatch.setenv("HISTOSYN_TRIED", text)
    with pytest.raises(ConfigError, match="HISTOSYN_TRIED is .*, not a number of bytes such as"):
        raised_limit("HISTOSYN_TRIED", 5, "bytes")
