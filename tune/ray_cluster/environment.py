"""Environment variables for Ray. Some are read only while it is imported: set them before that."""

from __future__ import annotations

import os
import secrets

ADDRESS = "RAY_ADDRESS"
# A trial is a process of its own, whatever job step Ray was started in.
OF_TRIALS = {
    "RANK": "0",
    "WORLD_SIZE": "1",
    "LOCAL_RANK": "0",
    "LOCAL_WORLD_SIZE": "1",
    "PYTHONSAFEPATH": "1",
    # The job's end is told to all trials at once (tune.trials.stop); one that left by itself would
    # be started again.
    "SLURM_JOB_END_TIME": "",
}
_OF_THE_DRIVER = {
    "RAY_USAGE_STATS_ENABLED": "0",
    # Tune's own tables, boxes and result files: the trials' folders have it all.
    "RAY_AIR_NEW_OUTPUT": "0",
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    # Trials that wait for their processes to start; how many there are at a time we say ourselves.
    "TUNE_MAX_PENDING_TRIALS_PG": "100000",
    # Ctrl-C ends a sweep as it ends any other command.
    "TUNE_DISABLE_SIGINT_HANDLER": "1",
}
# Ray takes 127.0.0.1 for the address by which other machines reach this one, and then listens on
# all interfaces; where it cannot be a cluster, it listens on 127.0.0.1 and looks for no network.
_OF_ONE_MACHINE = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}


def existing_cluster() -> str | None:
    """The address of the cluster to use; None to start one on this machine."""
    return os.environ.get(ADDRESS) or None


def prepare() -> None:
    """Make Ray quiet, and a cluster of our own one that only this user can use."""
    os.environ.update(_OF_THE_DRIVER)
    if existing_cluster() is None:
        os.environ.update(_OF_ONE_MACHINE)
    if existing_cluster() is None and "RAY_AUTH_MODE" not in os.environ:
        # Whoever reaches Ray's ports can run code as this user, and nodes are shared. Left to
        # itself, Ray would keep its token in a file that everybody may read.
        os.environ["RAY_AUTH_MODE"] = "token"
        os.environ["RAY_AUTH_TOKEN"] = secrets.token_hex(32)
