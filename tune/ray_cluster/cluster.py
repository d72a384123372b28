"""Connecting to the Ray cluster that RAY_ADDRESS names, or starting one on this machine."""

from __future__ import annotations

import contextlib
import logging
import socket
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import ray

from hpc.errors import InputError
from hpc.parallel import usable_cores
from tune.plan.settings import SweepConfig
from tune.ray_cluster.environment import ADDRESS, OF_TRIALS, existing_cluster
from tune.ray_cluster.messages import take_messages
from tune.ray_cluster.session_folder import session_folder

# Trials send small dicts only; Ray's default would reserve a third of the memory.
_OBJECT_STORE_BYTES = 128 << 20
_ANSWER_SECONDS = 20
# The nodes of a job join its Ray one by one, while the sweep begins on the first.
_JOINING_SECONDS = 60


@contextlib.contextmanager
def cluster(config: SweepConfig) -> Iterator[None]:
    """Connect to Ray or start it, and leave it at the end.

    Raises InputError if the cluster can't be reached or has no node that a trial fits on.
    """
    # Workers look for modules in the driver's current folder first. It shall not be the user's,
    # where an eval.py or tune.py may lie.
    with contextlib.ExitStack() as stack:
        take_messages()
        with contextlib.chdir(config.folder):
            try:
                ray.init(
                    log_to_driver=False,
                    logging_level=logging.CRITICAL,
                    runtime_env={"env_vars": OF_TRIALS},
                    **_where(stack),
                )
            except (ConnectionError, RuntimeError, ValueError) as error:
                reason = str(error).strip().splitlines()[0]
                raise InputError(f"Ray cannot be started or joined: {reason}") from error
        stack.callback(ray.shutdown)
        _require_room(config)
        yield


def _where(stack: contextlib.ExitStack) -> dict[str, Any]:
    if address := existing_cluster():
        _require_answer(address)
        return {"address": address}
    return {
        "_temp_dir": str(stack.enter_context(session_folder())),
        "address": "local",
        "num_cpus": usable_cores(),
        "include_dashboard": False,
        "object_store_memory": _OBJECT_STORE_BYTES,
        "_node_ip_address": "127.0.0.1",
    }


def _require_answer(address: str) -> None:
    """Ray would knock for many minutes at a port that nobody answers."""
    host, _, port = address.rpartition(":")
    if not (host and port.isdigit()):
        return
    try:
        socket.create_connection((host, int(port)), timeout=_ANSWER_SECONDS).close()
    except OSError as error:
        raise InputError(
            f"Nobody answers at {ADDRESS}={address} ({error}). Start Ray there, or unset {ADDRESS} "
            "to use this machine alone."
        ) from error


def room(config: SweepConfig) -> int:
    """How many trials may run at a time on the nodes that are there now, at least one."""
    fitting = config.trials_on(_nodes())
    return max(1, min(fitting, config.max_concurrent or fitting))


def has_room(config: SweepConfig) -> bool:
    """Whether a trial fits on the nodes that are there now, were it alone on them."""
    return config.trials_on(_nodes()) > 0


def _nodes() -> list[dict[str, float]]:
    """The resources of each node that is there now."""
    return [node["Resources"] for node in ray.nodes() if node["Alive"]]


def _require_room(config: SweepConfig) -> None:
    """Tune would wait without end for a node that doesn't exist."""
    deadline = time.monotonic() + (_JOINING_SECONDS if existing_cluster() else 0)
    while not config.trials_on(nodes := _nodes()):
        if time.monotonic() >= deadline:
            raise _no_room(config, nodes)
        time.sleep(1)


def _no_room(config: SweepConfig, nodes: Sequence[Mapping[str, float]]) -> InputError:
    found = "; ".join(f"{node.get('CPU', 0):g} CPUs, {node.get('GPU', 0):g} GPUs" for node in nodes)
    if config.processes_per_trial == 1:
        return InputError(
            f"A trial asks for {config.needs}, and no node has both ({found}). Lower "
            "sweep.cpus_per_trial or sweep.gpus_per_trial, or ask for a larger node."
        )
    return InputError(
        f"A trial asks for {config.needs}, and the nodes together have no room for them ({found}). "
        "Lower sweep.processes_per_trial, sweep.cpus_per_trial or sweep.gpus_per_trial, or ask for "
        "more nodes."
    )
