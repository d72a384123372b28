"""Sweep files: read strictly, candidates ready to train, and differences by name."""

import inspect
import json
import re
import textwrap
import tomllib
from pathlib import Path

import pytest

from histosyn.config.file import as_toml, from_dict
from histosyn.config.train import TrainConfig
from hpc.errors import ConfigError, InputError
from launch.commands.tune import tune
from tune.config import read_sweep, sweep_from_dict

EXAMPLE = Path(__file__).parents[2] / "examples" / "sweep.toml"
SWEEP = """
[train.data]
shards = "packed/train"
[train.run]
steps = 2000
[search]
optimizer.generator_lr = { log_uniform = [1e-5, 1e-3] }
[sweep]
folder = "sweeps/one"
validation = "packed/val"
"""


def read(text=SWEEP, **replacements):
    for old, new in replacements.items():
        text = re.sub(rf"^{old} = .*$", f"{old} = {new}", text, flags=re.MULTILINE)
    return sweep_from_dict(tomllib.loads(text), "sweep.toml")


def with_line(table, line):
    return read(SWEEP.replace(f"[{table}]\n", f"[{table}]\n{line}\n"))


def test_paths_are_absolute(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    sweep = read()

    assert sweep.train.data.shards == tmp_path / "packed/train"
    assert sweep.sweep.validation == tmp_path / "packed/val"
    assert sweep.trial_folder(3) == tmp_path / "sweeps/one/trials/0003"


def test_a_candidate_is_the_base_with_other_values():
    sweep = read()
    candidate = sweep.candidate(2)

    assert candidate.number == 2
    assert set(candidate.values) == {"optimizer.generator_lr"}
    assert candidate.training.optimizer.generator_lr == candidate.values["optimizer.generator_lr"]
    assert candidate.training.run.folder == sweep.trial_folder(2)
    assert candidate.training.run.steps == 2000
    assert candidate.training.generator == sweep.train.generator


@pytest.mark.parametrize(("gpus", "device"), [("0", "cpu"), ("0.5", "cuda"), ("1", "cuda")])
def test_trials_compute_where_they_have_resources(gpus, device):
    sweep = with_line("sweep", f"gpus_per_trial = {gpus}")

    assert sweep.candidate(0).training.run.device == device


def test_the_best_run_is_one_of_its_own():
    sweep = with_line("sweep", "gpus_per_trial = 1")
    best = sweep.best_training(1)

    assert best.optimizer == sweep.candidate(1).training.optimizer
    assert best.run.folder == sweep.sweep.folder / "best"
    assert best.run.device == "auto"
    assert from_dict(TrainConfig, tomllib.loads(as_toml(best)), "best.toml") == best


def test_more_samples_keep_the_first_ones():
    few, many = with_line("sweep", "samples = 3"), with_line("sweep", "samples = 9")

    assert [few.candidate(n) for n in range(3)] == [many.candidate(n) for n in range(3)]


@pytest.mark.parametrize(
    ("table", "line", "message"),
    [
        ("sweep", "sampels = 3", "unknown key sweep.sampels; did you mean sweep.samples"),
        ("sweep", "samples = 0", "sweep.samples = 0 must be at least 1"),
        ("sweep", "samples = 2.5", "sweep.samples = 2.5 must be a whole number"),
        ("sweep", "evaluation_tiles = 1", "sweep.evaluation_tiles = 1 must be at least 2"),
        ("sweep", "gpus_per_trial = -1", "sweep.gpus_per_trial = -1.0 must be at least 0"),
        ("sweep", "max_concurrent = 0", "sweep.max_concurrent = 0 must be at least 1"),
        ("sweep", "reduction_factor = 1", "sweep.reduction_factor = 1.0 must exceed 1"),
        ("sweep", "evaluate_every = 1001", "more than sweep.grace_period = 1000"),
        ("sweep", "grace_period = 2001", "more than train.run.steps = 2000"),
        ("train.run", "seeds = 1", "unknown key train.run.seeds; did you mean train.run.seed"),
        ("train.data", "global_batch = 'x'", "train.data.global_batch = 'x' must be a whole"),
        ("search", "optimizer.beta3 = {uniform = [0, 1]}", "did you mean optimizer.beta"),
        ("serach", "", r"unknown table \[serach\]; did you mean \[search\]"),
    ],
)
def test_what_is_wrong_is_named(table, line, message):
    text = SWEEP if f"[{table}]" in SWEEP else f"{SWEEP}[{table}]\n"
    with pytest.raises(ConfigError, match=message) as caught:
        read(text.replace(f"[{table}]\n", f"[{table}]\n{line}\n"))
    assert str(caught.value).startswith("sweep.toml")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({}, "train.data is missing"),
        ({"train": 3}, "train must be a table, not 3"),
        ({"train": {"data": {"shards": "a"}}}, r"\[search\] is empty"),
        (
            {
                "train": {"data": {"shards": "a"}},
                "search": {"loss.adversarial": {"choice": [1]}},
            },
            "sweep.validation is missing",
        ),
    ],
)
def test_what_is_missing_is_named(data, message):
    with pytest.raises(ConfigError, match=message):
        sweep_from_dict(data, "sweep.toml")


def test_candidates_that_contradict_themselves_are_found_before_any_training(monkeypatch):
    def contradict(self):
        if self.adversarial > 0.5 and self.feature_matching > 0.5:
            raise ConfigError("too much of both")

    monkeypatch.setattr("histosyn.config.train.LossConfig.__post_init__", contradict)
    search = "loss.adversarial = {choice = [0.1, 1]}\nloss.feature_matching = {choice = [0.1, 1]}"
    text = SWEEP.replace("[train.run]", "[train.loss]\nadversarial = 0.1\nfeature_matching = 0.1\n"
                         "[train.run]")  # fmt: skip

    with pytest.raises(ConfigError, match=r"candidate \d+: too much of both"):
        read(text.replace("[search]\n", f"[search]\n{search}\n"))


def test_the_plain_form_reads_back():
    sweep = with_line("search", 'data.shards = {choice = ["a", "b"]}')

    assert sweep_from_dict(json.loads(json.dumps(sweep.as_plain())), "sweep.json") == sweep


def test_differences_are_named():
    other = read(steps="3000", folder='"elsewhere"')
    other = sweep_from_dict(
        other.as_plain() | {"search": {"loss.adversarial": {"choice": [1.0]}}}, "F"
    )

    assert read().differences(other) == [
        "train.run.steps",
        "search.loss.adversarial",
        "search.optimizer.generator_lr",
        "sweep.folder",
    ]
    assert read().differences(read()) == []


def test_a_missing_file_and_a_broken_one_are_named(tmp_path):
    with pytest.raises(InputError, match=r"configuration: .*none\.toml does not exist"):
        read_sweep(tmp_path / "none.toml")
    (tmp_path / "broken.toml").write_text("[train")
    with pytest.raises(ConfigError, match=r"broken\.toml is not valid TOML"):
        read_sweep(tmp_path / "broken.toml")


def test_the_example_and_the_help_are_sweep_files():
    (text,) = re.findall(r"```toml\n(.*?)```", inspect.getdoc(tune), flags=re.DOTALL)
    (tune_help, example) = read(textwrap.dedent(text)), read_sweep(EXAMPLE)

    assert set(tune_help.space) == {"optimizer.generator_lr", "loss.feature_matching"}
    assert example.sweep.grace_period < example.train.run.steps
