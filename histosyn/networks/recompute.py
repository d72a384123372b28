"""Activations computed again in the backward pass instead of being kept.

Chen et al., "Training deep nets with sublinear memory cost", 2016. What a forward pass does besides
its result (running statistics, power iterations) must happen once: it asks `computed_again`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from typing import Any, cast

import torch
from torch.utils.checkpoint import checkpoint

_AGAIN = ContextVar("computed again", default=False)


def computed_again() -> bool:
    """Whether this forward pass repeats one, for the sake of its gradient."""
    return _AGAIN.get()


def recomputed(function: Callable[..., torch.Tensor], *arguments: Any) -> torch.Tensor:
    """`function(*arguments)`, keeping nothing of it but the arguments until the backward pass.

    The random numbers it may draw are not those of the first time.
    """
    return cast(
        torch.Tensor,
        checkpoint(
            function,
            *arguments,
            use_reentrant=False,
            preserve_rng_state=False,
            context_fn=_first_time_and_again,
        ),
    )


def _first_time_and_again() -> tuple[AbstractContextManager[None], AbstractContextManager[None]]:
    return nullcontext(), _again()


@contextmanager
def _again() -> Iterator[None]:
    token = _AGAIN.set(True)
    try:
        yield
    finally:
        _AGAIN.reset(token)
