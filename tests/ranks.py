"""`run_ranks`: call a function on several ranks of a real gloo group, as torchrun would.

Each rank is a fresh interpreter that loads the function's file by its path, so that functions of
test modules, which cannot be imported by name, work as well.
"""

import importlib.util
import inspect
import os
import pickle
import subprocess
import sys
import tempfile
import time
import traceback
from datetime import timedelta
from functools import reduce
from pathlib import Path

from torch.distributed import TCPStore

_CALL, _LAST_RANK_GRACE_SECONDS = "call.pickle", 20


def run_ranks(world_size, function, *args, joined=True, timeout_seconds=300):
    """What `function(*args)` returns on each rank, in the order of ranks.

    `function` lies at the top level of a file; arguments and results are pickled. Without `joined`
    the ranks find torchrun's variables but join no process group: the function is to do that.
    Raises AssertionError with the tracebacks of the ranks that failed.
    """
    file = str(Path(inspect.getfile(function)).resolve())
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        call = (file, function.__qualname__, args, joined)
        (folder / _CALL).write_bytes(pickle.dumps(call))
        # The ranks' meeting point lives here: its port is taken by nobody else in the meantime.
        store = TCPStore(
            "127.0.0.1", 0, is_master=True, wait_for_workers=False, timeout=timedelta(seconds=60)
        )
        processes = [_start(folder, rank, world_size, store.port) for rank in range(world_size)]
        try:
            _wait(processes, timeout_seconds)
        finally:
            for process in processes:
                process.kill()
                process.wait()
        return _results(folder, processes)


def _start(folder, rank, world_size, port):
    environment = os.environ | {
        "RANK": str(rank),
        "WORLD_SIZE": str(world_size),
        "LOCAL_RANK": str(rank),
        "LOCAL_WORLD_SIZE": str(world_size),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
        "TORCHELASTIC_USE_AGENT_STORE": "True",
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": os.pathsep.join(sys.path),
    }
    with (folder / f"output-{rank}.txt").open("wb") as output:
        return subprocess.Popen(
            [sys.executable, __file__, str(folder)],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )


def _wait(processes, timeout_seconds):
    """Until all have ended; once one has failed, the others get a moment to fail as well."""
    deadline = time.monotonic() + timeout_seconds
    failed = False
    while any(process.poll() is None for process in processes) and time.monotonic() < deadline:
        if not failed and any(process.poll() for process in processes):
            failed = True
            deadline = min(deadline, time.monotonic() + _LAST_RANK_GRACE_SECONDS)
        time.sleep(0.05)


def _results(folder, processes):
    if any(process.returncode for process in processes):
        stories = [
            f"--- rank {rank}, exit code {process.returncode} "
            f"(negative: killed, or ended here for not answering) ---\n"
            + (folder / f"output-{rank}.txt").read_text(errors="replace")
            for rank, process in enumerate(processes)
        ]
        raise AssertionError("ranks failed\n" + "\n".join(stories))
    return [
        pickle.loads((folder / f"result-{rank}.pickle").read_bytes())
        for rank in range(len(processes))
    ]


def _load(file, qualified_name):
    spec = importlib.util.spec_from_file_location(Path(file).stem, file)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return reduce(getattr, qualified_name.split("."), module)


def _main(folder):
    """One rank. Leaves `result-N.pickle`, or a traceback on its output."""
    from hpc.process_group import device_of, process_group
    from hpc.topology import Topology, detect

    file, qualified_name, args, joined = pickle.loads((folder / _CALL).read_bytes())
    function = _load(file, qualified_name)
    topology = detect()
    device = device_of(topology, "cpu")
    with process_group(topology if joined else Topology(), device, timeout_seconds=60):
        result = function(*args)
    (folder / f"result-{topology.rank}.pickle").write_bytes(pickle.dumps(result))


if __name__ == "__main__":
    try:
        _main(Path(sys.argv[1]))
    except BaseException:
        traceback.print_exc()
        # At once: the threads of a group whose other ranks are gone may wait for long.
        sys.stderr.flush()
        os._exit(1)
