"""Losses per pixel, by hand and over ranks."""

import math

import pytest
import torch
from ranks import run_ranks

from histosyn.training.losses import DiscriminatorOutputs, Mixture
from histosyn.training.pixel_losses import (
    discriminator_pixels,
    generator_pixels,
    label_mix,
    mix_regions,
    pixel_accuracy,
    pixel_realness,
    pixel_weights,
)

CLASSES, IGNORED = 3, 255


def labels():
    """Class 0 on 10 pixels, 1 on 2, none of 2, and 4 ignored."""
    flat = [0] * 10 + [1] * 2 + [IGNORED] * 4
    return torch.tensor(flat).reshape(1, 4, 4)


def outputs(labels_NHW, seed=0, mixed=False):
    generator = torch.Generator().manual_seed(seed)
    count, height, width = labels_NHW.shape
    shape = (count, CLASSES + 1, height, width)

    def draw(shape):
        return torch.randn(shape, dtype=torch.float64, generator=generator)

    real, synthetic, both = draw(shape), draw(shape), draw(shape)
    tiles = draw((count, 3, height, width))
    regions = mix_regions(labels_NHW, CLASSES, range(count))
    return DiscriminatorOutputs(
        labels_NHW=labels_NHW,
        tiles_NCHW=tiles,
        synthetic_NCHW=tiles,
        real=[[real]],
        synthetic=[[synthetic]],
        mixture=Mixture(real_NHW=regions, features=[[both]]) if mixed else None,
    )


def test_class_weights_are_inverse_frequencies_relative_to_an_average_class():
    weights = pixel_weights(labels(), CLASSES, cap=100.0)
    assert weights.pixels == 12
    assert weights.class_K[:2].tolist() == pytest.approx([6 / 10, 6 / 2])
    # Each class present weighs the same in all, and all of them as much as their pixels.
    assert 10 * weights.class_K[0] + 2 * weights.class_K[1] == pytest.approx(12)


def test_no_class_counts_more_than_the_cap():
    assert pixel_weights(labels(), CLASSES, cap=2.0).class_K.tolist() == pytest.approx(
        [0.6, 2.0, 2.0]
    )


def test_losses_are_weighted_means_over_the_pixels_that_count():
    case = outputs(labels())
    truth = case.labels_NHW[0]
    log_real = case.real[0][0].log_softmax(1)[0]
    log_synthetic = case.synthetic[0][0].log_softmax(1)[0]
    weight = {0: 0.6, 1: 2.0}
    pixels = [(y, x) for y in range(4) for x in range(4) if truth[y, x] != IGNORED]

    def mean(log, weights, target):
        return -sum(weights(y, x) * log[target(y, x), y, x] for y, x in pixels).item() / 12

    def told(y, x):
        return int(truth[y, x])

    real = mean(log_real, lambda y, x: weight[told(y, x)], told)
    fake = mean(log_synthetic, lambda y, x: 1.0, lambda y, x: CLASSES)
    taken_in = mean(log_synthetic, lambda y, x: weight[told(y, x)], told)
    # Weights are float32: classes are counted in whole numbers.
    assert discriminator_pixels(2.0)(case).item() == pytest.approx(real + fake, rel=1e-6)
    assert generator_pixels(2.0)(case).item() == pytest.approx(taken_in, rel=1e-6)


@pytest.mark.parametrize("term", [discriminator_pixels(5.0), generator_pixels(5.0), label_mix])
def test_ignored_pixels_get_no_gradient(term):
    case = outputs(labels(), mixed=True)
    for features in (case.real, case.synthetic, case.mixture.features):
        features[0][0].requires_grad_()
    term(case).backward()
    ignored = (case.labels_NHW == IGNORED)[:, None]
    gradients = [
        features[0][0].grad for features in (case.real, case.synthetic, case.mixture.features)
    ]
    assert any(gradient is not None for gradient in gradients)
    for gradient in gradients:
        if gradient is not None:
            assert (gradient * ignored == 0).all() and (gradient * ~ignored != 0).any()


def test_label_maps_without_a_class_give_no_loss():
    case = outputs(torch.full((1, 4, 4), IGNORED), mixed=True)
    for term in (discriminator_pixels(5.0), generator_pixels(5.0), label_mix):
        assert term(case).item() == 0


def test_label_mix_is_nothing_where_mixed_logits_are_the_mix_of_logits():
    case = outputs(labels(), mixed=True)
    mixed = torch.where(case.mixture.real_NHW[:, None], case.real[0][0], case.synthetic[0][0])
    consistent = Mixture(real_NHW=case.mixture.real_NHW, features=[[mixed]])
    same = DiscriminatorOutputs(**{**vars(case), "mixture": consistent})
    off = Mixture(real_NHW=case.mixture.real_NHW, features=[[mixed + 0.5]])
    assert label_mix(same).item() == 0
    assert label_mix(
        DiscriminatorOutputs(**{**vars(case), "mixture": off})
    ).item() == pytest.approx(0.25)


def test_mixed_regions_follow_classes_and_their_keys():
    many = torch.arange(CLASSES).repeat(4000, 2, 1)
    regions = mix_regions(many, CLASSES, range(4000))
    assert torch.equal(regions[:, 0], regions[:, 1])
    assert regions[:, 0].double().mean(0).tolist() == pytest.approx([0.5] * CLASSES, abs=0.03)
    assert torch.equal(mix_regions(many[7:8], CLASSES, [7]), regions[7:8])


def test_accuracy_and_realness():
    confident = torch.zeros(1, CLASSES + 1, 4, 4)
    confident[:, -1] = math.log(9)  # synthetic: 9 in 12
    case = outputs(labels())
    case = DiscriminatorOutputs(**{**vars(case), "real": [[confident]], "synthetic": [[confident]]})
    assert pixel_accuracy(case).item() == 0.5  # all synthetic ones right, all real ones wrong
    assert pixel_realness(case).item() == pytest.approx(12**0.5 * math.log(3 / 9))


def rank_losses(world_size):
    """Each rank's losses on its part of one batch, whose ranks ignore unequally many pixels."""
    from hpc import collectives

    whole = torch.cat([labels(), labels().flip(1), torch.full_like(labels(), 2), labels()])
    full = outputs(whole, mixed=True)
    part = slice(collectives.rank() * 4 // world_size, (collectives.rank() + 1) * 4 // world_size)
    mixture = Mixture(
        real_NHW=full.mixture.real_NHW[part], features=[[full.mixture.features[0][0][part]]]
    )
    mine = DiscriminatorOutputs(
        labels_NHW=whole[part],
        tiles_NCHW=full.tiles_NCHW[part],
        synthetic_NCHW=full.synthetic_NCHW[part],
        real=[[full.real[0][0][part]]],
        synthetic=[[full.synthetic[0][0][part]]],
        mixture=mixture,
    )
    terms = (discriminator_pixels(5.0), generator_pixels(5.0), label_mix)
    return [term(mine).item() for term in terms]


def test_means_over_ranks_are_those_of_the_whole_batch():
    ranks = run_ranks(2, rank_losses, 2)
    means = [sum(values) / 2 for values in zip(*ranks, strict=True)]
    assert ranks[0] != pytest.approx(ranks[1])
    assert means == pytest.approx(rank_losses(1), rel=1e-12)
