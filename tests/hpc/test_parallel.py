import gc
import math
import operator
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from processes import living

from hpc.errors import HistosynError
from hpc.parallel import map_in_order, usable_cores


@pytest.mark.parametrize("processes", [1, 2, None])
@pytest.mark.parametrize("count", [0, 1, 33, 200])
@pytest.mark.parametrize("batch", [1, 16])
def test_results_come_in_the_order_of_the_items(processes, count, batch):
    items = range(count)
    results = map_in_order(operator.neg, items, processes, batch=batch)
    assert list(results) == [-item for item in items]


@pytest.mark.parametrize("processes", [1, 2])
def test_an_error_of_the_function_is_the_callers(processes):
    with pytest.raises(ValueError, match=r"math domain|nonnegative"):
        list(map_in_order(math.sqrt, [4.0, -1.0], processes))


@pytest.mark.parametrize("processes", [1, 2])
def test_what_comes_before_an_error_is_delivered(processes):
    results = map_in_order(math.sqrt, [4.0, 9.0, -1.0], processes, batch=1)
    assert [next(results), next(results)] == [2.0, 3.0]
    with pytest.raises(ValueError, match=r"math domain|nonnegative"):
        next(results)


def test_it_can_be_left_half_way():
    results = map_in_order(operator.neg, range(500), 2)
    assert next(results) == 0
    results.close()


def test_few_batches_wait_for_the_caller(tmp_path):
    """Each item leaves a file; nothing runs ahead by more than two batches a process."""
    paths = [tmp_path / str(number) for number in range(60)]
    results = map_in_order(Path.touch, paths, 2, batch=3)
    for taken, _ in enumerate(results, 1):
        made = sum(path.exists() for path in paths)
        assert made <= math.ceil(taken / 3) * 3 + 2 * 2 * 3


def test_a_killed_process_is_one_sentence():
    with pytest.raises(HistosynError, match="One of 2 processes was killed"):
        list(map_in_order(os._exit, [9], 2))


def test_a_killed_parent_leaves_no_process(tmp_path):
    """They would wait for work for ever."""
    code = (
        "import os, pathlib, time\n"
        "from hpc.parallel import map_in_order\n"
        "print(*map_in_order(os.getpgid, [0] * 2, 2, batch=1), flush=True)\n"
        "results = map_in_order(time.sleep, [0, 600, 600], 2, batch=1)\n"
        "next(results)\n"
        "print('ready', flush=True)\n"
        "next(results)\n"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    group = int(parent.stdout.readline().split()[0])
    assert group == parent.pid
    assert parent.stdout.readline() == "ready\n"
    parent.kill()
    parent.communicate()
    end = time.monotonic() + 60
    while living(group=group):
        assert time.monotonic() < end, "processes of the pool are still there"
        time.sleep(0.01)


def test_there_is_a_core():
    assert 1 <= usable_cores() <= (os.cpu_count() or 1)


def test_ctrl_c_twice_ends_at_once(tmp_path):
    """What is under way is not waited for, and what stays behind is nothing."""
    code = (
        "import time\n"
        "from hpc.parallel import map_in_order\n"
        "print('ready', flush=True)\n"
        "list(map_in_order(time.sleep, [600] * 4, 2, batch=1))\n"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        start_new_session=True, preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )  # fmt: skip
    assert parent.stdout.readline() == "ready\n"
    end = time.monotonic() + 60
    while len(living(group=parent.pid)) < 3:
        assert time.monotonic() < end
        time.sleep(0.05)
    for _ in range(2):
        os.killpg(parent.pid, signal.SIGINT)
        time.sleep(0.3)
    parent.communicate(timeout=30)
    while living(group=parent.pid):
        assert time.monotonic() < end, "processes of the pool are still there"
        time.sleep(0.05)


def test_a_pool_that_is_given_up_late_does_not_end_another():
    first = map_in_order(abs, [1] * 9, 2, batch=1)
    assert next(first) == 1
    second = map_in_order(abs, [2] * 9, 2, batch=1)
    assert next(second) == 2
    del first
    gc.collect()
    assert list(second) == [2] * 8
