"""Whole experiments: resumable, the same in parts, plain about what is shown and what is not."""

import json
import shutil
import signal
import time
from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from experimenting import write_experiment
from launching import HISTOSYN, started, wait_until
from PIL import Image

from eval.result import SCHEMA_VERSION
from eval.utility.config import read_utility
from eval.utility.plan import Cell, Sources, cells_of
from eval.utility.plot import draw_curve
from eval.utility.report import report_utility
from eval.utility.trainings import Outcome, find_outcome, folder_of
from hpc.errors import ConfigError, DatasetError
from launch.cli import main

K = 4


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp("experiment")
    main(["eval", "utility", "--config", str(write_experiment(folder))])
    return folder


def result_of(root):
    return json.loads((root / "experiment/utility.json").read_text())


def lasting(root):
    """What must not depend on how the experiment was run."""
    result = result_of(root)
    return result["numbers"], result["tables"]


def test_every_arm_has_its_numbers_and_its_difference(root):
    result = result_of(root)
    assert result["kind"] == "utility"
    assert result["schema_version"] == SCHEMA_VERSION
    made_with = result["settings"]["config"]
    assert made_with["network"]["base_channels"] == 4
    assert made_with["data"]["control_stain_jitter"] == 0.2
    scores = [n for n in result["numbers"] if n["name"] == "mean_dice"]
    assert [(n["details"]["arm"], n["details"]["real_share"]) for n in scores] == [
        ("real", 0.5), ("real", 1.0), ("synthetic", 1.0),
    ]  # fmt: skip
    assert all("2 test patients and 2 seeds" in n["interval_method"] for n in scores)
    (difference,) = [
        n
        for n in result["numbers"]
        if n["name"] == "mean_dice_difference" and n["details"]["arm"] == "synthetic"
    ]
    assert difference["details"]["statement"].startswith("synthetic alone against real at 100%")
    assert difference["details"]["equivalence"]["margin"] == 0.1
    assert difference["value"] == pytest.approx(scores[2]["value"] - scores[1]["value"])
    with Image.open(root / "experiment/utility.png") as image:
        assert image.size == (900, 560)


def test_each_training_says_what_it_saw(root):
    rows = result_of(root)["tables"]["trainings"]
    assert len(rows) == 2 * 3
    (half,) = [r for r in rows if (r["arm"], r["share"], r["seed"]) == ("real", 0.5, 0)]
    assert len(half["real_patients"]) == 3
    assert all(row["steps"] == 3 for row in rows)
    assert len({row["segmenter_sha256"] for row in rows}) == 6
    (synthetic,) = [r for r in rows if r["arm"] == "synthetic" and r["seed"] == 0]
    assert (synthetic["synthetic_tiles"], synthetic["real_patients"]) == (6, None)


def test_again_it_only_reports(root):
    before = {path: path.stat().st_mtime_ns for path in root.rglob("*.safetensors")}
    main(["eval", "utility", "--config", str(root / "utility.toml")])
    assert {path: path.stat().st_mtime_ns for path in root.rglob("*.safetensors")} == before


def copied(root, tmp_path):
    """The data of an experiment at the same place, its results elsewhere."""
    text = (root / "utility.toml").read_text()
    text = text.replace(f'"{root}/experiment"', f'"{tmp_path}/experiment"')
    (tmp_path / "utility.toml").write_text(text)
    return tmp_path / "utility.toml"


def test_in_parts_it_is_the_same(root, tmp_path, capsys):
    config = copied(root, tmp_path)
    for number in (2, 1):
        main(["eval", "utility", "--config", str(config), "--part", f"{number}/2"])
    assert "3 trainings are missing" in capsys.readouterr().out
    main(["eval", "utility", "--config", str(config), "--report"])
    assert lasting(tmp_path) == lasting(root)


def test_what_was_lost_is_made_again_alike(root, tmp_path):
    config = copied(root, tmp_path)
    shutil.copytree(root / "experiment", tmp_path / "experiment")
    trainings = tmp_path / "experiment/trainings"
    shutil.rmtree(trainings / "real-0.5-seed-1")
    (trainings / "synthetic-1-seed-0/test.json").unlink()
    # Killed between its second and third step.
    cut = trainings / "real-1-seed-0"
    for path in (cut / "model", cut / "checkpoints/step-00000003"):
        shutil.rmtree(path)
    (cut / "test.json").unlink()
    main(["eval", "utility", "--config", str(config)])
    assert lasting(tmp_path) == lasting(root)


def test_a_report_of_what_is_there_says_what_is_missing(root, tmp_path, capsys):
    config = copied(root, tmp_path)
    shutil.copytree(root / "experiment", tmp_path / "experiment")
    shutil.rmtree(tmp_path / "experiment/trainings/synthetic-1-seed-1")
    with pytest.raises(SystemExit) as stopped:
        main(["eval", "utility", "--config", str(config), "--report"])
    assert stopped.value.code == 1
    assert "1 of 6 trainings are not done, such as synthetic-1-seed-1" in capsys.readouterr().err
    names = [n["name"] for n in result_of(tmp_path)["numbers"] if n["details"]["arm"] != "real"]
    assert "mean_dice" in names
    assert "mean_dice_difference" not in names


def test_another_margin_is_refused(root, tmp_path, capsys):
    config = copied(root, tmp_path)
    shutil.copytree(root / "experiment", tmp_path / "experiment")
    config.write_text(config.read_text().replace("margin = 0.1", "margin = 0.3"))
    with pytest.raises(SystemExit) as stopped:
        main(["eval", "utility", "--config", str(config)])
    assert stopped.value.code == 2
    assert "experiment.margin changed" in capsys.readouterr().err


def test_a_dry_run_names_the_trainings(root, capsys):
    main(["eval", "utility", "--config", str(root / "utility.toml"), "--dry-run"])
    printed = capsys.readouterr().out
    assert "6 trainings: real-0.5-seed-0, real-1-seed-0, synthetic-1-seed-0" in printed
    assert "margin = 0.1" in printed


def test_it_says_whom_generators_may_see(root, capsys):
    main(["eval", "utility", "--config", str(root / "utility.toml"), "--patients"])
    header, *rows = capsys.readouterr().out.splitlines()
    assert header == "share,seed,patient"
    assert len([row for row in rows if row.startswith("0.5,0,")]) == 3
    assert [row[-1] for row in rows if row.startswith("1.0,0,")] == list("abcdef")


def test_a_damaged_test_is_told(root, tmp_path):
    config = replace_folder(root, tmp_path)
    shutil.copytree(root / "experiment", tmp_path / "experiment")
    cell = cells_of(config)[0]
    (folder_of(cell, config) / "test.json").write_text("{}")
    with pytest.raises(Exception, match=r"test\.json is damaged"):
        find_outcome(cell, Sources(config), config)


def test_other_data_are_refused(root, tmp_path):
    config = replace_folder(root, tmp_path)
    shutil.copytree(root / "experiment", tmp_path / "experiment")
    sources = Sources(config)
    (cell, *_) = cells_of(config)
    path = folder_of(cell, config) / "test.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"data_sha256": "other"}))
    with pytest.raises(ConfigError, match="other real, synthetic or test tiles"):
        find_outcome(cell, sources, config)


@pytest.mark.slow
def test_killed_again_and_again_it_ends_alike(root, tmp_path):
    """Each start is killed a little later than the one before, until one is done."""
    config = copied(root, tmp_path)
    trainings = tmp_path / "experiment/trainings"
    command = [*HISTOSYN, "eval", "utility", "--config", str(config)]
    code, kills = None, 0
    while code != 0:
        with started(command) as process:
            seen = len(list(trainings.rglob("metrics.jsonl")))
            wait_until(
                lambda process=process, seen=seen: (
                    process.poll() is not None or len(list(trainings.rglob("metrics.jsonl"))) > seen
                )
            )
            code = process.poll()
            if code is None:
                time.sleep(0.1 * kills)
                process.send_signal(signal.SIGKILL)
                kills += 1
    assert kills >= 3
    assert lasting(tmp_path) == lasting(root)


def replace_folder(root, tmp_path):
    config = read_utility(root / "utility.toml")
    return replace(config, experiment=replace(config.experiment, folder=tmp_path / "experiment"))


def outcome(arm, seed, right, *, patients=12, share=1.0, luck=0.0):
    """A segmenter that is right about so large a share of the pixels of every class."""
    random = np.random.default_rng(seed + 100 * hash(arm == "real"))
    confusion = np.zeros((patients, K, K), dtype=np.int64)
    for unit in range(patients):
        good = round(1000 * min(max(right + luck * random.normal(), 0), 1))
        confusion[unit] = np.diag([good] * K) + np.diag([1000 - good] * (K - 1), 1)
        confusion[unit, -1, 0] = 1000 - good
    return Outcome(
        cell=Cell(arm=arm, share=share, seed=seed),
        units=tuple(f"patient {unit}" for unit in range(patients)),
        confusion_UKK=confusion,
        tiles=patients,
        segmenter_sha256="0",
        training={},
    )


def statement_of(root, synthetic, *, luck=0.0, patients=12, seeds=(0, 1)):
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
    assert difference.value == pytest.approx(right - 0.8)


def test_what_varies_too_much_is_not_shown(root):
    difference, _ = statement_of(root, 0.72, luck=0.3)
    assert "not shown to be non-inferior" in difference.details["statement"]
    assert not difference.details["equivalence"]["equivalent"]


def test_one_patient_shows_nothing(root):
    difference, result = statement_of(root, 0.8, patients=1)
    assert difference.interval is None
    assert difference.details["statement"].endswith("nothing is shown by one test patient")
    assert any("1 test patients" in warning for warning in result.warnings)


def test_one_seed_shows_nothing(root):
    difference, result = statement_of(root, 0.8, seeds=(0,))
    assert difference.interval is not None
    assert difference.details["statement"].endswith("nothing is shown by one seed")
    assert "whose chance is left out" in difference.interval_method
    assert any("Fewer than 3 seeds" in warning for warning in result.warnings)


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
