import math
import operator
import os

import pytest

from hpc.errors import HistosynError
from hpc.parallel import map_in_order, usable_cores


@pytest.mark.parametrize("processes", [1, 2, None])
@pytest.mark.parametrize("count", [0, 1, 33, 200])
def test_results_come_in_the_order_of_the_items(processes, count):
    items = range(count)
    assert list(map_in_order(operator.neg, items, processes)) == [-item for item in items]


@pytest.mark.parametrize("processes", [1, 2])
def test_an_error_of_the_function_is_the_callers(processes):
    with pytest.raises(ValueError, match=r"math domain|nonnegative"):
        list(map_in_order(math.sqrt, [4.0, -1.0], processes))


def test_it_can_be_left_half_way():
    results = map_in_order(operator.neg, range(500), 2)
    assert next(results) == 0
    results.close()


def test_a_killed_process_is_one_sentence():
    with pytest.raises(HistosynError, match="One of 2 processes was killed"):
        list(map_in_order(os._exit, [9], 2))


def test_there_is_a_core():
    assert 1 <= usable_cores() <= (os.cpu_count() or 1)
