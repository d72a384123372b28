"""`histosyn submit`: readable job files, checked before they are queued."""

import os
import re
import shutil
import stat
import subprocess
from pathlib import Path

import pytest

from hpc.errors import InputError
from launch.cli import main
from launch.jobs import slurm
from launch.jobs.job_file import (
    Request,
    eval_job,
    pack_job,
    synth_job,
    train_job,
    tune_job,
    tune_join_job,
)
from launch.jobs.site import Site, load_site

EXAMPLE = Path(__file__).parents[3] / "examples" / "site.toml"
GOLDEN = Path(__file__).parents[1] / "golden"
PLAIN = "gpus_per_node = 2\ncpus_per_task = 8\n"
# A shell would run or replace what is in these names. The first is in the golden job file; in a
# folder that is given to `submit`, variables are replaced beforehand.
AWKWARD = ("--data.shards", "my data/train", "--run.folder", "runs/100% of $HOME")
ARGUMENTS = (*AWKWARD[:-1], "runs/100% of `HOME`")
SWEEP = """
[train.data]
shards = "packed/train"
[search]
optimizer.generator_lr = { log_uniform = [1e-5, 1e-3] }
[sweep]
folder = "runs/sweeps/first"
validation = "packed/val"
"""


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """A project's folder with a site file."""
    monkeypatch.chdir(tmp_path)
    Path("site.toml").write_text(PLAIN)
    return tmp_path


@pytest.fixture
def sbatch(tmp_path, monkeypatch):
    """Puts a stand-in on the PATH: sbatch, or another program, with the given shell lines."""

    def install(lines, name="sbatch"):
        path = tmp_path / "bin" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"#!/bin/sh\n{lines}\n")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
        monkeypatch.setenv("PATH", str(path.parent), prepend=os.pathsep)

    return install


def submit(*tokens, command=("train",)):
    """Exit code of `histosyn submit COMMAND`."""
    try:
        main(["submit", *command, *tokens])
    except SystemExit as end:
        return end.code
    return 0


def rendered(site=None, arguments=("--data.shards", "d"), folder="runs/a", nodes=2, **options):
    request = Request(arguments=arguments, folder=Path(folder), time="1:00:00")
    site = site or Site(gpus_per_node=0, cpus_per_task=2)
    return train_job(site, request, nodes=nodes, **options).text


def examples():
    """A job file of each kind for the cluster of examples/site.toml, by name."""
    site = load_site(EXAMPLE)
    arguments = ("--config", "train.toml", *AWKWARD, "--data.global-batch=16")
    train = Request(arguments=arguments, folder=Path(AWKWARD[-1]), time="12:00:00")
    tune = Request(arguments=("--config", "sweep.toml"), folder=Path("runs/sweep"), time="8:00:00")
    folder = ("runs/first", "new labels", "tissue", "--variants", "3")
    synth = Request(arguments=folder, folder=Path("tissue/slurm"), time="2:00:00")
    slides = ("slides", "drawn", "packed", "--mpp", "0.5", "--tile-size", "512")
    pack = Request(arguments=slides, folder=Path("packed-slurm"), time="3:00:00")
    parts = ("real", "tissue", "--parts-folder", "runs/fid/parts-4")
    fid = Request(arguments=parts, folder=Path("runs/fid"), time="1:00:00")
    return {
        "train": train_job(site, train, nodes=2, stage=True).text,
        "tune": tune_job(site, tune, nodes=1).text,
        "tune-nodes": tune_job(site, tune, nodes=3).text,
        "tune-join": tune_join_job(site, tune, nodes=2).text,
        "synth": synth_job(site, synth).text,
        "synth-parts": synth_job(site, synth, parts=16).text,
        "pack": pack_job(site, pack).text,
        "pack-parts": pack_job(site, pack, parts=16).text,
        "eval": eval_job(site, fid).text,
        "eval-parts": eval_job(site, fid, parts=4).text,
    }


def directives(text):
    return [line for line in text.splitlines() if line.startswith("#SBATCH")]


@pytest.mark.parametrize("name", examples())
def test_the_job_file_is_as_it_was(name):
    assert examples()[name] == (GOLDEN / f"{name}.sbatch").read_text()


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash here")
@pytest.mark.parametrize(
    "text",
    [
        *examples().values(),
        rendered(),
        rendered(
            Site(gpus_per_node=1, cpus_per_task=1, container="my image.sif", scratch="/s"),
            stage=True,
        ),
    ],
    ids=[*examples(), "bare", "container"],
)
def test_the_shell_can_read_it(text):
    result = subprocess.run(["bash", "-n"], input=text, text=True, capture_output=True, check=False)

    assert result.returncode == 0, result.stderr
    assert result.stderr == ""


def test_a_bare_site_leaves_no_trace_of_what_it_does_not_say():
    text = rendered(stage=True)

    assert "None" not in text
    assert re.findall(r"@\w+", text) == ["@300"]
    assert "\n\n\n" not in text
    for absent in ("--partition", "--account", "--gpus", "--mem", "module", "TMPDIR", "apptainer"):
        assert absent not in text
    assert "--nproc-per-node=1 " in text


def test_what_runs_in_a_job_can_be_told_by_the_site():
    site = Site(gpus_per_node=0, cpus_per_task=1, max_restarts=7, stop_seconds=90)
    text = rendered(site)

    assert "#SBATCH --signal=B:USR2@90" in directives(text)
    assert "--max-restarts=7 " in text and "--shutdown-timeout=90 " in text


def test_one_process_gets_its_share_of_a_node():
    request = Request(arguments=("a", "b", "c"), folder=Path("c/slurm"), time="60")
    site = Site(gpus_per_node=4, cpus_per_task=30, memory="100G")
    lines = directives(synth_job(site, request, parts=3).text)

    assert {"#SBATCH --gpus-per-node=1", "#SBATCH --cpus-per-task=7", "#SBATCH --mem=25600M",
            "#SBATCH --nodes=1", "#SBATCH --array=1-3"} <= set(lines)  # fmt: skip


def test_shards_are_staged_where_there_is_scratch_unless_the_user_chose(capsys):
    Path("site.toml").write_text(PLAIN + 'scratch = "/scratch/$USER"')

    submit("--dry-run", *ARGUMENTS)
    assert '        --data.stage-to "$TMPDIR" &' in capsys.readouterr().out
    for option in ("--data.stage-to", "--stage-to"):
        submit("--dry-run", *ARGUMENTS, option, "/fast")
        printed = capsys.readouterr().out
        assert '"$TMPDIR" &' not in printed and f"{option} /fast" in printed


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
    command = text[text.index("histosyn train \\") : text.index(" &\n    training")]
    command = command.removeprefix("histosyn train")

    result = subprocess.run(
        ["bash", "-c", f"printf '%s\\n' {command}"], capture_output=True, text=True
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
    assert "        --data.shards 'my data/train' \\\n" in printed
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
        (["--data.shards", "d", "--time", "5"], "time = '5' is no longer than stop_seconds = 300"),
        (["--data.shards", "d", "--site", "absent.toml"], "absent.toml does not exist"),
        (["--", "--data.shards", "d", "--dry-run"], "does not do its work"),
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
    assert "#SBATCH --output='runs/100%% of `HOME`/slurm-%j.log'" in job_file.read_text()
    assert "Submitted job 4711" in told.out
    assert "tail -F 'runs/100% of `HOME`/slurm-4711.log'" in told.out
    assert told.err == ""


def submitted(capsys):
    return capsys.readouterr().out


def test_parts_are_an_array_and_a_job_that_follows_it(sbatch, capsys):
    sbatch('echo "$@" >> sbatch.log; wc -l < sbatch.log')

    assert submit("m", "l", "o", "--parts", "3", "--seed", "1", command=("synth",)) == 0

    first, second = Path("sbatch.log").read_text().splitlines()
    assert first == "--parsable o/slurm/synth-parts.sbatch"
    assert second == (
        "--parsable --dependency=afterany:1 --kill-on-invalid-dep=yes o/slurm/synth.sbatch"
    )
    array, closing = (Path("o/slurm", f"{name}.sbatch").read_text()
                      for name in ("synth-parts", "synth"))  # fmt: skip
    assert 'histosyn synth --part "$SLURM_ARRAY_TASK_ID/3" \\\n    m l o \\\n    --seed 1' in array
    assert "histosyn synth \\\n    m l o \\\n    --seed 1" in closing
    assert "Submitted job 1 and then job 2: 3 parts, time 24:00:00." in submitted(capsys)


def test_packing_in_parts(sbatch, capsys):
    sbatch('echo "$@" >> sbatch.log; wc -l < sbatch.log')

    assert submit("t", "l", "a/o", "--parts", "3", "--seed", "1", command=("pack",)) == 0

    first, second = Path("sbatch.log").read_text().splitlines()
    assert first == "--parsable a/o-slurm/pack-parts.sbatch"
    assert second == (
        "--parsable --dependency=afterany:1 --kill-on-invalid-dep=yes a/o-slurm/pack.sbatch"
    )
    array, closing = (Path("a/o-slurm", f"{name}.sbatch").read_text()
                      for name in ("pack-parts", "pack"))  # fmt: skip
    assert 'histosyn pack --part "$SLURM_ARRAY_TASK_ID/3" \\\n    t l a/o \\\n    --seed 1' in array
    assert "histosyn pack \\\n    t l a/o \\\n    --seed 1" in closing
    assert "gpus" not in array + closing
    assert "warning: there is no l here" in capsys.readouterr().err


def test_packing_of_one_folder(capsys):
    assert submit("export", "o", "--dry-run", command=("pack",)) == 0
    assert "packing" not in capsys.readouterr().err
    Path("o").mkdir()
    assert submit("export", "o", "--dry-run", command=("pack",)) == 2
    assert "o exists already" in capsys.readouterr().err


def test_parts_on_nodes_that_may_differ_name_their_precision(capsys):
    arguments = ("m", "l", "o", "--parts", "3", "--precision")
    assert submit(*arguments, "auto", "--dry-run", command=("synth",)) == 2
    assert "Name float32 or bfloat16" in capsys.readouterr().err
    assert submit(*arguments, "bfloat16", "--dry-run", command=("synth",)) == 0


def test_the_distance_of_parts_is_compared_when_all_are_measured(sbatch, capsys):
    sbatch('echo "$@" >> sbatch.log; wc -l < sbatch.log')

    assert submit("real", "a/tissue", "--parts", "2", command=("eval", "fid")) == 0

    assert "--dependency=afterok:1" in Path("sbatch.log").read_text()
    for name in ("eval-parts", "eval"):
        text = Path(f"runs/fid-tissue/{name}.sbatch").read_text()
        assert "--parts-folder runs/fid-tissue/parts-2" in text
        assert "--json runs/fid-tissue/fid.json" in text
    assert "--part " not in text


def test_without_parts_it_is_one_job(capsys):
    for command, arguments in ((("synth",), "m l o"), (("eval", "fid"), "real tissue")):
        submit(*arguments.split(), "--dry-run", command=command)
        printed = capsys.readouterr().out
        assert printed.count("#!/bin/bash") == 1
        assert "--part" not in printed and "--array" not in printed


def test_a_sweep_on_one_node_and_on_several(capsys):
    Path("sweep.toml").write_text(SWEEP)
    submit("--config", "sweep.toml", "--dry-run", command=("tune",))
    one = capsys.readouterr().out
    submit("--config", "sweep.toml", "--dry-run", "--nodes", "2", command=("tune",))
    two = capsys.readouterr().out

    submit("--config", "sweep.toml", "--dry-run", "--join", command=("tune",))
    more = capsys.readouterr().out

    assert "ray start" not in one and "histosyn tune" in one
    assert "ray start" in more and "histosyn tune" not in more and "--no-kill" not in more
    assert "umask 077" in two and "RAY_AUTH_MODE=token" in two and "RAY_ADDRESS=" in two


def test_a_trial_that_does_not_fit_on_the_nodes_is_not_queued(capsys):
    """The site's nodes have 8 cores and 2 GPUs."""
    Path("sweep.toml").write_text(SWEEP + "processes_per_trial = 4\ngpus_per_trial = 4\n")

    assert submit("--config", "sweep.toml", "--dry-run", command=("tune",)) == 2
    error = " ".join(capsys.readouterr().err.split())
    assert "A trial asks for 4 processes with 1 CPUs and 1 GPUs each, and --nodes 1" in error
    assert submit("--config", "sweep.toml", "--dry-run", "--nodes", "2", command=("tune",)) == 0


@pytest.mark.parametrize(
    ("command", "tokens", "message"),
    [
        (("synth",), ["m", "l"], "requires an argument"),
        (("synth",), ["m", "l", "o", "--varaints", "2"], "--variants"),
        (("synth",), ["m", "l", "o", "--part", "1/2"], "Leave --part"),
        (("synth",), ["m", "l", "o", "--parts", "0"], "--parts"),
        (("synth",), ["--", "--help"], "does not do its work"),
        (("pack",), ["t"], "requires an argument"),
        (("pack",), ["t", "l", "o", "--part", "1/2"], "Leave --part"),
        (("pack",), ["t", "l", "o", "--tile-sise", "2"], "--tile-sise"),
        (("eval", "fid"), ["real"], "requires an argument"),
        (("eval", "fid"), ["r", "s", "--parts-folder", "p"], "Leave --part"),
        (("eval", "fid"), ["r", "s", "--extractor", "vgg"], "--extractor"),
        (("tune",), ["--config", "absent.toml"], "absent.toml does not exist"),
        (("tune",), [], "requires an argument"),
    ],
)
def test_what_other_commands_would_refuse_is_refused(command, tokens, message, capsys):
    assert submit(*tokens, "--dry-run", command=command) == 2 or "--" in tokens

    told = capsys.readouterr()
    assert message in told.err + told.out


def test_watching_prints_the_log_and_the_states_until_the_end(sbatch, capsys, monkeypatch):
    """A job that is requeued once, and whose log ends without a line break."""
    monkeypatch.setattr("launch.jobs.follow._LOOK_SECONDS", 0.01)
    monkeypatch.setattr("launch.jobs.follow._ASK_SECONDS", 0)
    log = Path(ARGUMENTS[-1]) / "slurm-7.log"
    sbatch("echo 7")
    states = "PENDING RUNNING COMPLETING PENDING RUNNING RUNNING COMPLETED"
    sbatch(
        f"""n=$(cat asked 2>/dev/null || echo 1); echo $((n + 1)) > asked
        state=$(echo {states} | cut -d' ' -f$n); echo ${{state:-COMPLETED}}
        [ $n = 2 ] && echo 'first line' > '{log}'
        [ $n = 6 ] && printf 'second line\\nthe end' >> '{log}'
        exit 0""",
        name="squeue",
    )

    assert submit(*ARGUMENTS, "--watch") == 0

    told = capsys.readouterr()
    assert told.out.endswith("first line\nsecond line\nthe end\n")
    seen = [line.removeprefix("job 7: ") for line in told.err.splitlines() if "job 7: " in line]
    assert " ".join(seen).upper() == ("PENDING RUNNING COMPLETING PENDING RUNNING COMPLETED")


def test_a_watched_job_that_fails_is_an_error(sbatch, capsys, monkeypatch):
    monkeypatch.setattr("launch.jobs.follow._LOOK_SECONDS", 0.01)
    monkeypatch.setattr("launch.jobs.follow._ASK_SECONDS", 0)
    sbatch("echo 7")
    sbatch("echo OUT_OF_MEMORY", name="squeue")

    assert submit(*ARGUMENTS, "--watch") == 1

    assert "Job 7 ended as out_of_memory" in capsys.readouterr().err


def test_leaving_a_watched_job_says_how_to_come_back(sbatch, capsys, monkeypatch):
    def interrupted(jobs):
        raise KeyboardInterrupt

    monkeypatch.setattr("launch.jobs.submission.follow", interrupted)
    sbatch("echo 7")

    assert submit(*ARGUMENTS, "--watch") == 0

    told = capsys.readouterr().err
    assert "job 7 goes on" in told and "tail -F 'runs/100% of `HOME`/slurm-7.log'" in told


def test_shards_that_are_not_here_are_a_warning(sbatch, capsys):
    sbatch("echo 1")

    assert submit(*ARGUMENTS) == 0

    assert "there is no my data/train here" in capsys.readouterr().err


def test_a_refusal_is_told(sbatch, capsys):
    sbatch('echo "sbatch: error: invalid partition specified: gpuu" >&2; exit 1')

    assert submit(*ARGUMENTS) == 2

    assert "invalid partition specified: gpuu" in capsys.readouterr().err


def test_a_refusal_of_the_second_job_tells_of_the_first(sbatch, capsys):
    sbatch('[ -e first ] && { echo "too many jobs" >&2; exit 1; }; touch first; echo 4711')

    assert submit("m", "l", "o", "--parts", "3", command=("synth",)) == 2

    error = " ".join(capsys.readouterr().err.split())
    assert "too many jobs" in error
    assert "Job 4711, which was to go before, is queued already" in error
    assert "`scancel 4711`" in error


def test_no_answer_is_told(sbatch, capsys, monkeypatch):
    monkeypatch.setattr(slurm, "_LIMIT_SECONDS", 0.2)
    sbatch("exec sleep 30")

    assert submit(*ARGUMENTS) == 1

    assert "SLURM has not answered" in capsys.readouterr().err
