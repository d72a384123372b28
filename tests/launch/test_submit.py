"""`histosyn submit train`: a readable job file, checked before it is queued."""

import os
import shutil
import stat
import subprocess
from pathlib import Path

import pytest

from hpc.errors import InputError
from launch.cli import main
from launch.site import Site, load_site
from launch.slurm import TrainJob, render_train

EXAMPLE = Path(__file__).parents[2] / "examples" / "site.toml"
GOLDEN = Path(__file__).parent / "golden" / "train.sbatch"
PLAIN = "gpus_per_node = 2\ncpus_per_task = 8\n"
ARGUMENTS = ("--data.shards", "my data/train", "--run.folder", "runs/100% of $HOME")


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """A project's folder with a site file."""
    monkeypatch.chdir(tmp_path)
    Path("site.toml").write_text(PLAIN)
    return tmp_path


@pytest.fixture
def sbatch(tmp_path, monkeypatch):
    """Puts a stand-in on the PATH: sbatch with the given shell lines."""

    def install(lines):
        path = tmp_path / "bin" / "sbatch"
        path.parent.mkdir()
        path.write_text(f"#!/bin/sh\n{lines}\n")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
        monkeypatch.setenv("PATH", str(path.parent), prepend=os.pathsep)

    return install


def submit(*tokens):
    """Exit code of `histosyn submit train`."""
    try:
        main(["submit", "train", *tokens])
    except SystemExit as end:
        return end.code
    return 0


def rendered(site=None, arguments=("--data.shards", "d"), folder="runs/a", nodes=2):
    job = TrainJob(arguments=arguments, folder=Path(folder), nodes=nodes, time="1:00:00")
    return render_train(site or Site(gpus_per_node=0, cpus_per_task=2), job)


def directives(text):
    return [line for line in text.splitlines() if line.startswith("#SBATCH")]


def test_the_job_file_is_as_it_was():
    job = TrainJob(
        arguments=("--config", "train.toml", *ARGUMENTS, "--data.global-batch=16"),
        folder=Path(ARGUMENTS[-1]),
        nodes=2,
        time="12:00:00",
    )

    assert render_train(load_site(EXAMPLE), job) == GOLDEN.read_text()


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash here")
@pytest.mark.parametrize(
    "text",
    [
        GOLDEN.read_text(),
        rendered(),
        rendered(Site(gpus_per_node=1, cpus_per_task=1, container="my image.sif", scratch="/s")),
    ],
    ids=["golden", "bare", "container"],
)
def test_the_shell_can_read_it(text):
    assert subprocess.run(["bash", "-n"], input=text, text=True, check=False).returncode == 0


def test_a_bare_site_leaves_no_trace_of_what_it_does_not_say():
    text = rendered()

    assert "@" not in text and "None" not in text
    assert "\n\n\n" not in text
    for absent in ("--partition", "--account", "--gpus", "--mem", "module", "TMPDIR", "apptainer"):
        assert absent not in text
    assert "--nproc-per-node=1 " in text


def test_all_directives_come_before_the_first_command():
    lines = rendered(load_site(EXAMPLE)).splitlines()
    first_command = next(i for i, line in enumerate(lines) if line and not line.startswith("#"))

    assert not any(line.startswith("#SBATCH") for line in lines[first_command:])


def test_a_container_sees_gpus_and_scratch():
    site = Site(gpus_per_node=1, cpus_per_task=1, container="my image.sif", scratch="/s")

    assert """ apptainer exec --nv --bind "$TMPDIR" 'my image.sif' torchrun """ in rendered(site)


def test_a_fixed_meeting_point():
    site = Site(
        gpus_per_node=0, cpus_per_task=1, rendezvous_address="127.0.0.1", rendezvous_port=29500
    )

    assert "address=127.0.0.1\nport=29500\n" in rendered(site)


def test_arguments_reach_the_trainer_as_they_are(folder):
    awkward = ("--data.shards", "it's $HOME; `date`", "--run.folder", 'a "b" \\ *', "--x=a  b")
    text = rendered(arguments=awkward)
    command = text[text.index("    --no-python") :].replace("--no-python histosyn train", "")

    result = subprocess.run(
        ["bash", "-c", f"printf '%s\\n' {command.lstrip()}"], capture_output=True, text=True
    )

    assert tuple(result.stdout.splitlines()) == awkward


def test_a_line_break_in_the_run_folder_is_refused():
    with pytest.raises(InputError, match="line break"):
        rendered(folder="runs/a\n#SBATCH --uid=0")


def test_dry_run_prints_the_job_file_and_does_nothing(capsys, folder):
    assert submit("--nodes", "2", "--dry-run", "--time", "30", *ARGUMENTS) == 0

    printed = capsys.readouterr().out
    assert "#SBATCH --nodes=2" in directives(printed)
    assert "#SBATCH --time=30" in directives(printed)
    assert "    --data.shards 'my data/train' \\\n" in printed
    assert {path.name for path in folder.iterdir()} == {"site.toml"}


def test_arguments_may_be_set_apart(capsys):
    submit("--dry-run", *ARGUMENTS)
    together = capsys.readouterr().out
    submit("--dry-run", "--", *ARGUMENTS)

    assert capsys.readouterr().out == together


def test_settings_may_come_from_a_file(capsys):
    Path("train.toml").write_text('[data]\nshards = "s"\n[run]\nfolder = "runs/from file"\n')

    submit("--dry-run", "--config", "train.toml")

    assert "#SBATCH --output='runs/from file/slurm-%j.log'" in directives(capsys.readouterr().out)


@pytest.mark.parametrize(
    ("tokens", "message"),
    [
        (["--data.shards", "d", "--run.foldr", "a"], "Did you mean --run.folder?"),
        (["--data.shards", "d", "--run.steps", "0"], "run.steps = 0 must be at least 1"),
        (["--data.shards", "d", "--config", "absent.toml"], "absent.toml does not exist"),
        (["--run.folder", "a"], "--data.shards is missing"),
        (["--data.shards", "d", "--nodes", "3"], "data.global_batch = 8 cannot be shared evenly "
         "by 6 processes (3 nodes, 2 on each)"),
        (["--data.shards", "d", "--nodes", "0"], "--nodes"),
        (["--data.shards", "d", "--time", "3h"], "time = '3h' must look like HH:MM:SS"),
        (["--data.shards", "d", "--site", "absent.toml"], "absent.toml does not exist"),
        (["--", "--data.shards", "d", "--dry-run"], "does not train"),
        (["--data.shards", "d"], "sbatch is not on this machine's PATH"),
    ],
)  # fmt: skip
def test_what_cannot_run_is_told_before_it_is_queued(tokens, message, capsys, monkeypatch, folder):
    monkeypatch.setenv("PATH", "/nowhere")

    assert submit(*tokens) == 2

    assert message in capsys.readouterr().err
    assert not Path("runs").exists()


def test_submission_keeps_the_job_file_and_tells_how_to_follow(sbatch, capsys):
    sbatch('echo "$@" > sbatch.log; echo "4711;cluster"')
    Path("my data/train").mkdir(parents=True)

    assert submit(*ARGUMENTS) == 0

    told = capsys.readouterr()
    job_file = Path(ARGUMENTS[-1]) / "train.sbatch"
    assert Path("sbatch.log").read_text() == f"--parsable {job_file}\n"
    assert "#SBATCH --output='runs/100%% of $HOME/slurm-%j.log'" in job_file.read_text()
    assert "Submitted job 4711" in told.out
    assert "tail -F 'runs/100% of $HOME/slurm-4711.log'" in told.out
    assert told.err == ""


def test_shards_that_are_not_here_are_a_warning(sbatch, capsys):
    sbatch("echo 1")

    assert submit(*ARGUMENTS) == 0

    assert "there is no my data/train here" in capsys.readouterr().err


def test_a_refusal_is_told(sbatch, capsys):
    sbatch('echo "sbatch: error: invalid partition specified: gpuu" >&2; exit 1')

    assert submit(*ARGUMENTS) == 2

    assert "invalid partition specified: gpuu" in capsys.readouterr().err
