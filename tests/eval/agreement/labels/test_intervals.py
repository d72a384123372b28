"""Intervals of label maps' agreement against resampling by hand: tiles or patients, not pixels."""

import numpy as np
import pytest

from eval.agreement.labels.agreement import report_label_agreement
from histosyn.labels.label_map import label_png_bytes, load_schema

SCHEMA = load_schema("prostate-3")
K = len(SCHEMA)
TILES, RATERS, REPLICATES = 18, 3, 4000
# Of three tiles each, who are labelled differently well.
PATIENTS = [tile % 6 for tile in range(TILES)]
CLASS = 1


@pytest.fixture(scope="module")
def labels():
    """Maps of three raters, [tile][rater]: sizes differ, and the faults depend on the patient."""
    random = np.random.default_rng(4)
    faults = 0.5 * np.random.default_rng(5).random(6)
    maps = []
    for tile in range(TILES):
        there = random.integers(0, K, (8, 6 + tile))
        raters = []
        for _ in range(RATERS):
            wrong = random.random(there.shape) < faults[PATIENTS[tile]]
            raters.append(np.where(wrong, random.integers(0, K, there.shape), there))
        maps.append(raters)
    return maps


@pytest.fixture(scope="module")
def root(labels, tmp_path_factory):
    folder = tmp_path_factory.mktemp("labels")
    for rater in range(RATERS):
        (folder / f"r{rater}").mkdir()
        for tile in range(TILES):
            png = label_png_bytes(labels[tile][rater].astype(np.uint8), SCHEMA)
            (folder / f"r{rater}" / f"t{tile:02d}.png").write_bytes(png)
    lines = [f"t{tile:02d},p{patient}" for tile, patient in enumerate(PATIENTS)]
    (folder / "patients.csv").write_text("tile,patient\n" + "\n".join(lines) + "\n")
    return folder


def confusions(labels):
    """Pixels (T, K, K) of the first two raters, counted one by one."""
    counts = np.zeros((TILES, K, K))
    for tile, (first, second, _) in enumerate(labels):
        for pair in zip(first.ravel(), second.ravel(), strict=True):
            counts[tile][pair] += 1
    return counts


def fleiss_sums(labels):
    """Of each tile: agreeing pairs of raters at a pixel, pixels, and labels by class (T, 2 + K)."""
    sums = np.zeros((TILES, 2 + K))
    for tile, raters in enumerate(labels):
        for pixel in np.stack([each.ravel() for each in raters], axis=1):
            of_class = np.bincount(pixel, minlength=K)
            pairs = (of_class * (of_class - 1)).sum() / (RATERS * (RATERS - 1))
            sums[tile] += [pairs, 1, *of_class]
    return sums


def kappa(confusion):
    shares = confusion / confusion.sum()
    chance = shares.sum(axis=0) @ shares.sum(axis=1)
    return (np.trace(shares) - chance) / (1 - chance)


def dice(confusion):
    return 2 * np.diag(confusion) / (confusion.sum(axis=0) + confusion.sum(axis=1))


def fleiss_kappa(sums):
    pairs, pixels, *of_class = sums
    chance = ((np.array(of_class) / (RATERS * pixels)) ** 2).sum()
    return (pairs / pixels - chance) / (1 - chance)


OF_A_PAIR = {
    ("percent_agreement", None): lambda c: np.trace(c) / c.sum(),
    ("cohen_kappa", None): kappa,
    ("mean_dice", None): lambda c: dice(c).mean(),
    ("dice", SCHEMA.classes[CLASS].name): lambda c: dice(c)[CLASS],
    ("iou", SCHEMA.classes[CLASS].name): lambda c: 1 / (2 / dice(c)[CLASS] - 1),
}


def found(result, name, compared, of_class=None):
    (number,) = [
        number
        for number in result.numbers
        if number.name == name
        and (number.details["compared"], number.details["class"]) == (compared, of_class)
        and number.details["raters"][:2] == ["r0", "r1"]
    ]
    return number


def resampled(per_tile, unit_of_tile, seed=9):
    """Sums over all tiles of the units that are drawn with replacement."""
    random = np.random.default_rng(seed)
    units = np.unique(unit_of_tile)
    tiles_of = [np.flatnonzero(np.array(unit_of_tile) == unit) for unit in units]
    for _ in range(REPLICATES):
        drawn = random.integers(0, len(units), len(units))
        yield per_tile[np.concatenate([tiles_of[unit] for unit in drawn])].sum(axis=0)


def require_close(number, value, values):
    """To a twentieth of the width: two times 4000 draws differ by no more."""
    assert number.value == pytest.approx(value)
    expected = np.quantile(values, [0.025, 0.975])
    assert number.interval == pytest.approx(expected, abs=0.05 * np.ptp(expected))


@pytest.mark.parametrize("by_patient", [False, True], ids=["tiles", "patients"])
def test_intervals_are_those_of_resampling_by_hand(labels, root, by_patient):
    result = report_label_agreement(
        [root / f"r{rater}" for rater in range(RATERS)],
        SCHEMA,
        groups=root / "patients.csv" if by_patient else None,
        replicates=REPLICATES,
        seed=0,
    )
    units = PATIENTS if by_patient else range(TILES)
    pairs, all_raters = confusions(labels), fleiss_sums(labels)
    samples = list(resampled(pairs, units))
    for (name, of_class), score in OF_A_PAIR.items():
        number = found(result, name, "pair of raters", of_class)
        require_close(number, score(pairs.sum(axis=0)), [score(each) for each in samples])
    number = found(result, "fleiss_kappa", "all raters")
    values = [fleiss_kappa(each) for each in resampled(all_raters, units)]
    require_close(number, fleiss_kappa(all_raters.sum(axis=0)), values)
