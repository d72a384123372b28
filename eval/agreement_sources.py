"""What the images of each arm are drawn from: the arm by itself, or both arms in pairs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from eval.agreement_replicates import Resampling
from eval.rating_sample import Floats, Ints
from eval.ratings import ARMS, Ratings
from hpc.errors import InputError


@dataclass(frozen=True, kw_only=True)
class Source:
    """What an arm's images are drawn from: all columns (I, C), of which its raters come later.

    Arms with equal `stream` and `codes_IC` share their draws.
    """

    codes_IC: Ints
    first_column: int
    stream: int
    rater_times_BC: Floats | None


def sources_of(ratings: Ratings, resampling: Resampling) -> list[Source]:
    """Each arm by itself."""
    return [
        Source(
            codes_IC=arm.codes_IR,
            first_column=0,
            stream=0 if arm.name is None else 1 + ARMS.index(arm.name),
            rater_times_BC=resampling.rater_times(arm.raters),
        )
        for arm in ratings.arms
    ]


def joint_sources(ratings: Ratings, resampling: Resampling) -> list[Source]:
    """Both arms side by side, so that a draw takes an image with its partner.

    Raises InputError without two arms, or if an image has no partner of its name.
    """
    if len(ratings.arms) != 2:
        raise InputError("paired arms need a column arm with real and synthetic images.")
    real, synthetic = ratings.arms
    if alone := sorted(set(real.images) ^ set(synthetic.images)):
        raise InputError(
            f"paired arms: {len(alone)} images are rated in one arm only, for instance "
            f"{alone[0]!r}. Give partners the same name, or take the arms for independent."
        )
    return [
        Source(
            codes_IC=np.concatenate([real.codes_IR, synthetic.codes_IR], axis=1),
            first_column=first_column,
            stream=0,
            rater_times_BC=resampling.rater_times((*real.raters, *synthetic.raters)),
        )
        for first_column in (0, len(real.raters))
    ]
