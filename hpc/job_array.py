"""Part i of n: how the tasks of a job array split work without communicating."""

from __future__ import annotations

import re
from dataclasses import dataclass

from hpc.errors import InputError

_FORM = re.compile(r"([0-9]+)/([0-9]+)")


@dataclass(frozen=True, kw_only=True)
class Part:
    """Part `number` of `count`, counted from 1 as job arrays and people do."""

    number: int
    count: int

    def __post_init__(self) -> None:
        if not 1 <= self.number <= self.count:
            raise InputError(
                f"There is no part {self.number} of {self.count}. Parts are 1/{self.count} to "
                f"{self.count}/{self.count}."
            )

    def __str__(self) -> str:
        return f"{self.number}/{self.count}"

    def share(self, total: int) -> range:
        """This part of `total` items: neighbours, and as many as in any other part or one more.

        The parts 1/n to n/n cover all items, in order and without overlap.
        """
        bounds = (total * at // self.count for at in (self.number - 1, self.number))
        return range(*bounds)


WHOLE = Part(number=1, count=1)


def parse_part(text: str) -> Part:
    """Read "3/16". Raises InputError for anything that is no part."""
    match = _FORM.fullmatch(text)
    if match is None:
        raise InputError(f"{text!r} is no part. Write 3/16 for the third of sixteen.")
    return Part(number=int(match[1]), count=int(match[2]))
