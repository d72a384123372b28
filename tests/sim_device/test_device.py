"""The simulated device computes like the CPU, and refuses and waits as a GPU does."""

import copy

import pytest
import torch
from torch import nn

from sim_device import SIM, Sim
from sim_device.recording import RecordingError


@pytest.fixture
def sim():
    with Sim() as device:
        yield device


def on(values):
    return torch.tensor(values, device=SIM)


def counted(sim, work):
    with sim.counting() as tally:
        work()
    return tally


@pytest.mark.parametrize("where", ["first", "second", "out"])
def test_mixed_devices_are_refused(sim, where):
    here, there = torch.ones(3), torch.ones(3, device=SIM)
    with pytest.raises(RuntimeError, match="mixes devices"):
        if where == "out":
            torch.add(there, there, out=here)
        else:
            torch.add(*((here, there) if where == "first" else (there, here)))


def test_a_single_number_of_the_host_goes_with_any_tensor(sim):
    total = torch.ones(3, device=SIM) * torch.tensor(2.0)
    assert total.device == SIM
    assert total.tolist() == [2, 2, 2]


def test_numbers_cannot_be_looked_at_from_the_host(sim):
    with pytest.raises((TypeError, RuntimeError)):
        torch.ones(3, device=SIM).numpy()


WAITS = {
    "item": lambda x: x.sum().item(),
    "truth": lambda x: bool((x > 1).all()),
    "comparison": lambda x: torch.equal(x, x),
    "list": lambda x: x.tolist(),
    "to the host": lambda x: x.cpu(),
    "from a list": lambda x: torch.tensor([1.0], device=SIM),
    "from ordinary memory": lambda x: torch.ones(3).to(SIM, non_blocking=True),
    "from locked memory, at once": lambda x: torch.ones(3).pin_memory().to(SIM),
    "distinct": lambda x: torch.unique(x),
    "by a mask": lambda x: x[x > 1],
    "places": lambda x: x.nonzero(),
    "repeated by counts": lambda x: torch.repeat_interleave(x.long()),
    "counts": lambda x: torch.bincount(x.long()),
    "by an index of the host": lambda x: x[torch.tensor([0, 1])],
}
NO_WAITS = {
    "sum": lambda x: x.sum(),
    "from locked memory": lambda x: torch.ones(3).pin_memory().to(SIM, non_blocking=True),
    "filled by a mask": lambda x: x.masked_fill_(x > 1, 0.0),
    "chosen by a mask": lambda x: torch.where(x > 1, x, x.new_zeros(())),
    "sorted": lambda x: torch.sort(x),
    "repeated, so many": lambda x: torch.repeat_interleave(x.long(), output_size=6),
    "by an index": lambda x: x.index_select(0, torch.zeros(2, dtype=torch.long, device=SIM)),
}


@pytest.mark.parametrize("name", list(WAITS))
def test_the_host_waits_for(sim, name):
    x = on([1.0, 2.0, 3.0])
    tally = counted(sim, lambda: WAITS[name](x))
    assert sum(tally.waits.values()) == 1


@pytest.mark.parametrize("name", list(NO_WAITS))
def test_the_host_does_not_wait_for(sim, name):
    x = on([1.0, 2.0, 3.0])
    assert not counted(sim, lambda: NO_WAITS[name](x)).waits


def test_views_and_fresh_memory_start_no_kernel(sim):
    x = torch.ones(4, 4, device=SIM)
    views = counted(sim, lambda: x[1:].T.unsqueeze(0).expand(2, -1, -1).new_empty(3))
    assert (views.operations, views.kernels) == (5, 0)
    work = counted(sim, lambda: (x + x).relu_())
    assert (work.operations, work.kernels) == (2, 2)


def test_work_in_place_is_seen_through_views_and_by_gradients(sim):
    x = torch.zeros(3, device=SIM, requires_grad=True)
    y = (x + 1) * 1
    y[1:].mul_(3)
    y.sum().backward()
    assert y.tolist() == [1, 3, 3]
    assert x.grad.tolist() == [1, 3, 3]


def test_what_is_done_on_the_way_back_counts(sim):
    x = torch.ones(3, device=SIM, requires_grad=True)
    y = x.exp().sum()
    assert counted(sim, y.backward).kernels > 0


def test_networks_are_moved_and_copied(sim):
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))
    given = torch.randn(2, 3, 8, 8)
    expected = copy.deepcopy(network)(given)
    network.to(SIM)
    other = copy.deepcopy(network)
    with torch.no_grad():
        other[0].weight.zero_()
    torch.testing.assert_close(network(given.to(SIM)).cpu(), expected)


AUTOCAST = {
    "lowered": (lambda a: nn.functional.conv2d(a[None], a[:, None, :1, :1]), torch.bfloat16),
    "matrix times vector": (lambda a: torch.mv(a[0], a[0, 0]), torch.bfloat16),
    "logarithm": (lambda a: a.bfloat16().log(), torch.float32),
    "enlarged": (
        lambda a: nn.functional.interpolate(a[None].bfloat16(), scale_factor=2), torch.float32
    ),
    "mean": (lambda a: a.bfloat16().mean(), torch.bfloat16),
    "double": (lambda a: a[0].double() @ a[0].double(), torch.float64),
}  # fmt: skip


@pytest.mark.parametrize("name", list(AUTOCAST))
def test_autocast_goes_by_the_lists_of_a_gpu(sim, name):
    work, dtype = AUTOCAST[name]
    with torch.autocast("sim", torch.bfloat16):
        assert work(torch.ones(1, 3, 3, device=SIM)).dtype == dtype


def test_waits_and_places_are_named(sim):
    from histosyn.networks.bags import starts

    with sim.counting(places=True) as tally:
        starts(on([1, 2]))
        torch.unique(on([1, 2]))
    named = [where for _, where, _ in tally.places]
    assert "histosyn.networks.bags.starts" in named
    assert tally.waits["size unknown: elsewhere"] == 1


def test_what_waits_is_not_recorded(sim):
    ones = torch.ones(3, device=SIM)
    with pytest.raises(RecordingError, match="a wait, read by the host"):
        sim.graphs.record(lambda: ones.sum().item())
    with pytest.raises(RecordingError, match="from or to the host"):
        sim.graphs.record(lambda: torch.ones(3).pin_memory().to(SIM, non_blocking=True))


def test_a_recording_does_the_same_to_other_numbers(sim):
    given, total = torch.ones(3, device=SIM), torch.zeros(3, device=SIM)

    def work():
        total.add_(given)
        return total * 2

    result, replay = sim.graphs.record(work)
    assert total.tolist() == [0, 0, 0]
    given.fill_(3)
    for expected in (3, 6):
        replay()
        assert total.tolist() == [expected] * 3
        assert result.tolist() == [2 * expected] * 3
