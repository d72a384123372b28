"""Intervals of faithfulness against resampling by hand: who is drawn, how often, and with whom."""

import numpy as np
import pytest
from colour_segmenter import by_name, colour_segmenter
from PIL import Image
from tissue import SCHEMA, blobs

from eval.faithfulness.report import Settings, faithfulness
from eval.segmenter.labelled_tiles import FolderLabels, ShardTiles, SyntheticTiles
from histosyn.images.tiles import png_bytes
from histosyn.labels.label_map import label_png_bytes
from histosyn.packing.pack import PackConfig, pack

K = len(SCHEMA)
TILES, PATIENTS = 16, 8
SETTINGS = Settings(replicates=4000)
LEVELS = [0.025, 0.975]


def misread(root, seed, faults=0.6, names="abcdefgh"):
    """Two tiles a patient, with up to that share of faults; counts (P, K, K) by hand.

    The first lines of a tile show the next class: that is what the segmenter finds there. Who has
    more faults than others has so with every seed.
    """
    for folder in ("tiles", "labels"):
        (root / folder).mkdir(parents=True)
    confusion = np.zeros((PATIENTS, K, K))
    lines = ["tile,patient"]
    shares = faults * np.random.default_rng(3).random(PATIENTS)
    for number in range(TILES):
        patient = number % PATIENTS
        there = blobs(1000 * seed + number, 32)[1]
        shown = there.copy()
        wrong = round(32 * shares[patient])
        shown[:wrong] = (there[:wrong] + 1) % K
        for pair in zip(there.ravel(), shown.ravel(), strict=True):
            confusion[patient][pair] += 1
        name = f"tile-{number:02d}"
        (root / "tiles" / f"{name}.png").write_bytes(
            png_bytes(Image.fromarray(SCHEMA.palette[shown]))
        )
        (root / "labels" / f"{name}.png").write_bytes(label_png_bytes(there, SCHEMA))
        lines.append(f"{name},{names[patient]}")
    (root / "groups.csv").write_text("\n".join(lines))
    return confusion


def synthetic(root, groups=True):
    labels = FolderLabels(root / "labels", SCHEMA, root / "groups.csv" if groups else None)
    return SyntheticTiles(root / "tiles", labels)


def real(root):
    config = PackConfig(groups=root / "groups.csv")
    pack(root / "tiles", root / "labels", root / "packed", SCHEMA, config)
    return ShardTiles(root / "packed/train")


def dice_by_hand(confusion):
    return 2 * np.diag(confusion) / (confusion.sum(axis=0) + confusion.sum(axis=1))


def iou_by_hand(confusion):
    return 1 / (2 / dice_by_hand(confusion) - 1)


SCORES = {
    "mean_dice": lambda confusion: dice_by_hand(confusion).mean(),
    "mean_iou": lambda confusion: iou_by_hand(confusion).mean(),
    "pixel_accuracy": lambda confusion: np.trace(confusion) / confusion.sum(),
}
CLASS = SCHEMA.classes[1].name
CLASS_SCORES = {
    "dice": lambda confusion: dice_by_hand(confusion)[1],
    "iou": lambda confusion: iou_by_hand(confusion)[1],
}


def quantiles(values):
    return np.quantile(values, LEVELS)


def drawn(random):
    return random.integers(0, PATIENTS, PATIENTS)


def require_close(interval, expected):
    """To a twentieth of the width: two times 4000 draws differ by no more."""
    low, high = expected
    assert interval == pytest.approx(expected, abs=0.05 * (high - low))


def test_patients_are_drawn_with_all_their_tiles(tmp_path):
    confusion = misread(tmp_path, 1)
    result = faithfulness(colour_segmenter(), synthetic(tmp_path), None, SETTINGS)
    random = np.random.default_rng(11)
    resampled = [confusion[drawn(random)].sum(axis=0) for _ in range(4000)]
    for of_class, scores in ((None, SCORES), (CLASS, CLASS_SCORES)):
        for name, score in scores.items():
            number = by_name(result, name, of_class=of_class)
            assert number.value == pytest.approx(score(confusion.sum(axis=0)))
            require_close(number.interval, quantiles([score(each) for each in resampled]))


def test_label_maps_are_drawn_where_patients_are_not_known(tmp_path):
    """As if independent: more of them than patients, so the interval is narrower."""
    misread(tmp_path, 1)
    by_patient, by_map = (
        by_name(
            faithfulness(colour_segmenter(), synthetic(tmp_path, groups), None, SETTINGS),
            "pixel_accuracy",
        )
        for groups in (True, False)
    )
    assert by_patient.value == by_map.value
    assert np.ptp(by_map.interval) < 0.8 * np.ptp(by_patient.interval)


@pytest.mark.parametrize("same", [True, False], ids=["same patients", "other patients"])
def test_a_difference_is_drawn_together_for_the_same_patients_only(tmp_path, same):
    first = misread(tmp_path / "made", 1)
    second = misread(tmp_path / "real", 2, 0.4, names="abcdefgh" if same else "ijklmnop")
    result = faithfulness(
        colour_segmenter(), synthetic(tmp_path / "made"), real(tmp_path / "real"), SETTINGS
    )
    random = np.random.default_rng(12)
    for name, score in SCORES.items():
        number = by_name(result, name, side="synthetic - real")
        values = []
        for _ in range(4000):
            mine = drawn(random)
            theirs = mine if same else drawn(random)
            values.append(score(first[mine].sum(axis=0)) - score(second[theirs].sum(axis=0)))
        require_close(number.interval, quantiles(values))
