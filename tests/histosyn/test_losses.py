from __future__ import annotations

import pytest
import torch

from histosyn.config import LossConfig
from histosyn.losses import (
    Verdict,
    discriminator_hinge,
    feature_matching,
    generator_hinge,
    generator_terms,
)


def verdict() -> Verdict:
    """Two scales; each has one layer of features and the scores."""
    real = [[torch.tensor([1.0, 2.0]), torch.tensor([0.5, 3.0])],
            [torch.tensor([0.0]), torch.tensor([-1.0])]]  # fmt: skip
    synthetic = [[torch.tensor([2.0, 2.0]), torch.tensor([-0.5, -3.0])],
                 [torch.tensor([3.0]), torch.tensor([1.0])]]  # fmt: skip
    return Verdict(real=real, synthetic=synthetic)


def test_discriminator_hinge_by_hand() -> None:
    fine = (0.5 + 0.0) / 2 + (0.5 + 0.0) / 2  # real .5 and 3, synthetic -.5 and -3
    coarse = 2.0 + 2.0  # real -1, synthetic 1
    assert discriminator_hinge(verdict()).item() == pytest.approx((fine + coarse) / 2)


def test_generator_hinge_by_hand() -> None:
    assert generator_hinge(verdict()).item() == pytest.approx((1.75 - 1.0) / 2)


def test_feature_matching_by_hand_and_without_gradient_to_the_real_tiles() -> None:
    case = verdict()
    real, synthetic = case.real[0][0].requires_grad_(), case.synthetic[0][0].requires_grad_()
    loss = feature_matching(case)
    assert loss.item() == pytest.approx((0.5 + 3.0) / 2)
    loss.backward()
    assert real.grad is None
    assert synthetic.grad is not None


def test_terms_of_weight_zero_are_left_out() -> None:
    terms = generator_terms(LossConfig(feature_matching=0.0, adversarial=2.0))
    assert [(term.name, term.weight) for term in terms] == [("adversarial", 2.0)]
