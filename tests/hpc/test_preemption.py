"""Requests to stop: each kind is heard, before training at once, later at the edge of a step."""

import os
import pickle
import signal
import sys
import time
from pathlib import Path

import pytest
import torch
from launching import started
from ranks import run_ranks

from hpc.preemption import REASONS, Stopped, StopRequest

CPU = torch.device("cpu")
SIGNALS = [
    (signal.SIGUSR2, "SIGUSR2", "requeue", 0),
    (signal.SIGTERM, "SIGTERM", "requeue", 0),
    (signal.SIGINT, "Ctrl-C", "resume", 130),
]


def request(folder, seconds_before_end=120):
    return StopRequest(folder, seconds_before_end=seconds_before_end)


def reason_within(stop, seconds=30):
    """What is agreed as soon as it is."""
    end = time.monotonic() + seconds
    while (reason := stop.agreed()) is None:
        assert time.monotonic() < end, "nothing was heard"
        time.sleep(0.01)
    return reason


@pytest.mark.parametrize("number, text, then, exit_code", SIGNALS)
def test_a_signal_is_noted_for_the_edge_of_a_step(tmp_path, number, text, then, exit_code):
    before = signal.getsignal(number)
    with request(tmp_path) as stop, stop.at_step_boundaries(CPU):
        assert stop.agreed() is None
        # Directly and through torchrun.
        os.kill(os.getpid(), number)
        os.kill(os.getpid(), number)
        reason = stop.agreed()
    assert (reason.text, reason.next, reason.exit_code) == (text, then, exit_code)
    assert signal.getsignal(number) is before


@pytest.mark.parametrize("number, text, then, exit_code", SIGNALS)
def test_before_training_a_signal_ends_the_process(tmp_path, number, text, then, exit_code):
    with pytest.raises((Stopped, KeyboardInterrupt)) as caught, request(tmp_path):
        os.kill(os.getpid(), number)
        time.sleep(60)
    if number == signal.SIGINT:
        assert caught.type is KeyboardInterrupt
    else:
        assert (caught.value.reason.text, caught.value.reason.next) == (text, then)
        assert text in str(caught.value)


def test_it_travels_between_processes():
    stopped = pickle.loads(pickle.dumps(Stopped(REASONS[0], "stopped.")))
    assert (stopped.reason, str(stopped)) == (REASONS[0], "stopped.")


def test_ctrl_c_weighs_more_than_a_job_that_wants_to_be_requeued(tmp_path):
    with request(tmp_path) as stop, stop.at_step_boundaries(CPU):
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGTERM)
        assert stop.agreed().next == "resume"


def test_a_stop_file_is_found_and_removed_when_it_was_honoured(tmp_path):
    with request(tmp_path) as stop, stop.at_step_boundaries(CPU):
        assert stop.agreed() is None
        (tmp_path / "STOP").touch()
        reason = reason_within(stop)
        stop.acknowledge(reason)
    assert (reason.text, reason.next, reason.exit_code) == ("the file STOP", "resume", 0)
    assert not (tmp_path / "STOP").exists()


def test_the_jobs_end_is_seen_coming(tmp_path, monkeypatch):
    monkeypatch.setenv("SLURM_JOB_END_TIME", str(int(time.time() + 3600)))
    with request(tmp_path, seconds_before_end=3600.5) as stop, stop.at_step_boundaries(CPU):
        time.sleep(1.5)
        assert stop.agreed() is None, "half of the time that is left is for training"
    monkeypatch.setenv("SLURM_JOB_END_TIME", str(int(time.time() + 2)))
    with request(tmp_path) as stop, stop.at_step_boundaries(CPU):
        reason = reason_within(stop)
    assert (reason.text, reason.next) == ("the job's end time is near", "requeue")


BUSY = """
import sys, time
from pathlib import Path
import torch
from hpc.preemption import StopRequest
with StopRequest(Path(sys.argv[1]), seconds_before_end=0) as stop:
    with stop.at_step_boundaries(torch.device("cpu")):
        print("ready", flush=True)
        while stop.agreed() is None:
            time.sleep(0.01)
        print("asked", flush=True)
        time.sleep(600)
"""


def test_the_second_ctrl_c_ends_at_once(tmp_path):
    with started([sys.executable, "-c", BUSY, str(tmp_path)]) as process:
        assert process.stdout.readline() == "ready\n"
        # One Ctrl-C that comes on two ways.
        process.send_signal(signal.SIGINT)
        process.send_signal(signal.SIGINT)
        assert process.stdout.readline() == "asked\n"
        time.sleep(1.1)
        assert process.poll() is None
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=30)
    assert process.returncode == 130
    assert errors.splitlines() == [
        "histosyn: ended at once by a second Ctrl-C. Nothing was saved: there is no checkpoint yet."
    ]


def test_the_second_ctrl_c_ends_it_though_nobody_reads_the_message(tmp_path):
    with started([sys.executable, "-c", BUSY, str(tmp_path)]) as process:
        assert process.stdout.readline() == "ready\n"
        process.stderr.close()
        process.send_signal(signal.SIGINT)
        assert process.stdout.readline() == "asked\n"
        time.sleep(1.1)
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=30) == 130


WITH_CHILDREN = """
import multiprocessing, os, signal, sys, threading, time
from pathlib import Path
import torch
from hpc.preemption import StopRequest, signals_blocked
if __name__ == "__main__":
    with StopRequest(Path(sys.argv[1]), seconds_before_end=0) as stop:
        with stop.at_step_boundaries(torch.device("cpu")):
            with signals_blocked():
                context = multiprocessing.get_context("forkserver")
                child = context.Process(target=time.sleep, args=(60,), daemon=True)
                child.start()
                # To this thread: another one, such as of torch's pool, would not hold it back.
                signal.pthread_kill(threading.get_ident(), signal.SIGUSR2)
                assert stop.agreed() is None
            assert stop.agreed().text == "SIGUSR2"
            print("ready", flush=True)
            while stop.agreed().text != "Ctrl-C":
                time.sleep(0.01)
            time.sleep(0.5)
            print("alive" if child.is_alive() else "dead", flush=True)
            child.kill()
"""


def test_children_are_spared_and_nothing_is_lost(tmp_path):
    """The signals come to all of them; also to the server that forks, and with it ends its own."""
    script = tmp_path / "script.py"
    script.write_text(WITH_CHILDREN)
    with started([sys.executable, str(script), str(tmp_path)]) as process:
        assert process.stdout.readline() == "ready\n"
        for number, *_ in SIGNALS:
            os.killpg(process.pid, number)
        out, errors = process.communicate(timeout=60)
    assert out == "alive\n", errors


def edges(folder):
    """The edge at which this rank stops, and why; rank 1 is asked to after edge 3."""
    with request(Path(folder)) as stop, stop.at_step_boundaries(CPU):
        for edge in range(20):
            reason = stop.agreed()
            if reason is not None:
                return edge, reason.text
            if edge == 3 and int(os.environ["RANK"]) == 1:
                os.kill(os.getpid(), signal.SIGUSR2)
    return None


def test_all_ranks_stop_at_the_same_edge(tmp_path):
    assert run_ranks(2, edges, str(tmp_path)) == [(5, "SIGUSR2")] * 2
