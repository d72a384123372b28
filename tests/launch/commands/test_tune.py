"""`histosyn tune` as its users meet it, but for the trials themselves (see tests/tune)."""

import json
import shutil
import subprocess
import sys

import pytest
from damage import edit_index
from tissue import pack_blobs

from launch.cli import main
from tune.plan.config import read_sweep
from tune.plan.trial_folder import Evaluation, Outcome, TrialFolder

SWEEP = """
[train.data]
shards = "{data}"
[search]
optimizer.generator_lr = {{ log_uniform = [1e-5, 1e-3] }}
run.precision = {{ choice = ["float32", "bfloat16"] }}
[objective.distance]
extractor = "random"
[sweep]
folder = "sweep"
validation = "{data}"
samples = 3
"""
DISTANCES = {0: 2.5, 1: 1.25, 2: 7.5}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return pack_blobs(tmp_path_factory.mktemp("data"), count=6, size=32)


@pytest.fixture
def file(data, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "160")
    path = tmp_path / "sweep.toml"
    path.write_text(SWEEP.format(data=data))
    return path


@pytest.fixture
def ended(file):
    """A sweep whose trials have all ended."""
    sweep = read_sweep(file)
    for number, distance in DISTANCES.items():
        folder = TrialFolder(sweep.trial_folder(number))
        folder.path.mkdir(parents=True)
        folder.add(Evaluation(step=1000, images_seen=8000, distance=distance))
        folder.conclude(Outcome(status="finished" if number else "stopped"))
    return sweep


def tune(file, *tokens):
    main(["tune", "--config", str(file), *tokens])


def refused(file, capsys, *tokens):
    with pytest.raises(SystemExit) as caught:
        tune(file, *tokens)
    assert caught.value.code == 2
    error = capsys.readouterr().err
    assert "Traceback" not in error
    return error


def test_a_dry_run_shows_the_base_and_the_candidates(file, capsys):
    sweep = read_sweep(file)

    tune(file, "--dry-run")

    shown = capsys.readouterr().out
    assert "generator_lr = 0.0004" in shown
    assert f'shards = "{sweep.train.data.shards}"' in shown
    for number in range(3):
        values = sweep.candidate(number).values
        rate, precision = values["optimizer.generator_lr"], values["run.precision"]
        row = next(line for line in shown.splitlines() if line.startswith(f"│ {number} "))
        assert f"{rate:.4g}" in row
        assert precision in row
    assert not sweep.sweep.folder.exists()


def test_trials_are_shown_best_first(file, ended, capsys):
    tune(file)

    lines = capsys.readouterr().out.splitlines()
    rows = [line.split("│")[1:5] for line in lines if line.startswith("│")]
    assert [[cell.strip() for cell in row] for row in rows] == [
        ["1", "finished", "1000", "1.25"],
        ["0", "stopped", "1000", "2.5"],
        ["2", "finished", "1000", "7.5"],
    ]
    assert (
        lines[-1] == f"Train the best one: histosyn train --config {ended.sweep.folder}/best.toml"
    )


def test_the_best_configuration_can_be_trained(file, ended, capsys):
    tune(file)
    capsys.readouterr()

    main(["train", "--config", str(ended.sweep.folder / "best.toml"), "--dry-run"])

    shown = capsys.readouterr().out
    rate = ended.candidate(1).values["optimizer.generator_lr"]
    assert f"generator_lr = {rate!r}" in shown
    assert f'folder = "{ended.sweep.folder}/best"' in shown
    text = (ended.sweep.folder / "best.toml").read_text()
    assert text.startswith("# The best of 3 trials of `histosyn tune`: number 1, by\n")


def test_what_was_done_is_saved(file, ended):
    tune(file)

    saved = json.loads((ended.sweep.folder / "trials.json").read_text())
    assert saved["kind"] == "sweep"
    assert saved["numbers"][0]["value"] == 1.25
    assert [trial["number"] for trial in saved["tables"]["trials"]] == [1, 0, 2]


def test_a_changed_sweep_is_refused_by_field(file, ended, capsys):
    tune(file)
    file.write_text(file.read_text().replace("1e-3", "1e-2") + "seed = 1\nmax_concurrent = 2\n")

    error = refused(file, capsys)

    assert "search.optimizer.generator_lr, sweep.seed changed" in " ".join(error.split())


def test_what_does_not_decide_the_trials_may_change(file, ended, capsys):
    tune(file)
    capsys.readouterr()
    text = file.read_text().replace("[search]", "[train.run]\nreport_every = 5\n[search]")
    file.write_text(text.replace("samples = 3", "samples = 2") + "cpus_per_trial = 4\n")

    tune(file)

    rows = [line for line in capsys.readouterr().out.splitlines() if line.startswith("│")]
    assert len(rows) == 2


def test_a_sweep_that_was_moved_is_the_same_sweep(file, ended, data, capsys):
    """With its shards, as when a whole project is moved."""
    tune(file)
    ended.sweep.folder.rename(ended.sweep.folder.with_name("elsewhere"))
    moved = shutil.copytree(data, file.parent / "moved shards")
    text = file.read_text().replace('folder = "sweep"', 'folder = "elsewhere"')
    file.write_text(text.replace(str(data), str(moved)))
    capsys.readouterr()

    tune(file)

    assert "histosyn train --config " in capsys.readouterr().out
    assert not ended.sweep.folder.exists()


def test_data_sets_of_other_classes_are_refused(file, data, capsys, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    for path in data.iterdir():
        (other / path.name).write_bytes(path.read_bytes())
    edit_index(other, lambda index: index["schema"]["classes"][0].update(name="something else"))
    file.write_text(file.read_text().replace(f'shards = "{data}"', f'shards = "{other}"'))

    assert "Pack both with the same schema" in " ".join(refused(file, capsys).split())


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("samples = 3", "smaples = 3", "unknown key sweep.smaples; did you mean sweep.samples?"),
        ("1e-3", "1e-6", "the first must be the smaller"),
        (
            '"bfloat16"',
            '"float16"',
            "run.precision = 'float16' must be one of auto, float32, bfloat16",
        ),
        ("[sweep]", "[sweeps]", "unknown table [sweeps]; did you mean [sweep]?"),
    ],
)
def test_errors_name_the_file_and_the_key(file, capsys, old, new, message):
    file.write_text(file.read_text().replace(old, new))

    error = " ".join(refused(file, capsys, "--dry-run").split())

    assert message in error
    assert str(file) in error


def test_missing_validation_shards_are_named(file, capsys):
    file.write_text(file.read_text().replace("validation = ", 'validation = "nowhere" # '))

    assert "nowhere does not exist" in refused(file, capsys)


def test_without_ray_it_says_what_to_install(file):
    code = "import sys; sys.modules['ray'] = None; from launch.cli import main; main(sys.argv[1:])"
    result = subprocess.run(
        [sys.executable, "-c", code, "tune", "--config", str(file)],
        capture_output=True,
        text=True,
        check=False,
    )

    assert result.returncode == 2
    assert "A sweep needs Ray" in result.stderr
    assert "pip install 'histosyn[tune]'" in result.stderr


def test_a_sweep_that_was_begun_before_there_were_objectives_ends_as_one(file, ended, capsys):
    """Its file says nothing of one either; a file that does is of another sweep."""
    folder = ended.sweep.folder
    text = file.read_text()
    file.write_text(text.replace('[objective.distance]\nextractor = "random"\n', ""))
    plain = ended.as_plain()
    record = {name: plain[name] for name in ("train", "search", "sweep")}
    for new in ("sampler", "stopping", "repeat_best"):
        del record["sweep"][new]
    (folder / "sweep.json").write_text(json.dumps(record))

    tune(file)

    saved = json.loads((folder / "trials.json").read_text())
    assert [row["number"] for row in saved["tables"]["trials"]] == [1, 0, 2]
    assert {row["origin"] for row in saved["tables"]["trials"]} == {"random"}
    assert saved["settings"]["extractor"] == "random"
    assert "objective" not in json.loads((folder / "sweep.json").read_text())

    file.write_text(text.replace('extractor = "random"', 'extractor = "efficientnet-lite2"'))
    capsys.readouterr()
    assert "objective changed" in " ".join(refused(file, capsys).split())


@pytest.mark.parametrize(
    ("objective", "message"),
    [
        ('faithfulness]\nsegmenter = "gone"', "gone"),
        ('distance]\nextractor = "incepton"', "No extractor is called"),
        ("c2st]\nscale = 8", "objective.c2st.scale = 8"),
    ],
)
def test_what_an_objective_lacks_is_told_before_the_first_trial(file, capsys, objective, message):
    file.write_text(file.read_text().replace('distance]\nextractor = "random"', objective))

    assert message in refused(file, capsys)
    assert not (file.parent / "sweep").exists()
