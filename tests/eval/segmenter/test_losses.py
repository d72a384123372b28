"""Losses against their definitions, ignored pixels, the same gradients on any number of ranks."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from ranks import run_ranks
from torch.nn import functional

from eval.segmenter.losses import cross_entropy, dice_loss
from hpc import collectives

CLASSES = 3


def inputs(seed, tiles=2, ignored=0.3):
    random = np.random.default_rng(seed)
    labels = random.integers(0, CLASSES, (tiles, 4, 5))
    labels[random.random(labels.shape) < ignored] = 255
    logits = random.normal(size=(tiles, CLASSES, 4, 5))
    return torch.from_numpy(logits).requires_grad_(), torch.from_numpy(labels)


@given(st.integers(0, 10_000), st.sampled_from([0.0, 0.4, 0.95]))
def test_cross_entropy_is_that_of_the_counted_pixels(seed, ignored):
    logits, labels = inputs(seed, ignored=ignored)
    if (labels == 255).all():
        return
    expected = functional.cross_entropy(logits, labels, ignore_index=255)
    assert torch.isclose(cross_entropy(logits, labels), expected, rtol=1e-12)


@given(st.integers(0, 10_000), st.sampled_from([0.0, 0.4, 0.95]))
def test_dice_is_the_mean_over_classes_that_are_there(seed, ignored):
    logits, labels = inputs(seed, ignored=ignored)
    chances, counted = logits.softmax(1), labels != 255
    losses = []
    for k in range(CLASSES):
        p, t = chances[:, k][counted], (labels[counted] == k).double()
        if t.sum():
            losses.append(1 - 2 * (p * t).sum() / (p.sum() + t.sum()))
    expected = torch.stack(losses).mean() if losses else torch.tensor(0.0, dtype=torch.float64)
    assert torch.isclose(dice_loss(logits, labels), expected, rtol=1e-12)


@pytest.mark.parametrize("loss", [cross_entropy, dice_loss])
def test_nothing_but_ignored_pixels_teach_nothing(loss):
    logits, _ = inputs(0)
    value = loss(logits, torch.full((2, 4, 5), 255))
    value.backward()
    assert value == 0
    assert (logits.grad == 0).all()


def test_a_certain_and_right_answer_costs_nothing():
    labels = torch.tensor([[[0, 1], [2, 255]]])
    logits = 1000.0 * functional.one_hot(labels.clamp(max=2), CLASSES).permute(0, 3, 1, 2).double()
    assert cross_entropy(logits, labels) == 0
    assert dice_loss(logits, labels) == pytest.approx(0, abs=1e-12)


def gradient_on_rank(seed):
    """Averaged over ranks, as DistributedDataParallel does; ranks count other numbers of pixels."""
    logits, labels = inputs(seed)
    labels[0] = 255
    mine = slice(collectives.rank(), collectives.rank() + 1)
    shift = torch.zeros(CLASSES, dtype=torch.float64, requires_grad=True)
    shifted = logits[mine].detach() + shift[:, None, None]
    (cross_entropy(shifted, labels[mine]) + dice_loss(shifted, labels[mine])).backward()
    return (collectives.sum_over_ranks(shift.grad) / collectives.world_size()).numpy()


def test_two_ranks_learn_what_one_does():
    logits, labels = inputs(5)
    labels[0] = 255
    shift = torch.zeros(CLASSES, dtype=torch.float64, requires_grad=True)
    shifted = logits.detach() + shift[:, None, None]
    (cross_entropy(shifted, labels) + dice_loss(shifted, labels)).backward()
    for gradient in run_ranks(2, gradient_on_rank, 5):
        np.testing.assert_allclose(gradient, shift.grad.numpy(), rtol=1e-12)
