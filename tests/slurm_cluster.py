"""A real SLURM on this machine: munged, slurmctld and a slurmd for each node, in one folder."""

import getpass
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

BIN = Path(sys.executable).parent
# A site file for this cluster, on which names such as n1 resolve nowhere.
SITE = f"""
gpus_per_node = 0
cpus_per_task = 1
time = "10"
setup = ['export PATH="{BIN}:$PATH"', 'export OMP_NUM_THREADS=1']
rendezvous_address = "127.0.0.1"
"""
_PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "scontrol", "squeue", "scancel", "sinfo")
_SYSTEM_PATH = os.pathsep.join(("/usr/sbin", "/usr/local/sbin", "/sbin"))
# A running job is SIGNALING while its warning is sent.
_RUNNING = (
    "PENDING", "CONFIGURING", "RUNNING", "COMPLETING", "REQUEUED", "SUSPENDED", "SIGNALING"
)  # fmt: skip

# Below those that Linux hands out (32768 and up), beside those of Ray's workers (10002 to 19999)
# and of job files (20000 to 29999).
_PORTS = range(30_000, 32_768)

# cred_expire is also what a requeued job waits for.
_CONFIGURATION = """\
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={port}
SlurmUser={user}
SlurmdUser={user}
AuthInfo=socket={folder}/munge.sock,cred_expire=5
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd-%n.log
ProctrackType=proctrack/linuxproc
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
ReturnToService=2
SlurmdTimeout=20
KillWait=5
MinJobAge=600
FirstJobId={first_job}
SchedulerParameters=batch_sched_delay=0,sched_interval=1,bf_interval=1,sched_min_interval=0
{nodes}
PartitionName=main Nodes=ALL Default=YES MaxTime=60 State=UP
"""


def missing_programs():
    """Names of the programs that are not installed here."""
    return [name for name in _PROGRAMS if _find(name) is None]


def slurm_marks():
    """Marks of tests that need SLURM."""
    missing = missing_programs()
    reason = f"SLURM is not installed here: no {', '.join(missing)}"
    return [pytest.mark.slow, pytest.mark.skipif(bool(missing), reason=reason)]


@dataclass(frozen=True, kw_only=True)
class Process:
    """A process of this machine that belongs to a job."""

    id: int
    parent: int
    command: str
    environment: dict[str, str]


def processes():
    """The living processes of job steps."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            state, parent = (folder / "stat").read_text().rpartition(")")[2].split()[:2]
            lines = (folder / "environ").read_text(errors="replace").split("\0")
            command = (folder / "cmdline").read_text(errors="replace").replace("\0", " ")
        except OSError:
            continue
        environment = dict(line.split("=", 1) for line in lines if "=" in line)
        if state not in "ZX" and "SLURM_JOB_ID" in environment:
            found.append(
                Process(
                    id=int(folder.name),
                    parent=int(parent),
                    command=command,
                    environment=environment,
                )
            )
    return found


def send(process, number):
    """Send a signal to a process, which may be gone already."""
    with suppress(ProcessLookupError):
        os.kill(process, number)


@dataclass(frozen=True, kw_only=True)
class SlurmCluster:
    """A running cluster; `environment` is for programs that are to talk to it.

    All its programs are started by the command `inside`, such as one that enters a network.
    """

    folder: Path
    environment: dict[str, str]
    inside: Sequence[str] = ()

    def run(self, *command, **options):
        """Run a program that must succeed; returns its output."""
        result = subprocess.run(
            [*self.inside, *command],
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
            **options,
        )
        assert result.returncode == 0, f"{command}: {result.stdout}{result.stderr}"
        return result.stdout

    def submit(self, project, *arguments):
        """`histosyn submit` in the folder of a project; returns the numbers of the jobs."""
        told = self.run(str(BIN / "histosyn"), "submit", *map(str, arguments), cwd=project)
        return told.split("Submitted job ")[1].split(":")[0].split(" and then job ")

    def wait_for(self, job, timeout_seconds=300):
        """The state in which a job ends, such as COMPLETED."""
        deadline = time.monotonic() + timeout_seconds
        while time.monotonic() < deadline:
            if state := self.end_of(job):
                return state
            time.sleep(0.3)
        left = self.processes(SLURM_JOB_ID=job)
        told = [
            f"job {job} has not ended after {timeout_seconds} s",
            self.run("squeue", "--long"),
            self.run("scontrol", "--oneliner", "show", "nodes"),
            *(f"process {each.id} {each.command[:200]}" for each in left),
            *(f"{log.name}: {log.read_text()[-4000:]}" for log in self.folder.glob("slurm*.log")),
        ]
        # It would be in the way of the next tests.
        self.run("scancel", job)
        raise AssertionError("\n".join(told))

    def processes(self, **marks):
        """The living processes of its job steps whose environment has these marks."""
        # Other clusters of this machine have nodes of the same names.
        mine = marks | {"SLURM_CONF": self.environment["SLURM_CONF"]}
        return [each for each in processes() if mine.items() <= each.environment.items()]

    def end_of(self, job):
        """The state in which a job has ended; None while it runs or waits."""
        state = self.fact(job, "JobState")
        return None if state in _RUNNING else state

    def fact(self, job, name):
        """What scontrol says of a job, such as its Restarts."""
        facts = self.run("scontrol", "--oneliner", "show", "job", job)
        # There is a ReqNodeList before the NodeList.
        return f" {facts}".split(f" {name}=")[1].split()[0]

    def nodes_of(self, job):
        """The nodes that a job has, or had last."""
        return self.run("scontrol", "show", "hostnames", self.fact(job, "NodeList")).split()

    def start_node(self, name):
        """Start a node's daemon, and wait until the controller knows of it."""

        def began():
            node = self.run("scontrol", "--oneliner", "show", "node", name)
            return node.split(" SlurmdStartTime=")[1].split()[0]

        before = began()
        self.run("slurmd", "-N", name)
        # slurmd returns before it binds its port: why it failed is in its log only.
        log = self.folder / f"slurmd-{name}.log"
        assert _wait_until(lambda: began() != before, 60), f"{name} is not there: {log.read_text()}"

    def lose_node(self, name):
        """Kill a node's daemon and all that runs on it, as if its power had gone."""
        os.kill(int((self.folder / f"slurmd-{name}.pid").read_text()), signal.SIGKILL)
        steps = self.processes(SLURMD_NODENAME=name)
        _kill_together({each.id: each.parent for each in steps})


def _kill_together(parents):
    """Kill processes and their parents, so that none can do anything when another is gone.

    srun has a child that cancels the step, on another node too, if srun is gone. And Linux wakes
    those who wait in a group whose last parent has died: all wait, and are killed from the leaves
    up.
    """
    left = (parents.keys() | set(parents.values())) - {0, 1}
    for process in left:
        send(process, signal.SIGSTOP)
    while left:
        leaves = left - {parents.get(each) for each in left}
        for process in leaves:
            send(process, signal.SIGKILL)
        assert _wait_until(lambda gone=leaves: all(map(_is_gone, gone)), 60), leaves
        left -= leaves


@contextmanager
def running_slurm(nodes=2, inside=()):
    """Start a cluster whose nodes n1, n2, ... have one core each; stop it when the block ends."""
    # Not pytest's folder: the path of a socket must be short.
    with tempfile.TemporaryDirectory(prefix="slurm-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        cluster = SlurmCluster(folder=folder, environment=_environment(folder), inside=inside)
        _write_configuration(folder, [f"n{i + 1}" for i in range(nodes)])
        try:
            _start(cluster, nodes)
            yield cluster
        finally:
            _stop(cluster)


def _find(program):
    return shutil.which(program, path=os.pathsep.join((os.environ["PATH"], _SYSTEM_PATH)))


def _environment(folder):
    outer_job = ("SLURM_", "SBATCH_", "SRUN_")
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(outer_job)}
    path = os.pathsep.join((os.environ["PATH"], _SYSTEM_PATH))
    return inherited | {"SLURM_CONF": str(folder / "slurm.conf"), "PATH": path}


def _write_configuration(folder, names):
    host = socket.gethostname().split(".")[0]
    control_port, *ports = _ports(1 + len(names))
    nodes = "\n".join(
        f"NodeName={name} NodeHostname={host} NodeAddr=127.0.0.1 Port={port} CPUs=1"
        for name, port in zip(names, ports, strict=True)
    )
    text = _CONFIGURATION.format(
        host=host, port=control_port, user=getpass.getuser(), folder=folder, nodes=nodes,
        # Jobs of clusters side by side have ports and folders by their numbers.
        first_job=1000 + secrets.randbelow(50_000),
    )  # fmt: skip
    (folder / "slurm.conf").write_text(text)
    (folder / "state").mkdir()
    key = folder / "munge.key"
    key.touch(mode=0o600)
    key.write_bytes(secrets.token_bytes(128))


def _ports(count):
    """Free ones outside the range from which Linux hands them out: a lost node needs its own again
    when it comes back.
    """
    found = set()
    while len(found) < count:
        port = _PORTS[secrets.randbelow(len(_PORTS))]
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            found.add(port)
    return found


def _start(cluster, nodes):
    folder = cluster.folder
    cluster.run(
        "munged", "--force", f"--key-file={folder}/munge.key", f"--socket={folder}/munge.sock",
        f"--pid-file={folder}/munged.pid", f"--log-file={folder}/munged.log",
        f"--seed-file={folder}/munge.seed",
    )  # fmt: skip
    cluster.run("slurmctld", "-c")
    for i in range(nodes):
        cluster.start_node(f"n{i + 1}")
    deadline = time.monotonic() + 60
    while (states := _node_states(cluster)) != ["idle"] * nodes:
        if time.monotonic() > deadline:
            logs = "\n".join(path.read_text() for path in sorted(folder.glob("*.log")))
            raise AssertionError(f"the nodes are {states}, not idle\n{logs}")
        time.sleep(0.1)


def _node_states(cluster):
    return subprocess.run(
        [*cluster.inside, "sinfo", "--noheader", "--Node", "--format=%T"],
        env=cluster.environment, capture_output=True, text=True, check=False,
    ).stdout.split()  # fmt: skip


def _stop(cluster):
    """Cancel the jobs, whose processes would outlive the daemons; then end these by their ids."""
    subprocess.run(
        [*cluster.inside, "scancel", f"--user={getpass.getuser()}"],
        env=cluster.environment, capture_output=True, check=False,
    )  # fmt: skip
    _wait_until(lambda: not _running_jobs(cluster), 15)
    for pattern in ("slurmd-*.pid", "slurmctld.pid", "munged.pid"):
        for path in cluster.folder.glob(pattern):
            _end(int(path.read_text()))


def _running_jobs(cluster):
    states = f"--states={','.join(_RUNNING[:4])}"
    return subprocess.run(
        [*cluster.inside, "squeue", "--noheader", states],
        env=cluster.environment, capture_output=True, text=True, check=False,
    ).stdout  # fmt: skip


def _end(process):
    for sent in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.kill(process, sent)
        except ProcessLookupError:
            return
        if _wait_until(lambda: _is_gone(process), 10):
            return


def _is_gone(process):
    """Daemons may linger as zombies where nobody collects them."""
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return True
    return state == "Z"


def _wait_until(condition, seconds):
    deadline = time.monotonic() + seconds
    while not (met := condition()) and time.monotonic() < deadline:
        time.sleep(0.1)
    return met
