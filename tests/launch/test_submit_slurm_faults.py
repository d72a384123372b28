"""Training on a real SLURM, and all that can end it: it goes on, and learns what it would have.

Every test compares the shipped weights, bit for bit, with those of an undisturbed job. What each
fault cost is printed (`pytest -rP`).
"""

import json
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

import pytest
from slurm_cluster import SITE, SlurmCluster, processes, running_slurm, slurm_marks
from tissue import pack_blobs, tiny_config

from histosyn.config import as_toml

pytestmark = slurm_marks()

STEPS = 240
CHECKPOINT_EVERY = 20
DISTURB_AT = 50


@pytest.fixture(scope="module")
def slurm():
    """Three nodes, of which jobs take two."""
    with running_slurm(nodes=3) as cluster:
        yield cluster


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

    @property
    def state(self):
        path = self.folder / "state.json"
        return json.loads(path.read_text()) if path.exists() else {"step": 0, "restarts": 0}

    @property
    def ended(self):
        return self.slurm.fact(self.job, "JobState") in ("COMPLETED", "FAILED", "TIMEOUT")

    @property
    def log(self):
        return "".join(path.read_text() for path in sorted(self.folder.glob("slurm-*.log")))

    @property
    def starts(self):
        """The steps from which the run set out, one a start."""
        lines = [line for line in self.log.splitlines() if f" of {STEPS}, " in line]
        return [int(line.split(": step ")[1].split()[0]) for line in lines]

    def wait_until(self, condition, seconds=240):
        deadline = time.monotonic() + seconds
        while not condition(self.state):
            assert time.monotonic() < deadline, f"{self.state}\n{self.log}"
            assert not self.ended or condition(self.state), f"{self.state}\n{self.log}"
            time.sleep(0.1)
        return self.state

    def weights(self):
        return (self.folder / "model" / "model.safetensors").read_bytes()

    def steps_reported(self):
        lines = (self.folder / "metrics.jsonl").read_text().splitlines()
        return [json.loads(line)["step"] for line in lines]

    def worker(self, node):
        """The training process on a node."""
        (found,) = [each.id for each in self._on(node) if "LOCAL_RANK" in each.environment]
        return found

    def agent(self, node):
        """The torchrun on a node."""
        (found,) = [
            each.id
            for each in self._on(node)
            if "LOCAL_RANK" not in each.environment
            and "torchrun" in each.command
            and not each.command.startswith("srun")
        ]
        return found

    def _on(self, node):
        mine = {"SLURM_JOB_ID": self.job, "SLURMD_NODENAME": node}
        return [each for each in processes() if mine.items() <= each.environment.items()]


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A user's folder; steps are reported one by one, so that faults can be timed."""
    folder = tmp_path_factory.mktemp("project")
    shards = pack_blobs(folder, count=8, size=48)
    config = tiny_config(shards, Path("runs/other"), steps=STEPS, checkpoint_every=CHECKPOINT_EVERY)
    (folder / "train.toml").write_text(as_toml(config))
    (folder / "site.toml").write_text(SITE)
    return folder


@pytest.fixture(scope="module")
def undisturbed(slurm, project):
    run = Run.submitted(slurm, project, "undisturbed")
    assert slurm.wait_for(run.job) == "COMPLETED", run.log
    assert run.starts == [0]
    return run.weights()


@pytest.fixture
def run(slurm, project, undisturbed, request):
    """A run that has taken some steps."""
    name = request.node.name
    shutil.rmtree(project / "runs" / name, ignore_errors=True)
    started = Run.submitted(slurm, project, name)
    started.wait_until(lambda state: state["step"] >= DISTURB_AT)
    yield started
    slurm.run("scancel", started.job)


def account_for(run, fault, before, began):
    """Wait until training goes on, then until it ends; say what the fault cost."""
    run.wait_until(
        lambda state: state["restarts"] > before["restarts"] and state["state"] == "running"
        and state["step"] > run.starts[-1] and len(run.starts) > before["restarts"] + 1
    )  # fmt: skip
    seconds = time.monotonic() - began
    redone = before["step"] - run.starts[-1]
    print(f"{fault}: {max(redone, 0)} steps redone, training again after {seconds:.0f} s")
    return redone


def check_end(run, undisturbed):
    assert run.slurm.wait_for(run.job) == "COMPLETED", run.log
    assert run.weights() == undisturbed
    assert run.steps_reported() == list(range(1, STEPS + 1))
    assert run.state["state"] == "finished"


def test_a_warning_of_the_end_saves_requeues_and_loses_nothing(slurm, run, undisturbed):
    """What SLURM does before the time is over, or when another job comes first."""
    before, began = run.state, time.monotonic()
    slurm.run("scancel", "--batch", "--signal=USR2", run.job)
    stopped = run.wait_until(lambda state: state["state"] == "stopped")
    assert stopped["next"] == "requeue" and "SIGUSR2" in stopped["reason"]

    account_for(run, "SIGUSR2", stopped, began)

    assert run.starts == [0, stopped["step"]]
    assert before["step"] < stopped["step"] < STEPS
    check_end(run, undisturbed)
    assert slurm.fact(run.job, "Restarts") == "1"


def test_a_cancelled_job_saves_and_is_not_requeued(slurm, project, run, undisturbed):
    slurm.run("scancel", run.job)
    assert slurm.wait_for(run.job) == "CANCELLED"
    stopped = run.wait_until(lambda state: state["state"] == "stopped")

    began = time.monotonic()
    again = Run.submitted(slurm, project, run.folder.name)
    account_for(again, "scancel, submitted again", stopped, began)

    assert again.starts == [0, stopped["step"]]
    check_end(again, undisturbed)
