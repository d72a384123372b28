"""The watch that other nodes of a sweep keep over the first one, in a real bash.

The function is that of the rendered job file; stand-ins answer it: `timeout`, which would knock at
the first node, squeue, scontrol, and `sleep`, which ends the watch when there are no more answers.
"""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from launch.jobs.job_file import Request, tune_job
from launch.jobs.site import Site

pytestmark = pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash here")

SITE = Site(gpus_per_node=0, cpus_per_task=1, stop_seconds=300)
THERE, LOST = "0", "1"
# Each takes the next answer from a file of its name.
NEXT = """#!/bin/bash
here=$(dirname "$0")
[ -s "$here/$1" ] || exit 9
answer=$(sed -n 1p "$here/$1")
sed -i 1d "$here/$1"
"""
PROGRAMS = {
    "sleep": '#!/bin/bash\n[ -s "$(dirname "$0")/knocks" ]\n',
    "timeout": NEXT.replace("$1", "knocks") + "exit $answer\n",
    "squeue": NEXT.replace("$1", "states") + 'echo "$answer"\n',
    "scontrol": NEXT.replace("$1", "requeues")
    + 'echo "$@" >> "$here/asked"\n[ "$answer" = heard ] || { echo "$answer" >&2; exit 1; }\n',
}


@pytest.fixture
def watch(tmp_path):
    """Run the watch; returns what was asked of SLURM, and the log."""

    def run(knocks, states, requeues=("heard",), restarts=0):
        answers = {"knocks": knocks, "states": states, "requeues": requeues}
        for name, lines in answers.items():
            (tmp_path / name).write_text("".join(f"{line}\n" for line in lines))
        for name, text in PROGRAMS.items():
            (tmp_path / name).write_text(text)
            (tmp_path / name).chmod(0o700)
        job = tune_job(SITE, Request(arguments=(), folder=Path("run"), time="1:00:00"), nodes=2)
        start, end = "watch_first_node() {", "export -f watch_first_node"
        function = start + job.text.split(start)[1].split(end)[0]
        subprocess.run(
            ["bash", "-c", f"{function}\nwatch_first_node"],
            env={
                "PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}",
                "SLURM_JOB_ID": "7",
                "first": "n1/2000",
                "restarts": str(restarts),
                "log": str(tmp_path / "log"),
            },
            timeout=60,
            check=False,
        )
        return [
            path.read_text().splitlines() if path.exists() else []
            for path in (tmp_path / "asked", tmp_path / "log")
        ]

    return run


@pytest.mark.parametrize("state", ["RUNNING", "SIGNALING"])
def test_the_third_time_that_nobody_answers_the_job_is_queued_again(watch, state):
    # As squeue pads its columns.
    asked, log = watch([LOST] * 5, [f"{state}             1    "] * 3, restarts=1)
    assert asked == ["requeue 7"]
    assert log == ["job file: the first node is lost, and the job is queued again"]


def test_a_node_that_answers_in_between_is_not_lost(watch):
    assert watch([LOST, LOST, THERE, LOST, LOST, THERE], ["RUNNING 0"]) == [[], []]


def test_slurm_is_asked_again_where_it_did_not_answer(watch):
    asked, _ = watch([LOST] * 5, ["", "", "RUNNING 0"])
    assert asked == ["requeue 7"]


def test_a_node_that_is_back_before_slurm_answers_is_left_alone(watch):
    assert watch([LOST, LOST, LOST, THERE, LOST, LOST], ["", "RUNNING 0"]) == [[], []]


def test_a_job_that_ends_is_not_queued_again(watch):
    assert watch([LOST] * 9, ["COMPLETING 0", "RUNNING 0"]) == [[], []]


def test_the_watch_of_a_run_before_does_not_queue_again_what_runs_by_now(watch):
    """Where its node lost the network, SLURM has queued the job again already."""
    assert watch([LOST] * 9, ["RUNNING 1", "RUNNING 1"]) == [[], []]


def test_what_slurm_refuses_is_told_and_tried_again(watch):
    asked, log = watch([LOST] * 6, ["RUNNING 0"] * 2, ["Requeue is disabled", "heard"])
    assert asked == ["requeue 7"] * 2
    assert log[1] == "Requeue is disabled"
