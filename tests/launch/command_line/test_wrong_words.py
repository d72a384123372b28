"""Natural mistakes are answered with the right word."""

from __future__ import annotations

from pathlib import Path

import pytest
from tissue import write_folders

from histosyn.config.presets import PRESETS
from launch.cli import main


def told(capsys: pytest.CaptureFixture[str], *tokens: object) -> str:
    """What a command that is refused says."""
    with pytest.raises(SystemExit) as stop:
        main([str(token) for token in tokens])
    assert stop.value.code == 2
    return capsys.readouterr().err


TRAIN = ["train", "--data.shards", "x"]


@pytest.mark.parametrize(
    "tokens, parts",
    [
        ([*TRAIN, "--lr", "1"], ["--optimizer.generator-lr or --optimizer.discriminator-lr"]),
        ([*TRAIN, "--learning-rate", "1"], ["--optimizer.generator-lr"]),
        ([*TRAIN, "--epochs", "3"], ["--run.steps", "counted in steps"]),
        ([*TRAIN, "--batch-size=3"], ["Unknown option: --batch-size.", "--data.global-batch"]),
        ([*TRAIN, "--batchSize", "3"], ["--data.global-batch"]),
        ([*TRAIN, "--gpus", "2"], ["--processes"]),
        ([*TRAIN, "--gpu_ids", "0,1"], ["--processes", "CUDA_VISIBLE_DEVICES"]),
        ([*TRAIN, "--resume"], ["the same command, given again, goes on where it stopped"]),
        ([*TRAIN, "--continue_train"], ["the same command, given again"]),
        ([*TRAIN, "--input_nc", "3"], ["label schema of the shards"]),
        (["train", "--dataroot", "x"], ["--data.shards"]),
        ([*TRAIN, "--name", "first"], ["--run.folder"]),
        ([*TRAIN, "--gan_mode", "lsgan"], ["--loss.objective", "least_squares"]),
        ([*TRAIN, "--output", "x"], ["--run.folder"]),
        ([*TRAIN, "--amp"], ["--run.precision", "bfloat16"]),
        ([*TRAIN, "--fp16"], ["--run.precision"]),
        ([*TRAIN, "--val", "0.2"], ["histosyn pack --val 0.2"]),
        ([*TRAIN, "--image-size", "256"], ["--data.crop"]),
        ([*TRAIN, "--lambda_feat", "10"], ["--loss.feature-matching"]),
        ([*TRAIN, "--steps", "10"], ["--run.steps"]),
        ([*TRAIN, "--run.stepps", "10"], ["Did you mean --run.steps?"]),
        (["train", "--lr", "1"], ["--optimizer.generator-lr"]),
        (["train", "--val", "0.2"], ["packed/val"]),
        (["pack", "a", "b", "c", "--patients", "x.csv"], ["--groups"]),
        (["pack", "a", "b", "c", "--image-size", "256"], ["--tile-size"]),
        (["pack", "a", "b", "--output", "c"], ["OUT"]),
        (["synth", "a", "b", "--output-dir", "c"], ["--out"]),
        (["synth", "a", "b", "c", "--num-samples", "3"], ["--variants"]),
        ([*TRAIN, "--netG", "spade"], ["--generator.modulation"]),
        ([*TRAIN, "--use_vae"], ["--generator.stain"]),
        (["synth", "a", "b", "c", "--batch-size", "3"], ["--processes"]),
        (["tune", "--num-samples", "3"], ["[sweep]"]),
        (["synth", "a", "b", "c", "--resume"], ["the same command, given again"]),
        (["eval", "fid", "a", "b", "--gpus", "2"], ["--processes"]),
        (["submit", "train", "--lr", "1"], ["--optimizer.generator-lr", "submit train --help"]),
        (["submit", *TRAIN, "--partition", "gpu"], ["site file", "histosyn init site"]),
        (["generate"], ["histosyn synth"]),
        (["predict"], ["histosyn synth"]),
        (["sample"], ["histosyn synth"]),
        (["infer"], ["histosyn synth"]),
        (["fid", "a", "b"], ["histosyn eval fid"]),
        (["version"], ["histosyn --version"]),
        (["help"], ["histosyn --help"]),
        (["eval", "fdi"], ["histosyn eval fid"]),
        (["xyzzy"], ["phantom", "train", "tune", "eval", "submit"]),
    ],
    ids=" ".join,
)
def test_the_right_word_is_named(
    tokens: list[str], parts: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    message = told(capsys, *tokens)
    for part in parts:
        assert part in message


def test_a_note_is_given_only_where_it_is_true(capsys: pytest.CaptureFixture[str]) -> None:
    assert "given again" not in told(capsys, "paint", "--resume")


def test_a_missing_argument_is_told_if_all_words_are_right(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert "--data.shards is missing" in told(capsys, "train", "--run.steps", "3")


def test_epochs_are_steps_of_this_data_set(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folders = write_folders(tmp_path, count=6, size=32)
    main(["pack", *map(str, folders), str(tmp_path / "packed"), "--schema", "prostate-3"])
    shards = tmp_path / "packed" / "train"
    config = tmp_path / "train.toml"
    config.write_text(f"[data]\nshards = '{shards}'\nglobal_batch = 4\n")

    line = told(capsys, "train", "--data.shards", shards, "--data.global-batch=2", "--epochs", 5)
    assert "an epoch is 3 steps, so 5 epochs are --run.steps 15." in line
    assert "--run.steps 8." in told(capsys, "train", "--config", config, "--epochs", "5")
    assert "an epoch is 1.5 steps." in told(capsys, "train", "--config", config, "--epochs", "a")


def test_v_is_the_version(capsys: pytest.CaptureFixture[str]) -> None:
    main(["-V"])
    assert capsys.readouterr().out.strip()[0].isdigit()


@pytest.mark.parametrize(
    "section, key, meant",
    [
        ("optimizer", "lr", "optimizer.generator_lr or optimizer.discriminator_lr"),
        ("run", "epochs", "run.steps"),
        ("data", "batch_size", "data.global_batch"),
        ("run", "stepps", "run.steps"),
    ],
)
def test_keys_of_a_file_are_answered_alike(
    section: str, key: str, meant: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "train.toml"
    file.write_text(f"[{section}]\n{key} = 1\n")
    assert f"did you mean {meant}?" in told(capsys, "train", "--config", file)


@pytest.mark.parametrize("name", list(PRESETS))
def test_right_words_are_taken(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    main([*TRAIN, "--preset", name, "--dry-run"])
    assert not capsys.readouterr().err
