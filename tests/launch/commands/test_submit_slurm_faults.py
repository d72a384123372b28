"""Training on a real SLURM, and all that can end it: it goes on, and learns what it would have.

Every test compares the shipped weights, bit for bit, with those of an undisturbed job. What each
fault cost is printed (`pytest -rP`); it is read off the job's log when all is over, so that no test
has to be quick. Faults come early in a run, which leaves them time to arrive.
"""

import json
import re
import shutil
import signal
import time
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path

import pytest
from slurm_cluster import SITE, SlurmCluster, processes, running_slurm, send, slurm_marks
from tissue import pack_blobs, tiny_config

from histosyn.config.file import as_toml

pytestmark = slurm_marks()

STEPS = 80
CHECKPOINT_EVERY = 10
DISTURB_AT = 15
# The newest checkpoint may still be on its way to the disk.
MOST_REDONE = 2 * CHECKPOINT_EVERY
# Much longer than anything takes, on a machine that does a lot else.
PATIENCE_SECONDS = 300

_START = re.compile(r"^(\S+) .*: step (\d+) of \d+ \(\S+ epochs?\), \d+ tiles", re.MULTILINE)
_STEP = re.compile(r"^(\S+) step=\d+ ", re.MULTILINE)


@pytest.fixture(scope="module")
def slurm():
    """Three nodes, of which jobs take two."""
    with running_slurm(nodes=3) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A user's folder; steps are reported one by one, so that they can be counted."""
    folder = tmp_path_factory.mktemp("project")
    shards = pack_blobs(folder, count=8, size=48)
    config = tiny_config(shards, Path("runs/other"), steps=STEPS, checkpoint_every=CHECKPOINT_EVERY)
    (folder / "train.toml").write_text(as_toml(config))
    (folder / "site.toml").write_text(SITE)
    return folder


@dataclass(frozen=True)
class Run:
    """A run of two processes on two nodes, submitted as `job`."""

    slurm: SlurmCluster
    folder: Path
    job: str

    @classmethod
    def submitted(cls, slurm, project, name, *options):
        folder = project / "runs" / name
        (job,) = slurm.submit(
            project, "train", "--nodes", "2", "--config", "train.toml", "--run.folder", folder,
            *options,
        )  # fmt: skip
        return cls(slurm, folder, job)

    def again(self, project):
        """The same command, once more."""
        return Run.submitted(self.slurm, project, self.folder.name)

    @property
    def state(self):
        path = self.folder / "state.json"
        return json.loads(path.read_text()) if path.exists() else {"state": "", "step": 0}

    @property
    def log(self):
        """The output of all its jobs, first to last."""
        logs = sorted(self.folder.glob("slurm-*.log"), key=lambda path: int(path.stem[6:]))
        return "".join(path.read_text() for path in logs)

    @property
    def restarts(self):
        """How often SLURM has queued its job again."""
        return int(self.slurm.fact(self.job, "Restarts"))

    def wait_until(self, condition):
        """Until `condition()` holds; the job must not end before."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not condition():
            over = self.slurm.end_of(self.job) or time.monotonic() > deadline
            # It may hold since the job's end.
            assert not over or condition(), f"{self.state}\n{self.log}"
            time.sleep(0.1)

    def worker(self, node):
        """The training process on a node; helpers that it started have its environment too."""
        with_rank = [each for each in self._on(node) if "LOCAL_RANK" in each.environment]
        ids = {each.id for each in with_rank}
        (found,) = [each for each in with_rank if each.parent not in ids]
        return found

    def agent(self, node):
        """The torchrun on a node."""
        (found,) = [
            each
            for each in self._on(node)
            if "LOCAL_RANK" not in each.environment
            and "torchrun" in each.command
            and not each.command.startswith("srun")
        ]
        return found

    def _on(self, node):
        mine = {"SLURM_JOB_ID": self.job, "SLURMD_NODENAME": node}
        return [each for each in processes() if mine.items() <= each.environment.items()]


@dataclass(frozen=True)
class Told:
    """What a run's log tells of it."""

    log: str

    @cached_property
    def starts(self):
        """When and from which step the run set out, one a start."""
        return [(_seconds(when), int(step)) for when, step in _START.findall(self.log)]

    @property
    def first_steps(self):
        """The steps from which the run set out."""
        return [step for _, step in self.starts]

    @cached_property
    def steps(self):
        """When steps were done, also those that were lost."""
        return [_seconds(when) for when in _STEP.findall(self.log)]

    @property
    def redone(self):
        """Steps that were done more than once."""
        return len(self.steps) - STEPS

    def seconds_until_training(self, fault):
        """From a fault until the first step after the last start; 0 if training just went on."""
        return max(0, min(when for when in self.steps if when >= self.starts[-1][0]) - fault)


def _seconds(when):
    return datetime.fromisoformat(when).timestamp()


@pytest.fixture(scope="module")
def undisturbed(slurm, project):
    run = Run.submitted(slurm, project, "undisturbed")
    assert slurm.wait_for(run.job, PATIENCE_SECONDS) == "COMPLETED", run.log
    told = Told(run.log)
    assert (told.first_steps, told.redone) == ([0], 0)
    return weights(run)


@pytest.fixture
def run(slurm, project, undisturbed, request):
    """A run that has taken some steps."""
    name = re.sub(r"\W+", "-", request.node.name)
    shutil.rmtree(project / "runs" / name, ignore_errors=True)
    started = Run.submitted(slurm, project, name)
    started.wait_until(lambda: started.state["step"] >= DISTURB_AT)
    yield started
    slurm.run("scancel", started.job)


def weights(run):
    return (run.folder / "model" / "model.safetensors").read_bytes()


def ended_as(undisturbed, run, fault, began):
    """Wait for the end, which must be that of the undisturbed run; say what `fault` cost."""
    assert run.slurm.wait_for(run.job, PATIENCE_SECONDS) == "COMPLETED", run.log
    assert run.state["state"] == "finished"
    assert weights(run) == undisturbed
    reports = (run.folder / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(report)["step"] for report in reports] == list(range(1, STEPS + 1))
    told = Told(run.log)
    print(f"{fault}: {told.redone} steps redone, "
          f"training again after {told.seconds_until_training(began):.0f} s")  # fmt: skip
    return told


def test_a_warning_of_the_end_saves_requeues_and_loses_nothing(slurm, run, undisturbed):
    """What SLURM does before the time is over, or when another job comes first."""
    began = time.time()
    slurm.run("scancel", "--batch", "--signal=USR2", run.job)

    told = ended_as(undisturbed, run, "SIGUSR2", began)

    assert "(SIGUSR2). It is saved" in told.log
    assert told.first_steps[1:] and told.redone == 0
    assert DISTURB_AT <= told.first_steps[1] < STEPS
    assert run.restarts == 1


def test_a_requeue_by_slurm_saves_and_loses_nothing(slurm, run, undisturbed):
    """Preemption as most sites do it: SIGTERM, and SIGKILL after KillWait."""
    began = time.time()
    slurm.run("scontrol", "requeue", run.job)

    told = ended_as(undisturbed, run, "SIGTERM and requeue by SLURM", began)

    assert "(SIGTERM). It is saved" in told.log
    assert told.first_steps[1:] and told.redone == 0
    assert run.restarts == 1


def test_a_cancelled_job_saves_and_is_not_requeued(slurm, project, run, undisturbed):
    slurm.run("scancel", run.job)
    assert slurm.wait_for(run.job) == "CANCELLED"
    run.wait_until(lambda: run.state["state"] == "stopped")
    assert len(Told(run.log).starts) == 1

    began = time.time()
    told = ended_as(undisturbed, run.again(project), "scancel, submitted again", began)

    assert told.first_steps[1:] and told.redone == 0


def test_a_job_whose_time_runs_out_is_warned_and_queued_again(slurm, project, undisturbed):
    """Two minutes, one of them for saving. Training is held up until SLURM warns of the end."""
    site = project / "short.toml"
    site.write_text(SITE.replace('time = "10"', 'time = "2"\nstop_seconds = 60'))
    run = Run.submitted(slurm, project, "time", "--site", site)
    run.wait_until(lambda: run.state["step"] >= DISTURB_AT)
    workers = [run.worker(node) for node in slurm.nodes_of(run.job)]
    ends = _seconds(slurm.fact(run.job, "EndTime"))
    assert [int(worker.environment["SLURM_JOB_END_TIME"]) for worker in workers] == [ends, ends]
    for worker in workers:
        send(worker.id, signal.SIGSTOP)
    try:
        run.wait_until(lambda: "SIGUSR2: training is asked to save and stop" in run.log)
        began = time.time()
    finally:
        for worker in workers:
            send(worker.id, signal.SIGCONT)

    told = ended_as(undisturbed, run, "the end of the job's time", began)

    assert told.first_steps[1:] and told.redone == 0
    assert run.restarts >= 1


@pytest.mark.parametrize("node", ["n1", "n2"])
def test_a_killed_worker_is_started_again_by_torchrun(run, undisturbed, node):
    began = time.time()
    send(run.worker(node).id, signal.SIGKILL)

    told = ended_as(undisturbed, run, f"kill -9 of the worker on {node}", began)

    assert len(told.starts) == 2
    assert 0 <= told.redone < MOST_REDONE
    assert run.restarts == 0


@pytest.mark.parametrize("node", ["n1", "n2"])
def test_a_killed_torchrun_loses_little(run, undisturbed, node):
    """Which of the two keeps the others' store is chance, and with it what happens.

    Without the store the other torchrun stops its worker, both save, and the job is queued again;
    with it they may train on to the end.
    """
    began = time.time()
    send(run.agent(node).id, signal.SIGKILL)

    told = ended_as(undisturbed, run, f"kill -9 of torchrun on {node}", began)

    assert 0 <= told.redone < MOST_REDONE


def test_a_lost_node_is_replaced(slurm, run, undisturbed):
    """SLURM finds out after SlurmdTimeout, 20 s here, and queues the job again."""
    lost = slurm.nodes_of(run.job)[1]
    began = time.time()
    slurm.lose_node(lost)
    try:
        told = ended_as(undisturbed, run, "a lost node", began)

        assert 0 <= told.redone < MOST_REDONE
        assert run.restarts == 1
        assert lost not in slurm.nodes_of(run.job)
    finally:
        slurm.start_node(lost)
