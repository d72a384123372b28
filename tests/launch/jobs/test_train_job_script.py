"""The shell script around training: what it does when training ends, in whichever way.

The script is the rendered one, in a real bash. Stand-ins on the PATH take the place of srun, which
leaves behind what training would, and of those who are asked: squeue, scontrol, histosyn.
"""

import os
import shutil
import stat
import subprocess
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from launch.jobs.job_file import Request, train_job
from launch.jobs.site import Site

pytestmark = pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash here")

SITE = Site(
    gpus_per_node=0,
    cpus_per_task=1,
    stop_seconds=300,
    rendezvous_address="n1",
    rendezvous_port=2000,
)
SAVES = "mkdir -p run/checkpoints/step-00000010\necho saved >> run/state.json"
# Ends when the signal reaches it, which the batch shell is sent in place of SLURM.
WAITS_FOR_USR2 = "trap 'exit 12' USR2\nkill -USR2 $PPID\nwhile true; do sleep 0.05; done"


@dataclass(frozen=True)
class Job:
    """How the job file ended: its exit code, what it said, what was asked of SLURM, its starts."""

    code: int
    output: str
    asked: str
    starts: int


@pytest.fixture
def run_job(tmp_path):
    def run(training, *, next_action="", job_state="RUNNING", ends="2100-01-01T00:00:00"):
        """Run the job file; `training` are the shell lines that stand for srun."""
        (tmp_path / "run").mkdir()
        programs = {
            "srun": f"echo >> starts\n{training}",
            "squeue": f'case "$*" in *%T) echo {job_state};; *%e) echo {ends};; esac',
            "scontrol": 'echo "$@" >> asked',
            "histosyn": f"echo {next_action}" if next_action else "exit 2",
        }
        for name, lines in programs.items():
            install(tmp_path / "bin" / name, lines)
        request = Request(arguments=(), folder=Path("run"), time="24:00:00")
        (tmp_path / "job").write_text(train_job(SITE, request, nodes=2).text)
        environment = os.environ | {
            "PATH": f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}",
            "SLURM_SUBMIT_DIR": str(tmp_path),
            "SLURM_JOB_ID": "7",
            "SLURM_NNODES": "2",
            "SLURM_CPUS_PER_TASK": "1",
            "TZ": "UTC",
        }
        result = subprocess.run(
            ["bash", "job"], cwd=tmp_path, env=environment, capture_output=True, text=True
        )
        return Job(
            code=result.returncode,
            output=result.stdout + result.stderr,
            asked=text_of(tmp_path / "asked"),
            starts=text_of(tmp_path / "starts").count("\n"),
        )

    return run


def install(path, lines):
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"#!/bin/sh\n{lines}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


def text_of(path):
    return path.read_text() if path.exists() else ""


def test_a_run_that_is_done_ends_the_job_well(run_job):
    job = run_job(SAVES, next_action="nothing")

    assert (job.code, job.asked, job.starts) == (0, "", 1)


def test_a_run_that_is_done_is_no_failure_although_torchrun_was_killed(run_job):
    job = run_job(f"{SAVES}\nexit 137", next_action="nothing")

    assert (job.code, job.asked, job.starts) == (0, "", 1)


def test_a_start_that_fails_after_the_run_was_done_is_a_failure(run_job):
    """Such as one that asks for more steps: what the state says is from before."""
    job = run_job("exit 3", next_action="nothing")

    assert (job.code, job.asked, job.starts) == (3, "", 1)


@pytest.mark.parametrize("job_state", ["RUNNING", "SIGNALING"])
def test_who_stopped_to_go_on_is_queued_again(run_job, job_state):
    """While SLURM sends a signal, a running job is shown as SIGNALING."""
    job = run_job(f"{SAVES}\nexit 1", next_action="requeue", job_state=job_state)

    assert (job.code, job.asked, job.starts) == (0, "requeue 7\n", 1)


@pytest.mark.parametrize("next_action", ["requeue", "restart", ""])
def test_what_slurm_ends_is_left_to_slurm(run_job, next_action):
    job = run_job(f"{SAVES}\nexit 1", next_action=next_action, job_state="COMPLETING")

    assert (job.code, job.asked, job.starts) == (1, "", 1)


@pytest.mark.parametrize("next_action", ["resume", "mend"])
def test_what_a_person_is_to_decide_ends_the_job(run_job, next_action):
    job = run_job(f"{SAVES}\nexit 1", next_action=next_action)

    assert (job.code, job.asked, job.starts) == (1, "", 1)


def test_who_was_cut_off_is_started_again_for_as_long_as_it_gets_on(run_job):
    job = run_job(f"{SAVES}\nexit 1", next_action="restart")

    assert (job.code, job.asked, job.starts) == (1, "", 2)
    assert "no new checkpoint since the start, so there is no restart" in job.output


@pytest.mark.parametrize("next_action", ["requeue", "restart"])
def test_a_start_that_gets_nowhere_by_itself_is_the_last(run_job, next_action):
    job = run_job("exit 1", next_action=next_action)

    assert (job.code, job.asked, job.starts) == (1, "", 1)
    assert f"no new checkpoint since the start, so there is no {next_action}" in job.output


@pytest.mark.parametrize("next_action", ["", "restart", "resume", "nothing"])
def test_who_is_asked_to_stop_while_it_starts_is_queued_again(run_job, next_action):
    """What is in the state, if anything, is from before: this start could not say a word."""
    job = run_job(WAITS_FOR_USR2, next_action=next_action)

    assert (job.code, job.asked, job.starts) == (0, "requeue 7\n", 1)
    assert "SIGUSR2: training is asked to save and stop" in job.output


def test_who_is_cut_off_while_it_stops_is_queued_again(run_job):
    """There may be little time left, and nobody warns twice."""
    job = run_job(f"{SAVES}\n{WAITS_FOR_USR2}", next_action="restart")

    assert (job.code, job.asked, job.starts) == (0, "requeue 7\n", 1)


def test_who_fails_while_it_stops_is_not(run_job):
    job = run_job(f"{SAVES}\n{WAITS_FOR_USR2}", next_action="mend")

    assert (job.code, job.asked, job.starts) == (12, "", 1)


@pytest.mark.parametrize("ends", ["soon", "N/A"])
def test_time_that_is_too_short_for_a_start_is_so_the_next_time_as_well(run_job, ends):
    soon = datetime.now(UTC) + timedelta(seconds=SITE.stop_seconds + 30)
    told = {"soon": soon.strftime("%Y-%m-%dT%H:%M:%S")}.get(ends, ends)

    job = run_job(WAITS_FOR_USR2, ends=told)

    assert (job.code, job.asked, job.starts) == (1, "", 1)
    assert "no new checkpoint" in job.output


@pytest.mark.parametrize(
    ("ends", "told"), [("2100-01-01T00:00:00", "4102444800"), ("N/A", "unknown"), ("", "unknown")]
)
def test_training_is_told_when_the_time_is_over(run_job, ends, told):
    """Releases of SLURM that do not set SLURM_JOB_END_TIME are in use."""
    job = run_job('echo "ends at ${SLURM_JOB_END_TIME:-unknown}"', ends=ends)

    assert f"ends at {told}\n" in job.output
