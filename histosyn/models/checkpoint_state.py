"""Loading the state in a training's checkpoint, with a check that all of its parts are there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from hpc import checkpoint
from hpc.records import Count, Records


@dataclass(frozen=True, kw_only=True)
class _Trainer:
    """Where training stands; what its networks hold is for them to judge."""

    step: Count


@dataclass(frozen=True, kw_only=True)
class _State:
    trainer: _Trainer
    config: dict[str, Any]
    model: dict[str, Any]


_STATES = Records(
    kind=_State, remedy="It has its checksums, but training did not write it: remove it."
)


def load_state(folder: Path, device: torch.device | str = "cpu") -> dict[str, Any]:
    """The content of a checkpoint. DamagedFileError if a file or a part of it is not as written."""
    state = checkpoint.load(folder, device)
    _STATES.checked(state, str(folder))
    return state


@contextmanager
def taking_over(folder: Path) -> Iterator[None]:
    """DamagedFileError if the block misses a part of the checkpoint's state, or finds another."""
    try:
        yield
    except (LookupError, TypeError, AttributeError, ValueError) as error:
        raise _STATES.damaged(str(folder), f"its state has other parts: {error!r}") from error
    except RuntimeError as error:
        if "loading state_dict" not in str(error):
            raise
        raise _STATES.damaged(str(folder), str(error).replace("\n\t", " ")) from error
