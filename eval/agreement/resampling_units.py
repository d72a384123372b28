"""Resampling units of the bootstrap: images of each arm, pairs of images, or patients."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from eval.agreement.ratings.arms import ARMS, Ratings
from eval.agreement.replicates import Resampling, Source
from histosyn.sources.tile_facts import match_facts, read_tile_facts
from hpc.errors import DatasetError, InputError


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


def in_groups(sources: list[Source], ratings: Ratings, groups: Path) -> list[Source]:
    """The same, but drawn by the patients that the CSV `groups` (tile,patient) names.

    A patient is drawn in all arms at once. Raises DatasetError if it leaves out an image.
    """
    images = sorted({image for arm in ratings.arms for image in arm.images})
    facts = match_facts(images, read_tile_facts(groups), groups)
    if left_out := [image for image in images if image not in facts]:
        raise DatasetError(
            f"{groups} says nothing of {len(left_out)} images, for instance {left_out[0]!r}. "
            "Add their lines."
        )
    names = sorted({known.group for known in facts.values()})
    return [
        replace(
            source,
            stream=0,
            group_of_I=np.array([names.index(facts[image].group) for image in arm.images]),
            n_groups=len(names),
        )
        for source, arm in zip(sources, ratings.arms, strict=True)
    ]
