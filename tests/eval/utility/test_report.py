"""What the outcomes of an experiment show: statements, intervals, and what to beware of."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from experimenting import outcome, write_experiment

from eval.utility.config import read_utility
from eval.utility.plan import Sources
from eval.utility.plot import draw_curve
from eval.utility.report import report_utility
from hpc.errors import DatasetError


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """The data of an experiment whose outcomes are made up."""
    folder = tmp_path_factory.mktemp("experiment")
    write_experiment(folder)
    return folder


def statement_of(root, synthetic, *, luck=0.02, patients=12, seeds=(0, 1)):
    config = read_utility(root / "utility.toml")
    items = [
        outcome(arm, seed, right, luck=luck, patients=patients)
        for arm, right in (("real", 0.8), ("synthetic", synthetic))
        for seed in seeds
    ]
    result = report_utility(items, Sources(config), config)
    (difference,) = [n for n in result.numbers if n.name == "mean_dice_difference"]
    return difference, result


@pytest.mark.parametrize(
    ("right", "verdict"),
    [
        (0.8, "equivalent within 0.1"),
        (0.75, "equivalent within 0.1"),
        (0.95, "non-inferior by a margin of 0.1; better"),
        (0.6, "worse by more than 0.1"),
    ],
)
def test_the_statement_says_what_is_shown(root, right, verdict):
    difference, _ = statement_of(root, right)
    assert difference.details["statement"].endswith(f": {verdict}")
    assert difference.value == pytest.approx(right - 0.8, abs=0.02)
    low, high = difference.interval
    assert low < difference.value < high


def test_what_varies_too_much_is_not_shown(root):
    difference, _ = statement_of(root, 0.72, luck=0.3)
    assert "not shown to be non-inferior" in difference.details["statement"]
    assert not difference.details["equivalence"]["equivalent"]


def test_one_patient_shows_nothing(root):
    difference, result = statement_of(root, 0.8, patients=1)
    assert difference.interval is None
    told = "no interval from a single test patient"
    assert difference.details["statement"].endswith(f": nothing is shown: {told}")
    assert difference.details["equivalence"] is None
    assert {number.details["interval_note"] for number in result.numbers} == {told}


def test_one_seed_shows_nothing(root):
    difference, result = statement_of(root, 0.8, seeds=(0,))
    assert difference.interval is not None
    assert difference.details["statement"].endswith("nothing is shown by one seed")
    assert "whose chance is left out" in difference.interval_method
    assert any("Fewer than 3 seeds" in warning for warning in result.warnings)


def test_arms_that_never_differ_show_nothing(root):
    """An interval of width zero would be within any margin."""
    difference, result = statement_of(root, 0.8, luck=0.0)
    assert (difference.value, difference.interval) == (0, None)
    assert difference.details["equivalence"] is None
    told = "all replicates alike, so no interval"
    assert difference.details["statement"].endswith(f": nothing is shown: {told}")
    assert {number.details["interval_note"] for number in result.numbers} == {told}


def test_resamples_without_a_score_show_nothing(root):
    """One of two patients has no pixel that counts: a quarter of the resamples is of him alone."""
    config = read_utility(root / "utility.toml")
    items = [
        outcome(arm, seed, 0.8, luck=0.02, patients=2)
        for arm, seed in product(("real", "synthetic"), (0, 1))
    ]
    for item in items:
        item.confusion_UKK[1] = 0
    result = report_utility(items, Sources(config), config)
    (difference,) = [n for n in result.numbers if n.name == "mean_dice_difference"]
    undefined = difference.details["undefined_replicates"]
    assert 10 < undefined < 40
    assert difference.details["equivalence"]["equivalent"] is None
    told = f": nothing is shown: undefined in {undefined} of 100 replicates"
    assert told in difference.details["statement"]


@pytest.mark.parametrize("patients", [12, 49, 50])
def test_fewer_than_fifty_patients_are_told_of(root, patients):
    _, result = statement_of(root, 0.8, patients=patients)
    narrow = [text for text in result.warnings if "narrow" in text]
    few = f"Test tiles: intervals from fewer than 50 patients ({patients}) tend to be too narrow."
    assert narrow == ([few] if patients < 50 else [])


@pytest.mark.parametrize(
    ("names", "warning"),
    [
        (["synthetic"], "One set of synthetic tiles serves every share"),
        (["synthetic", "synthetic"], "Seeds differ in the patients"),
        (["synthe{seed}tic", "synthetic"], None),
    ],
)
def test_generators_that_know_more_than_their_share_are_told(root, names, warning):
    config = read_utility(root / "utility.toml")
    for seed in (0, 1):
        link = root / f"synthe{seed}tic"
        link.exists() or link.symlink_to(root / "synthetic")
    folders = tuple(root / name / "train" for name in names)
    config = replace(config, data=replace(config.data, synthetic=folders))
    items = [
        outcome(arm, seed, 0.8, share=share)
        for arm, share, seed in product(("real", "synthetic"), (0.5, 1.0), (0, 1))
    ]
    told = [w for w in report_utility(items, Sources(config), config).warnings if "ynthetic" in w]
    assert len(told) == (warning is not None)
    assert all(text.startswith(warning) for text in told)


def test_the_interval_is_that_of_patients_and_seeds(root):
    """Against resampling by hand."""
    config = read_utility(root / "utility.toml")
    items = [outcome("real", seed, 0.8, luck=0.2) for seed in (0, 1)]
    wide = replace(config, experiment=replace(config.experiment, replicates=4000))
    result = report_utility(items, Sources(config), wide)
    number = next(n for n in result.numbers if n.name == "mean_dice")
    random = np.random.default_rng(7)
    values = []
    for _ in range(4000):
        units, seeds = random.integers(0, 12, 12), random.integers(0, 2, 2)
        pooled = [items[seed].confusion_UKK[units].sum(axis=0) for seed in seeds]
        values.append(np.mean([dice_by_hand(matrix) for matrix in pooled]))
    assert number.interval == pytest.approx(np.quantile(values, [0.025, 0.975]), abs=0.01)


def dice_by_hand(matrix):
    hits = np.diag(matrix)
    return np.mean(2 * hits / (matrix.sum(axis=0) + matrix.sum(axis=1)))


def test_nothing_done_is_told(root):
    config = read_utility(root / "utility.toml")
    with pytest.raises(DatasetError, match="No training of"):
        report_utility([], Sources(config), config)


def test_a_class_that_is_nowhere_is_none_and_says_why(root, tmp_path):
    config = read_utility(root / "utility.toml")
    items = [outcome("real", seed, 1.0) for seed in (0, 1)]
    for item in items:
        item.confusion_UKK[:, 3, 3] = 0
    result = report_utility(items, Sources(config), config)
    absent = [n for n in result.numbers if n.details.get("class") == "nuclei"]
    assert absent[0].value is None
    assert "neither" in absent[0].reason
    draw_curve(result, tmp_path / "curve.png")
