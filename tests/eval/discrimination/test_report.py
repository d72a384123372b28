"""Ratings in, everything that is told of them out."""

import json
from dataclasses import replace

import numpy as np
import pytest
from reading import answer_rows, design, key_of_study, made_study, write_answers
from scipy.stats import spearmanr

from eval.discrimination.machine import agreements, machine_panel, read_machine
from eval.discrimination.outcomes import measure
from eval.discrimination.plot import draw_plot
from eval.discrimination.random_readers import METHOD
from eval.discrimination.report import Settings, discrimination, mean_of
from eval.discrimination.simulated import Readers
from eval.discrimination.tables import read_panels
from eval.statistics.proportions import clopper_pearson_interval, wilson_interval
from eval.study.reading import read_study
from hpc.errors import DatasetError, InputError

SCALE = tuple("123456")


def write_ratings(path, panel, patients=None):
    lines = ["image,rater,rating,arm,block,patient"]
    for row, image in enumerate(panel.images):
        arm = "synthetic" if panel.positive_I[row] else "real"
        for column, reader in enumerate(panel.readers):
            rating = panel.ratings_IR[row, column]
            if not np.isnan(rating):
                patient = "" if patients is None else patients[row]
                lines.append(f"{image}.png,{reader},{rating:g},{arm},{panel.block},{patient}")
    path.write_text("\n".join(lines) + "\n")
    return path


def panel_of(seed=0, readers=4, images=60, dprime=0.8, block="naive"):
    drawn = Readers(dprime=dprime).panel(readers, images, np.random.default_rng(seed))
    return replace(drawn, block=block)


def numbers_of(result, reader, block="naive"):
    return {
        one.name: one
        for one in result.numbers
        if (one.details["reader"], one.details["block"]) == (reader, block)
    }


def test_each_reader_has_shares_with_both_intervals(tmp_path):
    panel = panel_of()
    result = discrimination([write_ratings(tmp_path / "r.csv", panel)])
    for column, reader in enumerate(panel.readers):
        found = numbers_of(result, reader)
        right = int(panel.correct[:, column].sum())
        accuracy = found["accuracy"]
        assert (accuracy.value, accuracy.n) == (right / 60, 60)
        assert accuracy.interval == wilson_interval(right, 60)
        assert accuracy.details["by_formula"][0]["interval"] == clopper_pearson_interval(right, 60)
        said = panel.ratings_IR[:, column] > 3
        assert found["sensitivity"].value == said[panel.positive_I].mean()
        assert found["specificity"].value == pytest.approx(1 - said[~panel.positive_I].mean())
        low, high = found["dprime"].interval
        assert low < found["dprime"].value < high
        assert found["auc"].interval_method.startswith("DeLong")


def test_the_mean_of_readers_is_tested_within_the_margin(tmp_path):
    path = write_ratings(tmp_path / "r.csv", panel_of(dprime=0.0, readers=8, images=200))
    result = discrimination([path], Settings(margin=0.15))
    found = mean_of(result, "auc")
    test = found.details["equivalence_test"]
    assert found.interval_method == METHOD and found.details["readers"] == 8
    assert test["equivalent"] and test["p"] < 0.05 and test["chance"] == 0.5
    assert mean_of(result, "dprime").details["equivalence_test"] is None
    assert mean_of(result, "sensitivity").details["equivalence_test"] is None
    narrow = discrimination([path], Settings(margin=0.01))
    assert not mean_of(narrow, "auc").details["equivalence_test"]["equivalent"]
    none = discrimination([path])
    assert mean_of(none, "auc").details["equivalence_test"] is None
    assert any("equivalence is not tested" in text for text in none.warnings)


def test_blocks_are_never_put_together(tmp_path):
    naive, informed = panel_of(), panel_of(seed=1, dprime=2.5, block="informed")
    paths = [write_ratings(tmp_path / f"{one.block}.csv", one) for one in (naive, informed)]
    result = discrimination(paths)
    apart = [mean_of(result, "auc", block).value for block in ("naive", "informed")]
    assert apart == pytest.approx(
        [measure("auc", one).values_R.mean() for one in (naive, informed)]
    )
    one_file = tmp_path / "both.csv"
    lines = paths[0].read_text().splitlines() + paths[1].read_text().splitlines()[1:]
    one_file.write_text("\n".join(lines))
    assert mean_of(discrimination([one_file]), "auc").value == apart[0]
    with pytest.raises(InputError, match="ratings of one block"):
        discrimination([paths[0], paths[0]])


def test_pairs_count_right_choices_whatever_the_side(tmp_path):
    lines = ["pair,rater,rating,synthetic"]
    for number in range(40):
        side = "left" if number % 2 else "right"
        right = number % 4 != 0
        rating = 5 if right == (side == "right") else 2
        lines.append(f"p{number},R1,{rating},{side}")
        lines.append(f"p{number},R2,6,{side}")
    path = tmp_path / "pairs.csv"
    path.write_text("\n".join(lines))
    result = discrimination([path], Settings(scale=SCALE, margin=0.1))
    one, other = (numbers_of(result, reader)["pairs"] for reader in ("R1", "R2"))
    assert one.value == 0.75 and one.interval == wilson_interval(30, 40)
    assert other.value == 0.5 and other.details["chose_right"] == 1.0
    assert one.details["dprime"] == pytest.approx(2**0.5 * 0.655, abs=0.05)
    assert mean_of(result, "pairs").value == 0.625


def test_patients_are_drawn_whole(tmp_path):
    panel = panel_of(images=80)
    path = write_ratings(tmp_path / "r.csv", panel, [f"P{row // 8}" for row in range(80)])
    result = discrimination([path])
    assert any("whole patients" in text for text in result.warnings)
    (found,) = read_panels(path, SCALE).panels
    assert sorted(set(found.group_I.tolist())) == list(range(10))


def test_the_middle_of_a_scale_says_neither(tmp_path):
    panel = panel_of()
    odd = replace(panel, ratings_IR=np.minimum(panel.ratings_IR, 5))
    path = write_ratings(tmp_path / "r.csv", odd)
    result = discrimination([path], Settings(scale=tuple("12345")))
    assert mean_of(result, "accuracy").value is None
    assert "middle of the scale" in mean_of(result, "accuracy").reason
    assert mean_of(result, "auc").value == pytest.approx(measure("auc", odd).values_R.mean())


def test_a_reader_of_half_the_images_is_told(tmp_path):
    panel = panel_of()
    panel.ratings_IR[:30, 1] = np.nan
    result = discrimination([write_ratings(tmp_path / "r.csv", panel)])
    assert any("R2 read 50% of the images" in text for text in result.warnings)
    assert numbers_of(result, "R2")["accuracy"].n == 30


def machine_file(path, panel, names=("auc_network_scale_1", "auc_texture_scale_1")):
    random = np.random.default_rng(5)
    mean = panel.ratings_IR.mean(axis=1) - 3.5
    scores = {names[0]: mean.tolist(), names[1]: random.normal(size=len(mean)).tolist()}
    path.write_text(json.dumps({
        "kind": "c2st",
        "tables": {"scores": {
            "images": [f"{image}.png" for image in panel.images],
            "synthetic": panel.positive_I.tolist(),
            "scores": scores,
        }},
    }))  # fmt: skip
    return path


def test_the_machine_reads_what_people_read(tmp_path):
    panel = panel_of(dprime=1.0)
    path = write_ratings(tmp_path / "r.csv", panel)
    machine = machine_file(tmp_path / "c2st.json", panel)
    result = discrimination([path], Settings(machine=machine))

    found = numbers_of(result, "auc_network_scale_1")
    assert found["auc"].details["machine"] and found["auc"].n == 60
    assert mean_of(result, "auc").details["readers"] == 4
    agreement = {
        (row["details"]["reader"], row["details"]["machine"], row["name"]): row["value"]
        for row in result.tables["machine_agreement"]
    }
    assert agreement["mean of readers", "auc_network_scale_1", "rank_correlation"] > 0.99
    assert agreement["mean of readers", "auc_network_scale_1", "kappa_of_calls"] == 1
    assert abs(agreement["mean of readers", "auc_texture_scale_1", "rank_correlation"]) < 0.5
    surest = result.tables["surest"]
    assert list(surest) == [
        "readers, naive", "auc_network_scale_1, naive", "auc_texture_scale_1, naive",
    ]  # fmt: skip
    assert surest["readers, naive"] == surest["auc_network_scale_1, naive"]

    draw_plot(result, tmp_path / "plot.svg")
    text = (tmp_path / "plot.svg").read_text()
    assert "network, scale 1" in text and "mean of readers" in text and "polyline" in text


def test_rank_correlations_are_means_of_those_of_scipy_in_each_arm(tmp_path):
    drawn = panel_of(dprime=1.0)
    scores = read_machine(machine_file(tmp_path / "c2st.json", drawn))
    (panel,) = read_panels(write_ratings(tmp_path / "r.csv", drawn), SCALE).panels
    machine = machine_panel(panel, scores)
    found = next(one for one in agreements(panel, machine) if one.details["reader"] == "R1")
    expected = [
        spearmanr(panel.ratings_IR[kind, 0], machine.ratings_IR[kind, 0]).statistic
        for kind in (panel.positive_I, ~panel.positive_I)
    ]
    assert found.value == pytest.approx(np.mean(expected))


def test_a_machine_that_read_other_images_has_no_rows(tmp_path):
    panel = panel_of()
    path = write_ratings(tmp_path / "r.csv", panel)
    other = machine_file(tmp_path / "c2st.json", replace(panel, images=tuple("x" * 60)))
    result = discrimination([path], Settings(machine=other))
    assert not [one for one in result.numbers if one.details["machine"]]
    (tmp_path / "bad.json").write_text('{"kind": "fid", "tables": {}}')
    with pytest.raises(InputError, match="eval c2st --json"):
        read_machine(tmp_path / "bad.json")


@pytest.fixture
def study(tmp_path):
    made_study(tmp_path, design(informed=0, margin=0.2))
    key = key_of_study(tmp_path)
    for reader in ("R1", "R2"):
        write_answers(tmp_path / "answers" / f"{reader}.csv", answer_rows(key, reader))

    def read():
        read_study(
            [tmp_path / "answers"], tmp_path / "study/coordinator/key.json", tmp_path / "ratings"
        )
        return tmp_path / "ratings" / "discrimination.csv"

    return read


def test_margin_and_scale_are_those_of_the_protocol(study):
    path = study()
    result = discrimination([path])
    assert result.settings["margin"] == 0.2 and result.settings["scale"] == list(SCALE)
    assert result.tables["deviations"] == []
    assert mean_of(result, "auc").details["equivalence_test"]["margin"] == 0.2


def test_deviations_from_the_protocol_are_told(study, tmp_path):
    (tmp_path / "answers" / "R2.csv").unlink()
    path = study()
    path.write_text(path.read_text().replace(",R1,", ",R7,"))
    result = discrimination([path], Settings(margin=0.3, scale=tuple("abcdef"[:2]) + SCALE))
    told = " ".join(result.tables["deviations"])
    for words in ("without R2", "margin is 0.3, planned was 0.2", "not that of the study", "R7"):
        assert words in told
    assert all(
        f"Not as planned: {text}." in result.warnings for text in result.tables["deviations"]
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("image,rater,rating\na,R1,3\n", "no column arm"),
        ("picture,reader,rating,arm\n", "no column image.*Did you mean rater by 'reader'"),
        ("image,rater,rating,arm\na,R1,7,real\n", "line 2: the rating '7'"),
        ("image,rater,rating,arm\na,R1,3,fake\n", "line 2: arm is 'fake'"),
        ("image,rater,rating,arm\n,R1,3,real\n", "line 2: no image"),
        ("image,rater,rating,arm\na,R1,3,real\na,R1,4,real\n", "lines 2 and 3: .* rated twice"),
        ("image,rater,rating,arm\n", "holds no rating"),
        ("", "empty"),
    ],
)
def test_bad_tables_are_told_with_their_line(tmp_path, text, message):
    path = tmp_path / "r.csv"
    path.write_text(text)
    with pytest.raises(DatasetError, match=message):
        read_panels(path, SCALE)


def test_a_twin_of_the_same_name_is_another_image(tmp_path):
    path = tmp_path / "r.csv"
    path.write_text("image,rater,rating,arm\na,R1,3,real\na,R1,4,synthetic\n")
    (panel,) = read_panels(path, SCALE).panels
    assert panel.images == ("a", "a") and panel.positive_I.tolist() == [False, True]


def test_a_scale_that_is_not_known_is_asked_for(tmp_path):
    path = tmp_path / "r.csv"
    path.write_text("image,rater,rating,arm\na,R1,3,real\nb,R1,5,synthetic\n")
    with pytest.raises(InputError, match="Declare it with --categories"):
        discrimination([path])
