"""AUC in a report of ratings: readers one by one and together, both directions, what is missing."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from eval.agreement.plan import DETECTION, MEAN_OF_READERS, Plan
from eval.agreement.ratings.arms import read_ratings
from eval.agreement.report import report_agreement
from eval.statistics.roc import areas
from hpc.errors import InputError

SCALE = ("1", "2", "3", "4", "5")


def confidence(images=30, raters=3, shift=1, seed=0):
    """(2, images, raters) of 1 to 5, synthetic images higher by `shift`."""
    random = np.random.default_rng(seed)
    looks = random.integers(1, 5, (2, images, 1)) + np.array([0, shift])[:, None, None]
    return np.clip(looks + random.integers(-1, 2, (2, images, raters)), 1, 5)


def rows_of(sure):
    return [
        f"{arm[0]}{n:02d},{arm},{','.join('' if r == 0 else str(r) for r in row)}"
        for arm, rows in zip(("real", "synthetic"), sure.tolist(), strict=True)
        for n, row in enumerate(rows)
    ]


def report(tmp_path, sure, scale=SCALE, replicates=200, **options):
    path = tmp_path / "r.csv"
    header = "image,arm," + ",".join(f"R{n + 1}" for n in range(sure.shape[2]))
    path.write_text("\n".join([header, *rows_of(sure)]) + "\n", encoding="utf-8")
    plan = Plan(**{"confidence": "synthetic", "replicates": replicates} | options)
    return report_agreement(read_ratings(path, scale), plan)


def numbers_of(result):
    return {
        number.details["compared"]: number
        for number in result.numbers
        if number.details["arm"] == DETECTION
    }


def auc(real, synthetic):
    truth = [0] * len(real) + [1] * len(synthetic)
    return roc_auc_score(truth, [*real, *synthetic])


def test_each_reader_and_their_mean(tmp_path):
    sure = confidence()
    found = numbers_of(report(tmp_path, sure))
    expected = [auc(sure[0, :, reader], sure[1, :, reader]) for reader in range(3)]
    assert list(found) == ["R1", "R2", "R3", MEAN_OF_READERS]
    assert [number.value for number in found.values()] == pytest.approx(
        [*expected, np.mean(expected)]
    )
    for number in found.values():
        low, high = number.interval
        assert low < number.value < high
        assert number.interval_method == "percentile bootstrap over images, each arm by itself"
        assert (number.n, number.details["images"]) == (60, {"real": 30, "synthetic": 30})
        (formula,) = number.details["by_formula"]
        assert formula["method"] == "DeLong 1988, logit"
        assert formula["interval"] == pytest.approx(number.interval, abs=0.05)


def test_the_error_of_the_mean_knows_that_readers_saw_the_same_images(tmp_path):
    sure = confidence()
    number = numbers_of(report(tmp_path, sure))[MEAN_OF_READERS]
    covariance = areas(sure[1].T, sure[0].T).covariance_RR
    error = number.details["by_formula"][0]["standard_error"]
    assert error == pytest.approx(np.sqrt(covariance.sum()) / 3)
    assert error > np.sqrt(np.trace(covariance)) / 3


def test_confidence_that_an_image_is_real_is_the_other_way_round(tmp_path):
    sure = confidence()
    synthetic, real = (
        numbers_of(report(tmp_path, values, confidence=arm))
        for values, arm in ((sure, "synthetic"), (6 - sure, "real"))
    )
    for name, number in synthetic.items():
        assert real[name].value == pytest.approx(number.value)
    against = numbers_of(report(tmp_path, sure, confidence="real"))
    assert against["R1"].value == pytest.approx(1 - synthetic["R1"].value)


def test_missing_ratings_leave_out_the_image_for_that_reader(tmp_path):
    sure = confidence()
    sure[0, :5, 0] = 0
    found = numbers_of(report(tmp_path, sure))
    assert found["R1"].value == pytest.approx(auc(sure[0, 5:, 0], sure[1, :, 0]))
    assert found["R1"].details["images"] == {"real": 25, "synthetic": 30}
    assert found["R1"].details["by_formula"]
    mean = found[MEAN_OF_READERS]
    assert mean.value == pytest.approx(np.mean([found[f"R{n}"].value for n in (1, 2, 3)]))
    assert mean.details["by_formula"] == []
    assert mean.interval


def test_a_reader_of_one_arm_has_none_and_a_reason(tmp_path):
    sure = confidence()
    sure[1, :, 2] = 0
    found = numbers_of(report(tmp_path, sure))
    assert (found["R3"].value, found["R3"].reason) == (None, "no synthetic image was rated")
    assert found[MEAN_OF_READERS].details["raters"] == ["R1", "R2"]


def test_readers_who_always_tell_have_no_interval_of_certainty(tmp_path):
    sure = np.concatenate([np.full((1, 20, 2), 1), np.full((1, 20, 2), 5)])
    number = numbers_of(report(tmp_path, sure))["R1"]
    assert (number.value, number.interval) == (1, None)
    assert "alike" in number.details["interval_note"]
    assert number.details["by_formula"][0]["interval"] is None


def test_pairs_and_drawn_readers_are_drawn_as_for_the_other_statistics(tmp_path):
    sure = confidence(images=40)
    raters_too = numbers_of(report(tmp_path, sure, resample_raters=True))
    images_only = numbers_of(report(tmp_path, sure))
    assert raters_too["R1"].interval == images_only["R1"].interval
    mean = raters_too[MEAN_OF_READERS]
    assert mean.interval != images_only[MEAN_OF_READERS].interval
    assert mean.interval_method.startswith("percentile bootstrap over images and raters")


def test_a_patient_is_drawn_in_both_arms_at_once(tmp_path):
    """An arm beside itself has 0.5 in every draw of patients, but not of images."""
    sure = np.repeat(confidence(images=20, raters=2)[:1], 2, axis=0)
    groups = tmp_path / "g.csv"
    lines = [f"{arm}{n:02d},p{n}\n" for arm in "rs" for n in range(20)]
    groups.write_text("tile,patient\n" + "".join(lines))
    number = numbers_of(report(tmp_path, sure, groups=groups))["R1"]
    assert number.value == 0.5
    assert number.details["interval_note"] == "all replicates alike, so no interval"
    assert number.details["by_formula"] == []
    apart = numbers_of(report(tmp_path, sure))["R1"]
    assert apart.interval[0] < 0.5 < apart.interval[1]


def test_blocks_do_not_change_the_draws(tmp_path, monkeypatch):
    sure = confidence()
    sure[0, :20] = 0  # Arms of different sizes.
    whole = numbers_of(report(tmp_path, sure, replicates=100))
    monkeypatch.setattr("eval.statistics.bootstrap._BLOCK_CELLS", 64)
    assert numbers_of(report(tmp_path, sure, replicates=100)) == whole


def test_what_confidence_needs(tmp_path):
    path = tmp_path / "r.csv"
    for text, match in (
        ("image,R1\na,1\nb,2\n", "needs rated images of both arms"),
        ("image,arm,R1\na,real,1\n", "needs rated images of both arms"),
        ("image,arm,R1\na,real,no\nb,synthetic,yes\n", "needs the order of the scale.*no, yes"),
    ):
        path.write_text(text, encoding="utf-8")
        with pytest.raises(InputError, match=match):
            report_agreement(read_ratings(path), Plan(confidence="synthetic"))
