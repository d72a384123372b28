"""Sweeps on a real SLURM whose nodes come and go: trials end as in an undisturbed sweep.

Every test compares the weights of trials, bit for bit, with those of a sweep that nothing happened
to. Ray looks outside: all runs in a network that has no outside.
"""

import json
import signal
import time
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from lonely_network import lonely_network
from slurm_cluster import SITE, SlurmCluster, processes, running_slurm, send, slurm_marks
from sweeping import NETWORKS
from tissue import pack_blobs

from tune.plan.trial_folder import TrialFolder

pytestmark = slurm_marks()

# Much longer than anything takes, on a machine that does a lot else.
PATIENCE_SECONDS = 500
# Trials of Ray are polite to others by default, who are many here; and the warning of the end of a
# job's time comes when a test sends it.
IMPATIENT = SITE.replace("setup = [", "setup = ['export RAY_worker_niceness=0', ").replace(
    'time = "10"', 'time = "60"'
)
SWEEP = """
[train.data]
shards = "train/packed/train"
global_batch = 2
workers = 0
{networks}[train.run]
steps = {steps}
report_every = 1
checkpoint_every = 10
[search]
optimizer.generator_lr = {{ log_uniform = [1e-5, 1e-2] }}
[objective.distance]
extractor = "random"
[sweep]
folder = "runs/{name}"
validation = "validation/packed/train"
samples = {samples}
evaluate_every = 10
evaluation_tiles = 4
grace_period = 10
stopping = "none"
{more}
"""
STEPS = 60
NODES = ("n1", "n2", "n3")


@pytest.fixture(scope="module")
def slurm():
    with lonely_network() as inside, running_slurm(nodes=3, inside=inside) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A user's folder; each sweep in it has a file and a folder of its own."""
    folder = tmp_path_factory.mktemp("project")
    pack_blobs(folder / "train", count=8)
    pack_blobs(folder / "validation", count=4)
    (folder / "site.toml").write_text(IMPATIENT)
    return folder


@dataclass(frozen=True)
class SweepJob:
    """A sweep, submitted as `number`."""

    slurm: SlurmCluster
    project: Path
    name: str
    number: str
    # What a process that trains is called.
    trains: str = "ray::ImplicitFunc"

    @classmethod
    def submitted(cls, slurm, project, name, *options, nodes=2, samples=2, steps=STEPS, more=""):
        text = SWEEP.format(networks=NETWORKS, name=name, samples=samples, more=more, steps=steps)
        (project / f"{name}.toml").write_text(text)
        job = cls(slurm, project, name, "")
        return cls(slurm, project, name, job.submit("--nodes", nodes, *options))

    def submit(self, *options):
        (number,) = self.slurm.submit(
            self.project, "tune", *options, "--config", f"{self.name}.toml"
        )
        return number

    @property
    def folder(self):
        return self.project / "runs" / self.name

    def trial(self, number):
        return self.folder / "trials" / f"{number:04d}"

    @property
    def log(self):
        return (self.folder / f"slurm-{self.number}.log").read_text()

    def state(self, number):
        """What a trial says of itself."""
        return json.loads((self.trial(number) / "state.json").read_text())

    def measured(self, number):
        """How often a trial has been measured."""
        path = self.trial(number) / "evaluations.jsonl"
        return path.read_text().count("\n") if path.exists() else 0

    def train_on(self, node, job=None):
        """The processes that train on a node, in this job or one that joined it."""
        ours = self.processes_on(node, job)
        return [each for each in ours if self.trains in each.command]

    def processes_on(self, node, job=None):
        """All processes of a job on a node."""
        mine = {"SLURM_JOB_ID": job or self.number, "SLURMD_NODENAME": node}
        return [each for each in processes() if mine.items() <= each.environment.items()]

    def raylet(self, node):
        (found,) = [each for each in self.processes_on(node) if "/raylet/raylet " in each.command]
        return found

    def wait_until(self, condition):
        """Until `condition()` holds; the job must not end before."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not condition():
            over = self.slurm.end_of(self.number) or time.monotonic() > deadline
            # It may hold since the job's end.
            assert not over or condition(), self.log
            time.sleep(0.2)

    @contextmanager
    def held_in_mid_trial(self):
        """Both of the first two trials train, have been measured, and wait meanwhile."""
        held = {}

        def hold():
            for number in {0, 1} - held.keys():
                if self.measured(number) >= 2:
                    held[number] = self.state(number)["pid"]
                    send(held[number], signal.SIGSTOP)
            return len(held) == 2

        try:
            self.wait_until(hold)
            yield
        finally:
            for process in held.values():
                send(process, signal.SIGCONT)

    def in_mid_trial(self):
        """Once both of the first two trials train, and have been measured."""
        with self.held_in_mid_trial():
            return self

    def ends_as(self, undisturbed, trials=2):
        """Wait for the end, which must be that of the undisturbed sweep."""
        state = self.slurm.wait_for(self.number, PATIENCE_SECONDS)
        assert state == "COMPLETED", self.log
        for number in range(trials):
            assert weights(self.trial(number)) == weights(undisturbed.trial(number))
            ours, theirs = (TrialFolder(each.trial(number)) for each in (self, undisturbed))
            assert ours.evaluations() == theirs.evaluations()
        assert (self.folder / "best.toml").read_text() == (
            (undisturbed.folder / "best.toml").read_text().replace(undisturbed.name, self.name)
        )
        self.leaves_nothing()

    def leaves_nothing(self):
        """No process, nobody's key, no folder of Ray's."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while left := [each for node in NODES for each in self.processes_on(node)]:
            assert time.monotonic() < deadline, left
            time.sleep(0.2)
        assert not list(self.folder.glob("ray-*"))
        assert not (self.folder / "STOP").exists()
        assert not Path(f"/tmp/ray-{self.number}").exists()


def weights(folder):
    return (folder / "model" / "model.safetensors").read_bytes()


@pytest.fixture(scope="module")
def undisturbed(slurm, project):
    """It also tells on which nodes trials trained."""
    job = SweepJob.submitted(slurm, project, "undisturbed")
    job.wait_until(lambda: job.train_on("n1") and job.train_on("n2"))
    assert slurm.wait_for(job.number, PATIENCE_SECONDS) == "COMPLETED", job.log
    job.leaves_nothing()
    assert (job.folder / "best.toml").exists()
    return job


def test_trials_train_on_both_nodes(undisturbed):
    """As the fixture has seen."""
    saved = json.loads((undisturbed.folder / "trials.json").read_text())
    assert [row["status"] for row in saved["tables"]["trials"]] == ["finished"] * 2
    assert {undisturbed.state(number)["job"] for number in range(2)} == {undisturbed.number}


def test_a_node_that_is_lost_takes_its_trial_along_which_goes_on_elsewhere(
    slurm, project, undisturbed
):
    """Ray's part of it is killed, while the trial's process still holds what it writes to."""
    job = SweepJob.submitted(slurm, project, "left").in_mid_trial()
    (trial,) = job.train_on("n2")
    send(trial.id, signal.SIGSTOP)
    send(job.raylet("n2").id, signal.SIGKILL)
    job.wait_until(lambda: "its process or its node was lost" in job.log)
    send(trial.id, signal.SIGKILL)

    job.ends_as(undisturbed)

    told = [line for line in job.log.splitlines() if "broke off" in line]
    assert len(told) == 1, told
    assert slurm.fact(job.number, "Restarts") == "0"


def test_a_node_without_power_is_not_missed(slurm, project, undisturbed):
    """SLURM lets the job go on with the other one (--no-kill)."""
    job = SweepJob.submitted(slurm, project, "power").in_mid_trial()
    slurm.lose_node("n2")
    try:
        job.ends_as(undisturbed)
        assert slurm.fact(job.number, "Restarts") == "0"
    finally:
        slurm.start_node("n2")


def test_a_warning_of_the_end_saves_and_queues_the_job_again(slurm, project, undisturbed):
    """What SLURM does before the time is over, or when another job comes first."""
    job = SweepJob.submitted(slurm, project, "warned")
    with job.held_in_mid_trial():
        slurm.run("scancel", "--batch", "--signal=USR2", job.number)
        job.wait_until(lambda: "asked to stop (the file STOP)" in job.log)
    job.wait_until(lambda: "the sweep was stopped" in job.log)
    assert [job.state(number)["state"] for number in range(2)] == ["stopped", "stopped"], "saved"

    job.ends_as(undisturbed)

    assert slurm.fact(job.number, "Restarts") == "1"
    assert "the sweep was stopped by the file STOP, with 2 of 2 trials left" in job.log
    assert "job file: trials are left, and the job is queued again" in job.log


def test_a_requeue_by_slurm_loses_nothing(slurm, project, undisturbed):
    """Preemption as most sites do it: SIGTERM to all processes, and SIGKILL after KillWait."""
    job = SweepJob.submitted(slurm, project, "preempted").in_mid_trial()
    slurm.run("scontrol", "requeue", job.number)

    job.ends_as(undisturbed)

    assert slurm.fact(job.number, "Restarts") == "1"
    # Ray may say that its autoscaler failed.
    assert not [line for line in job.log.splitlines() if "trial" in line and "failed" in line]


def test_without_the_head_of_ray_the_job_is_queued_again(slurm, project, undisturbed):
    job = SweepJob.submitted(slurm, project, "headless").in_mid_trial()
    (head,) = [each for each in job.processes_on("n1") if "/gcs_server " in each.command]
    send(head.id, signal.SIGKILL)

    job.ends_as(undisturbed)

    assert slurm.fact(job.number, "Restarts") == "1"


def test_without_its_first_node_the_job_is_queued_again(slurm, project, undisturbed):
    """SLURM would let it be, without a shell and without an end: the other node sees to it."""
    job = SweepJob.submitted(slurm, project, "first").in_mid_trial()
    lost = slurm.nodes_of(job.number)[0]
    slurm.lose_node(lost)
    try:
        job.ends_as(undisturbed)
        assert slurm.fact(job.number, "Restarts") == "1"
    finally:
        slurm.start_node(lost)


def test_a_node_that_joins_gets_trials(slurm, project):
    """Without a restart; and once the sweep has ended, so does the job of the node."""
    job = SweepJob.submitted(slurm, project, "joined", samples=4, steps=150)
    # So that the sweep is not over before, what trains on its own nodes waits.
    job.wait_until(lambda: job.measured(0))
    own = slurm.nodes_of(job.number)
    (other,) = set(NODES) - set(own)
    job.wait_until(lambda: all(job.train_on(node) for node in own))
    held = [each.id for node in own for each in job.train_on(node)]
    for process in held:
        send(process, signal.SIGSTOP)
    try:
        joined = job.submit("--join")
        job.wait_until(lambda: job.train_on(other, joined))
    finally:
        for process in held:
            send(process, signal.SIGCONT)

    assert slurm.wait_for(job.number, PATIENCE_SECONDS) == "COMPLETED", job.log
    assert slurm.fact(job.number, "Restarts") == "0"
    assert joined in [job.state(number)["job"] for number in range(4)]
    assert slurm.wait_for(joined, PATIENCE_SECONDS) == "COMPLETED"
    job.leaves_nothing()


def test_trials_that_fit_on_no_node_are_not_submitted(slurm, project):
    with pytest.raises(AssertionError, match="A trial asks for 2 CPUs and 0 GPUs, and --nodes 2"):
        SweepJob.submitted(slurm, project, "large", more="cpus_per_trial = 2")


def test_trials_that_fit_on_no_node_are_told_before_the_first(slurm, project):
    """In the job, that is: here a trial asks for more than it did when it was submitted."""
    more = IMPATIENT.replace("setup = [", "setup = ['echo cpus_per_trial = 2 >> grown.toml', ")
    (project / "more.toml").write_text(more)
    job = SweepJob.submitted(slurm, project, "grown", "--site", "more.toml")

    assert slurm.wait_for(job.number, PATIENCE_SECONDS) == "FAILED"

    told = [line for line in job.log.splitlines() if line.startswith("histosyn:")]
    assert len(told) == 1 and "A trial asks for 2 CPUs" in told[0]
    assert slurm.fact(job.number, "ExitCode") == "2:0"
    assert not job.trial(0).exists()


def test_a_job_of_one_node_is_queued_again_too(slurm, project, undisturbed):
    job = SweepJob.submitted(slurm, project, "alone", nodes=1)
    job.wait_until(lambda: job.measured(0) >= 2)
    slurm.run("scancel", "--batch", "--signal=USR2", job.number)

    job.ends_as(undisturbed)

    assert slurm.fact(job.number, "Restarts") == "1"


def over_two_nodes(slurm, project, name):
    """A sweep whose only trial has a process on each of two nodes, once it has been measured."""
    job = SweepJob.submitted(slurm, project, name, samples=1, more="processes_per_trial = 2")
    job = replace(job, trains="ray::Rank")
    job.wait_until(lambda: job.measured(0) >= 2)
    assert all(len(job.train_on(node)) == 1 for node in slurm.nodes_of(job.number))
    return job


def test_a_trial_of_two_processes_trains_over_two_nodes_and_loses_one(slurm, project):
    """Without the node there is room for no trial: the job is queued again, and has another one."""
    undisturbed = over_two_nodes(slurm, project, "wide")
    assert slurm.wait_for(undisturbed.number, PATIENCE_SECONDS) == "COMPLETED", undisturbed.log
    assert (undisturbed.folder / "best.toml").exists()
    assert json.loads((undisturbed.trial(0) / "state.json").read_text())["world_size"] == 2
    undisturbed.leaves_nothing()

    job = over_two_nodes(slurm, project, "narrowed")
    lost = slurm.nodes_of(job.number)[1]
    slurm.lose_node(lost)
    try:
        job.ends_as(undisturbed, trials=1)
        assert slurm.fact(job.number, "Restarts") == "1"
        assert "no trial has fitted on the nodes that are left" in job.log
    finally:
        slurm.start_node(lost)
