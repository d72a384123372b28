"""Real processes that are one group without torchrun: what ends them is their own doing."""

import os
import socket
import subprocess
import sys
import time
from contextlib import contextmanager

HISTOSYN = [sys.executable, "-c", "from launch.cli import main; main()"]
_PATIENCE_SECONDS = 120


def environment(**variables):
    """This process's, in which the tests' modules and ours are found."""
    path = os.pathsep.join(sys.path)
    common = {
        "PYTHONPATH": path,
        "OMP_NUM_THREADS": "1",
        # As the job files have it, for workers that start again after a kill.
        "TORCH_DISABLE_SHARE_RDZV_TCP_STORE": "1",
    }
    return os.environ | common | variables


@contextmanager
def started(command, **options):
    """A process in a session of its own, both outputs to be read as text; killed at the end."""
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    options = {"env": environment()} | streams | options
    with subprocess.Popen(command, start_new_session=True, **options) as process:
        try:
            yield process
        finally:
            process.kill()


@contextmanager
def started_ranks(count, command):
    """`count` processes with torchrun's variables; rank 0 keeps the store."""
    port = str(_free_port())
    processes = []
    for rank in range(count):
        variables = {
            "RANK": str(rank), "WORLD_SIZE": str(count), "LOCAL_RANK": str(rank),
            "LOCAL_WORLD_SIZE": str(count), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port,
        }  # fmt: skip
        processes.append(
            subprocess.Popen(
                command, env=environment(**variables), start_new_session=True, text=True,
                stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            )
        )  # fmt: skip
    try:
        yield processes
    finally:
        for process in processes:
            process.kill()
            process.communicate()


def torchrun(count, *arguments, options=()):
    """The command that runs `histosyn` with these arguments on `count` processes."""
    return [
        sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", str(count),
        "--rdzv-backend", "c10d", "--rdzv-endpoint", "localhost:0", "--shutdown-timeout", "300",
        "--signals-to-handle", "SIGUSR2,SIGTERM,SIGINT", *options, "--no-python",
        *HISTOSYN, *map(str, arguments),
    ]  # fmt: skip


def wait_until(condition, *processes):
    """Wait for a condition; fails with the processes' errors when one of them ends before."""
    end = time.monotonic() + _PATIENCE_SECONDS
    while not condition():
        for process in processes:
            assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < end, "it takes too long"
        time.sleep(0.02)


def _free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]
