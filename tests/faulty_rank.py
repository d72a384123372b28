"""One rank of a group that takes steps until rank 1 does what it is told: run as a script."""

import os
import signal
import sys
import time

from hpc import collectives
from hpc.errors import DatasetError, HistosynError
from hpc.process_group import device_of, process_group
from hpc.topology import detect

FAULT_STEP, STEPS = 3, 1000


def commit(fault):
    if fault == "error":
        raise DatasetError("shard-7 is damaged. Copy it again.")
    if fault == "bug":
        raise KeyError("a bug")
    if fault == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if fault == "freeze":
        os.kill(os.getpid(), signal.SIGSTOP)
    if fault == "hang":
        time.sleep(600)


def fail():
    raise DatasetError("no shards here. Check the path.")


def main(fault, culprit):
    topology = detect()
    device = device_of(topology, "cpu")
    with process_group(topology, device, timeout_seconds=3 if fault == "hang" else 600) as watchdog:
        print("joined", flush=True)
        for step in range(STEPS):
            collectives.barrier()
            watchdog.step_taken()
            if step == FAULT_STEP and fault == "all":
                collectives.run_on_rank_0(fail)
            if step == FAULT_STEP and topology.rank == culprit:
                commit(fault)
            # Not everybody is in a collective when it happens.
            time.sleep(0.01 * topology.rank)


if __name__ == "__main__":
    try:
        main(sys.argv[1], int(sys.argv[2]))
    except HistosynError as error:
        sys.exit(f"histosyn: {error}")
