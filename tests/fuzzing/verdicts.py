"""What a reader may do with damage: be right, or say one message and end with 1 or 2."""

from __future__ import annotations

import re

from fuzzing.child import CANARY_CODE, Ended
from fuzzing.sample import Sample

MOST_BYTES_ABOVE = 1 << 30
_MESSAGE = re.compile(r"^histosyn: .*\S", re.MULTILINE)
_TRACEBACK = "Traceback (most recent call last)"


def fault(sample: Sample, ended: Ended, sound: Ended, *, resealed: bool) -> str | None:
    """What is wrong with how a reader took damage; None if nothing is."""
    if ended.code is None:
        return "a hang"
    if ended.code == CANARY_CODE:
        return "a canary: it started a program, unpickled, or wrote elsewhere"
    if _TRACEBACK in ended.log:
        return "a traceback"
    if ended.code not in (0, 1, 2):
        return f"exit code {ended.code}"
    if ended.peak_bytes > sound.peak_bytes + MOST_BYTES_ABOVE:
        return f"{(ended.peak_bytes - sound.peak_bytes) >> 20} MiB more than for the sound file"
    if ended.code:
        messages = len(_MESSAGE.findall(ended.log))
        return None if messages == 1 else f"exit code {ended.code} with {messages} messages"
    told = sample.sealed == "outside" or (sample.sealed == "inside" and not resealed)
    if told and ended.found != sound.found and not _says_more(ended.log, sound.log):
        return "another result without a word"
    return None


def _says_more(log: str, sound: str) -> bool:
    """Whether there are lines that the sound file does not lead to; their times aside."""
    return bool(_lines(log) - _lines(sound))


def _lines(log: str) -> set[str]:
    return {re.sub(r"^\d{4}-\d\d-\d\dT[\d:]+ ", "", line) for line in log.splitlines()}
