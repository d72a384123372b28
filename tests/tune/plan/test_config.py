"""Sweep files: read strictly, candidates ready to train, and differences by name."""

import inspect
import json
import re
import textwrap
import tomllib
from dataclasses import replace
from pathlib import Path

import pytest

from histosyn.config.file import as_toml, from_dict
from histosyn.config.train import TrainConfig
from hpc.errors import ConfigError, InputError
from launch.commands.tune import tune
from tune.plan.config import read_sweep, sweep_from_dict
from tune.plan.objective import EARLIER
from tune.plan.trial_folder import TrialFolder

EXAMPLE = Path(__file__).parents[3] / "examples" / "sweep.toml"
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
        (
            "sweep",
            "processes_per_trial = 3",
            "batch = 8 cannot be shared evenly by the 3 processes",
        ),
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

    monkeypatch.setattr("histosyn.config.learning.LossConfig.__post_init__", contradict)
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


def test_the_first_trial_is_the_base_itself_and_those_of_start_follow():
    sweep = read(f"{SWEEP}\n[[start]]\noptimizer.generator_lr = 0.5\n")
    first, second, third = (sweep.candidate(number) for number in range(3))

    assert first.origin == "defaults"
    assert first.training == replace(sweep.train, run=first.training.run)
    assert first.values == {"optimizer.generator_lr": 4e-4}
    assert (second.origin, second.values) == ("start", {"optimizer.generator_lr": 0.5})
    assert third.origin == "random"


def test_a_grid_has_all_points_once_beside_the_defaults():
    text = SWEEP.replace("{ log_uniform = [1e-5, 1e-3] }", "{ choice = [4e-4, 1e-3] }")
    text = text.replace("[sweep]\n", 'loss.r1 = {choice = [0, 1, 2]}\n[sweep]\nsampler = "grid"\n')
    sweep = read(text)
    points = [sweep.candidate(number).values for number in range(sweep.sweep.samples)]

    assert sweep.sweep.samples == 6, "the defaults are a point of it"
    assert len({repr(point) for point in points}) == 6
    assert [sweep.candidate(number).origin for number in (0, 1)] == ["defaults", "grid"]
    few = read(text.replace("[sweep]\n", "[sweep]\nsamples = 3\n"))
    assert [few.candidate(number).values for number in range(3)] == points[:3]


def test_what_a_model_suggests_is_not_known_before(tmp_path):
    sweep = read(SWEEP.replace("[sweep]\n", '[sweep]\nsampler = "tpe"\n'))

    assert sweep.suggestion(0).origin == "defaults"
    assert sweep.suggestion(1) is None
    with pytest.raises(ConfigError, match="Trial 1 of .* has not begun"):
        sweep.candidate(1)


def test_a_trial_is_what_was_written_down(tmp_path):
    sweep = read(SWEEP, folder=f'"{tmp_path}"')
    other = replace(sweep.suggestion(3), values={"optimizer.generator_lr": 0.25})
    TrialFolder(sweep.trial_folder(3)).suggest(other)

    assert sweep.candidate(3).training.optimizer.generator_lr == 0.25


def test_trials_see_as_many_images_whatever_their_batch():
    text = SWEEP.replace("[sweep]\n", "data.global_batch = {choice = [4, 16]}\n[sweep]\n")
    for number in range(8):
        trial = read(text).candidate(number)
        assert trial.training.run.steps * trial.training.data.global_batch == 2000 * 8
        assert trial.evaluate_every * trial.training.data.global_batch == 500 * 8
    assert read(text).place(step=250, images_seen=4000) == 500

    with pytest.raises(ConfigError, match="data.global_batch = 7 does not divide the 16000 images"):
        read(text.replace("[4, 16]", "[7]"))


def test_a_sweep_that_was_begun_before_goes_on_as_it_was(tmp_path):
    """Its record has no objective. Nothing of it was the defaults, and steps were equal."""
    text = SWEEP.replace("[sweep]\n", "data.global_batch = {choice = [7, 8]}\n[sweep]\n")
    text = text.replace("sweeps/one", str(tmp_path))
    (tmp_path / "sweep.toml").write_text(text)
    (tmp_path / "sweep.json").write_text('{"train": {}, "search": {}, "sweep": {}}')

    sweep = read_sweep(tmp_path / "sweep.toml")

    assert sweep.earlier
    assert sweep.objective == EARLIER
    assert {sweep.candidate(number).origin for number in range(16)} == {"random"}
    assert {sweep.candidate(number).training.run.steps for number in range(16)} == {2000}
    assert not {"objective", "start"} & sweep.as_plain().keys()
    again = sweep_from_dict(json.loads(json.dumps(sweep.as_plain())), "F", earlier=True)
    assert again.differences(sweep) == []


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ('sampler = "bayes"', "sweep.sampler = 'bayes' must be one of random, grid, tpe"),
        ('stopping = "never"', "sweep.stopping = 'never' must be one of asha, median, none"),
        ('sampler = "grid"', "sampler = grid tries each value, and optimizer.generator_lr has"),
        ("repeat_best = [1, 1]", "repeat_best = .* names a seed twice"),
        ("repeat_best = [0]", "repeat_best = .* holds train.run.seed"),
        ("[objective.kid]", "unknown measure objective.kid"),
        ("[objektive]", r"unknown table \[objektive\]; did you mean \[objective\]"),
        ('[objective.distance]\nextractor = "efficientnet-lite0"', "takes part in training"),
    ],
)
def test_how_to_search_is_read_strictly(more, message):
    table = more if more.startswith("[") else f"[sweep]\n{more}"
    with pytest.raises(ConfigError, match=message):
        read(SWEEP.replace("[sweep]\n", f"{table}\n" + ("[sweep]\n" if table == more else "")))


def test_more_than_a_grid_has_and_seeds_that_are_searched_are_refused():
    text = SWEEP.replace("{ log_uniform = [1e-5, 1e-3] }", "{ choice = [1e-4, 1e-3] }")
    with pytest.raises(ConfigError, match="samples = 9, but the grid has 3 trials"):
        read(text.replace("[sweep]\n", '[sweep]\nsampler = "grid"\nsamples = 9\n'))
    text = text.replace("[sweep]\n", "run.seed = {choice = [5, 6]}\n[sweep]\nrepeat_best = [1]\n")
    with pytest.raises(ConfigError, match="run.seed is searched, so that sweep.repeat_best"):
        read(text)
