"""Whole experiments: resumable, the same in parts, plain about what is shown and what is not."""

import json
import shutil
import signal
import time
from contextlib import ExitStack
from dataclasses import replace

import pytest
from experimenting import write_experiment, write_settings
from launching import HISTOSYN, started, wait_until
from PIL import Image

from eval.statistics.result import SCHEMA_VERSION
from eval.utility import trainings
from eval.utility.config import read_utility, saved_precision
from eval.utility.plan import Sources, planned_trainings
from eval.utility.trainings import find_outcome, folder_of
from hpc import precision
from hpc.errors import ConfigError
from launch.cli import main


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
    del result["tables"]["minutes"]
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


def test_all_trainings_are_computed_in_what_the_first_one_chose(tmp_path, monkeypatch):
    """Also those that another kind of device goes on with."""
    one = {"shares": "[1.0]", "arms": '["real"]', "steps": "1"}
    config = write_experiment(tmp_path, **one, seeds="[0]")
    for native, seeds in ((True, "[0]"), (False, "[0, 1]")):
        monkeypatch.setattr(precision, "computes_bfloat16", lambda device, able=native: able)
        write_settings(tmp_path, **one, seeds=seeds)
        config.write_text(config.read_text().replace('"float64"', '"auto"'))
        main(["eval", "utility", "--config", str(config)])
    result = result_of(tmp_path)
    assert result["settings"]["config"]["training"]["precision"] == "bfloat16"
    told = [json.loads(path.read_text())["training"]["precision"]
            for path in (tmp_path / "experiment/trainings").glob("*/test.json")]  # fmt: skip
    assert told == ["bfloat16"] * 2


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
    planned = planned_trainings(config)[0]
    (folder_of(planned, config) / "test.json").write_text("{}")
    with pytest.raises(Exception, match=r"test\.json is damaged"):
        find_outcome(planned, Sources(config), config)


def test_other_data_are_refused(root, tmp_path):
    config = replace_folder(root, tmp_path)
    shutil.copytree(root / "experiment", tmp_path / "experiment")
    sources = Sources(config)
    (planned, *_) = planned_trainings(config)
    path = folder_of(planned, config) / "test.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"data_sha256": "other"}))
    with pytest.raises(ConfigError, match="other real, synthetic or test tiles"):
        find_outcome(planned, sources, config)


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


def refused(config, *options, capsys):
    """What the command says that finds somebody else in the folder."""
    with pytest.raises(SystemExit) as stopped:
        main(["eval", "utility", "--config", str(config), *options])
    assert stopped.value.code == 2
    return capsys.readouterr().err


def test_of_parts_that_begin_together_one_settles_the_settings(root, tmp_path, monkeypatch):
    """Another might be on a kind of device that would choose otherwise."""
    config, held = copied(root, tmp_path), []

    def looking(folder):
        held.extend(folder.glob(".settings.lock.*"))
        return saved_precision(folder)

    monkeypatch.setattr(trainings, "saved_precision", looking)
    config.write_text(config.read_text().replace('"float64"', '"auto"'))
    with pytest.raises(SystemExit):
        main(["eval", "utility", "--config", str(config), "--report"])
    assert held
    assert not list((tmp_path / "experiment").rglob(".*"))


@pytest.mark.slow
def test_parts_work_at_once_and_nobody_else_does(root, tmp_path, capsys):
    """While one part stands still in the middle of a training."""
    config = copied(root, tmp_path)
    folder = tmp_path / "experiment"
    command = [*HISTOSYN, "eval", "utility", "--config", str(config), "--part", "1/2"]
    with started(command) as process:
        wait_until(lambda: list(folder.glob("trainings/*/metrics.jsonl")), process)
        process.send_signal(signal.SIGSTOP)
        for options in ([], ["--part", "1/2"], ["--part", "3/3"]):
            told = refused(config, *options, capsys=capsys)
            assert "Another process is working on the experiment in " in told
            assert f"It is process {process.pid} on " in told and "part 1/2, since" in told
        main(["eval", "utility", "--config", str(config), "--part", "2/2"])
        assert "3 trainings are missing" in capsys.readouterr().out
        process.send_signal(signal.SIGCONT)
        errors = process.communicate(timeout=120)[1]
        assert process.returncode == 0, errors
    main(["eval", "utility", "--config", str(config), "--report"])
    assert lasting(tmp_path) == lasting(root)
    assert not list(folder.rglob(".*"))


@pytest.mark.slow
def test_parts_that_start_together_pack_the_synthetic_tiles_once(tmp_path):
    made = {"synthetic_tiles": f'"{tmp_path}/made/tiles"',
            "synthetic_labels": f'"{tmp_path}/made/labels"', "synthetic": "[]",
            "shares": "[1.0]", "seeds": "[0]"}  # fmt: skip
    config = write_experiment(tmp_path, **made)
    command = [*HISTOSYN, "eval", "utility", "--config", str(config), "--part"]
    with ExitStack() as running:
        parts = [running.enter_context(started([*command, f"{n}/2"])) for n in (1, 2)]
        for part in parts:
            errors = part.communicate(timeout=240)[1]
            assert part.returncode == 0, errors
    # Whoever of them was the last has told the result.
    assert result_of(tmp_path)["tables"]["missing"] == []
    packed = json.loads((tmp_path / "experiment/synthetic/train/dataset.json").read_text())
    assert packed["samples"] == 6
    assert not list((tmp_path / "experiment").rglob(".*"))


@pytest.mark.slow
def test_a_part_that_was_killed_keeps_nobody_out(root, tmp_path):
    config = copied(root, tmp_path)
    folder = tmp_path / "experiment"
    command = [*HISTOSYN, "eval", "utility", "--config", str(config), "--part", "1/2"]
    with started(command) as process:
        wait_until(lambda: list(folder.glob("trainings/*/metrics.jsonl")), process)
        process.kill()
        process.wait()
    main(["eval", "utility", "--config", str(config)])
    assert lasting(tmp_path) == lasting(root)
    assert not list(folder.rglob(".*"))


NAMES = ("mean_dice", "mean_dice_difference")
ALL_ARMS = {"arms": '["real", "augmentation", "real+synthetic", "synthetic"]', "shares": "[1.0]"}


@pytest.mark.slow
def test_all_arms_killed_once_and_resumed(tmp_path):
    """Killed while it learns from both kinds of tiles; nothing that was done is done again."""
    whole = write_experiment(tmp_path / "whole", **ALL_ARMS, steps="15")
    main(["eval", "utility", "--config", str(whole)])
    require_all_arms(result_of(tmp_path / "whole"))
    config = copied(tmp_path / "whole", tmp_path)
    trainings = tmp_path / "experiment/trainings"
    cut = trainings / "real-and-synthetic-1-seed-0"
    with started([*HISTOSYN, "eval", "utility", "--config", str(config)]) as process:
        wait_until(lambda: list(cut.glob("checkpoints/step-0000000[2-9]")), process)
        process.send_signal(signal.SIGKILL)
        process.wait()
    done = {path: path.stat().st_mtime_ns for path in trainings.glob("*/test.json")}
    assert [path.parent.name for path in sorted(done)] == [
        "augmentation-1-seed-0", "real-1-seed-0",
    ]  # fmt: skip
    reported = (cut / "metrics.jsonl").read_text().splitlines()
    assert 2 <= len(reported) < 15
    main(["eval", "utility", "--config", str(config)])
    assert {path: path.stat().st_mtime_ns for path in done} == done
    steps = [json.loads(line)["step"] for line in (cut / "metrics.jsonl").read_text().splitlines()]
    assert steps == list(range(1, 16))
    assert (cut / "metrics.jsonl").read_text().startswith(reported[0] + "\n")
    assert lasting(tmp_path) == lasting(tmp_path / "whole")


def require_all_arms(result):
    """Every arm has learnt from what its name says, and has the score of its own segmenters."""
    trainings = result["tables"]["trainings"]
    assert len({row["segmenter_sha256"] for row in trainings}) == len(trainings) == 4 * 2
    seen = {
        arm: {(row["real_tiles"], row["synthetic_tiles"]) for row in trainings if row["arm"] == arm}
        for arm in ("real", "augmentation", "real+synthetic", "synthetic")
    }
    assert seen == {
        "real": {(12, None)}, "augmentation": {(12, None)},
        "real+synthetic": {(12, 6)}, "synthetic": {(None, 6)},
    }  # fmt: skip
    named = {name: [n for n in result["numbers"] if n["name"] == name] for name in NAMES}
    scores = {n["details"]["arm"]: n["value"] for n in named["mean_dice"]}
    for arm in seen:
        own = [row["mean_dice"] for row in trainings if row["arm"] == arm]
        assert scores[arm] == pytest.approx(sum(own) / 2)
    differences = {n["details"]["arm"]: n for n in named["mean_dice_difference"]}
    assert list(differences) == ["augmentation", "real+synthetic", "synthetic"]
    for arm, number in differences.items():
        assert number["value"] == pytest.approx(scores[arm] - scores["real"])
        assert "against real at 100%: " in number["details"]["statement"]


def replace_folder(root, tmp_path):
    config = read_utility(root / "utility.toml")
    return replace(config, experiment=replace(config.experiment, folder=tmp_path / "experiment"))
