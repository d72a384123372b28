from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from histosyn.training.losses import (
    DiscriminatorOutputs,
    LossTerm,
    discriminator_hinge,
    discriminator_least_squares,
    feature_matching,
    generator_hinge,
    generator_least_squares,
    gradient_penalty,
    patch_accuracy,
    patch_realness,
)


def outputs() -> DiscriminatorOutputs:
    """Two scales; each has one layer of features and the scores."""
    real = [[torch.tensor([1.0, 2.0]), torch.tensor([0.5, 3.0])],
            [torch.tensor([0.0]), torch.tensor([-1.0])]]  # fmt: skip
    synthetic = [[torch.tensor([2.0, 2.0]), torch.tensor([-0.5, -3.0])],
                 [torch.tensor([3.0]), torch.tensor([1.0])]]  # fmt: skip
    tiles = torch.zeros(1, 3, 2, 2)
    return DiscriminatorOutputs(
        labels_NHW=torch.zeros(1, 2, 2, dtype=torch.long),
        tiles_NCHW=tiles,
        synthetic_NCHW=tiles,
        real=real,
        synthetic=synthetic,
    )


def test_discriminator_hinge_by_hand() -> None:
    fine = (0.5 + 0.0) / 2 + (0.5 + 0.0) / 2  # real .5 and 3, synthetic -.5 and -3
    coarse = 2.0 + 2.0  # real -1, synthetic 1
    assert discriminator_hinge(outputs()).item() == pytest.approx((fine + coarse) / 2)


def test_generator_hinge_by_hand() -> None:
    assert generator_hinge(outputs()).item() == pytest.approx((1.75 - 1.0) / 2)


def test_least_squares_by_hand() -> None:
    fine = (0.25 + 4) / 2 + (0.25 + 9) / 2
    coarse = 4 + 1
    assert discriminator_least_squares(outputs()).item() == pytest.approx((fine + coarse) / 2 / 2)
    assert generator_least_squares(outputs()).item() == pytest.approx(
        ((2.25 + 16) / 2 + 0.0) / 2 / 2
    )


def test_feature_matching_by_hand_and_without_gradient_to_the_real_tiles() -> None:
    case = outputs()
    real, synthetic = case.real[0][0].requires_grad_(), case.synthetic[0][0].requires_grad_()
    loss = feature_matching(case)
    assert loss.item() == pytest.approx((0.5 + 3.0) / 2)
    loss.backward()
    assert real.grad is None
    assert synthetic.grad is not None


def test_accuracy_counts_scores_on_the_right_side() -> None:
    # Scores of real tiles .5, 3 | -1 and of synthetic ones -.5, -3 | 1.
    assert patch_accuracy(0.0)(outputs()).item() == pytest.approx((1.0 + 0.0) / 2)
    assert patch_accuracy(0.5)(outputs()).item() == pytest.approx((0.75 + 0.0) / 2)


def test_gradient_penalty_is_that_of_the_formula_and_has_a_gradient() -> None:
    """Of 24 scores a·x², two for each of a tile's 12 numbers x."""
    tiles = torch.arange(24.0, dtype=torch.float64).reshape(2, 3, 2, 2).requires_grad_()
    a = torch.tensor(0.3, dtype=torch.float64, requires_grad=True)
    scores = a * tiles.square()
    case = replace(outputs(), tiles_NCHW=tiles, real=[[scores], [scores]])
    penalty = gradient_penalty(patch_realness)(case)
    expected = (2 * 2 * 0.3 * tiles / 24**0.5).square().sum() / 2 / 2
    assert penalty.item() == pytest.approx(expected.item())
    (to_a,) = torch.autograd.grad(penalty, a)
    assert to_a.item() == pytest.approx(2 * expected.item() / 0.3)


def test_a_term_is_due_at_the_steps_its_interval_divides() -> None:
    term = LossTerm(name="x", weight=1.0, compute=generator_hinge, interval=4)
    assert [step for step in range(9) if term.due(step)] == [0, 4, 8]
