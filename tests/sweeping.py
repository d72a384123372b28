"""`histosyn tune` in a folder of its own, where the network holds nothing but loopback."""

import contextlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path

from hpc.log import RecordsFile
from tune.plan.config import read_sweep

# SIOCSIFFLAGS: set a network interface's flags, here IFF_UP.
LOOPBACK_UP = """
import fcntl, os, socket, struct, sys
flags = struct.pack("16sH22x", b"lo", 1)
fcntl.ioctl(socket.socket(socket.AF_INET, socket.SOCK_DGRAM), 0x8914, flags)
os.execvp(sys.argv[1], sys.argv[1:])
"""
# As small as a trial's can be.
NETWORKS = """\
[train.generator]
base_channels = 4
max_multiplier = 4
upsamplings = 3
label_channels = 8
noise_channels = 4
[train.discriminator]
pretrained = "none"
grain_channels = 0
base_channels = 4
layers = 2
scales = 1
"""
TINY = """
[train.data]
shards = "{data}/train/packed/train"
global_batch = 2
workers = 0
{networks}[train.run]
steps = {steps}
report_every = 1
checkpoint_every = {evaluate_every}

[search]
{search}

[objective.distance]
extractor = "random"

[sweep]
folder = "{folder}/sweep"
validation = "{data}/validation/packed/train"
samples = {samples}
evaluate_every = {evaluate_every}
evaluation_tiles = 8
grace_period = {grace_period}
reduction_factor = 2
{more}
"""
SEARCH = """
optimizer.generator_lr = { log_uniform = [1e-5, 1e-2] }
loss.feature_matching = { uniform = [1, 20] }
"""


class Sweeps:
    """`histosyn tune` in a folder of its own."""

    def __init__(self, prefix, data, folder, scratch):
        self.prefix = prefix
        self.data = data
        self.folder = folder
        self.file = folder / "sweep.toml"
        self.started = []
        # Ray's workers are polite by default, and wait where a machine does a lot else.
        impatient = {"RAY_worker_niceness": "0"}
        self.environment = os.environ | impatient | {"RAY_TMPDIR": scratch, "COLUMNS": "120"}

    def write(self, search=SEARCH, **settings):
        chosen = {"samples": 4, "steps": 6, "evaluate_every": 2, "grace_period": 2, "more": ""}
        chosen |= {"networks": NETWORKS, "folder": self.folder, "data": self.data}
        chosen |= {"search": search} | settings
        self.file.write_text(TINY.format(**chosen))
        return read_sweep(self.file)

    def command(self, before="pass", shell=""):
        code = f"import sys; {before}; from launch.cli import main; main(sys.argv[1:])"
        command = [sys.executable, "-P", "-c", code, "tune", "--config", str(self.file)]
        if shell:
            command = ["sh", "-c", shell, "sh", *command]
        return [*self.prefix, *command]

    def start(self, **how):
        process = subprocess.Popen(
            self.command(**how),
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.started.append(process)
        return process

    def end(self):
        """Kill what a test that failed has left running."""
        for process in self.started:
            if process.poll() is None:
                process.kill()
                process.communicate()

    def run(self, **how):
        process = self.start(**how)
        try:
            out, err = process.communicate(timeout=400)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    def succeed(self, **how):
        result = self.run(**how)
        assert result.returncode == 0, result.stderr
        return result


def trials(sweep):
    saved = json.loads((sweep.sweep.folder / "trials.json").read_text())
    return saved["tables"]["trials"]


def evaluations(sweep, number):
    return RecordsFile(sweep.trial_folder(number) / "evaluations.jsonl").read()


def all_evaluations(sweep):
    return [evaluations(sweep, number) for number in range(sweep.sweep.samples)]


def wait_for(condition, process, seconds=400):
    deadline = time.monotonic() + seconds
    while not condition():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.05)


def processes_in_the_network_of(driver):
    network = Path(f"/proc/{driver.pid}/ns/net").readlink()
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if (process / "ns/net").readlink() == network:
                yield int(process.name)


def command_of(process):
    try:
        return Path(f"/proc/{process}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    except OSError:
        return ""


def trial_process(driver):
    """A process that runs a trial of this driver's: in the same network."""
    network = Path(f"/proc/{driver.pid}/ns/net").readlink()
    for process in Path("/proc").glob("[0-9]*"):
        try:
            title = (process / "cmdline").read_bytes()
            if b"ray::ImplicitFunc" in title and (process / "ns/net").readlink() == network:
                return int(process.name)
        except OSError:
            continue
    raise AssertionError("no trial runs")


def rank_processes(driver):
    """The ranks of a trial that has several processes, of this driver's."""
    return [
        process
        for process in processes_in_the_network_of(driver)
        if command_of(process).startswith("ray::Rank")
    ]
