"""The moving average's batch statistics: right, keyed, the same on any number of ranks."""

from dataclasses import replace

import pytest
import torch
from ranks import run_ranks
from tissue import pack_blobs, tiny_config
from torch.nn.utils import parametrize

from histosyn.networks.generator import Generator
from histosyn.networks.sync_batchnorm import SyncBatchNorm2d
from histosyn.training.data import open_stream
from histosyn.training.recalibration import Recalibration
from histosyn.training.step_inputs import position_keys
from hpc.topology import Topology, detect

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def shards(tmp_path_factory):
    return pack_blobs(tmp_path_factory.mktemp("data"))


def averaged(config):
    """A generator in the place of a moving average, whose statistics are far off."""
    torch.manual_seed(0)
    generator = Generator(config.generator, 4).double().eval().requires_grad_(False)
    for module in generator.modules():
        if isinstance(module, SyncBatchNorm2d):
            module.running_mean.fill_(7.0)
    return generator


def recalibrated(config, topology=None, step=3, before=()):
    topology = topology or Topology()
    stream = open_stream(config, topology)
    recalibrate = Recalibration(config, stream.reader, topology, CPU)
    generator = averaged(config)
    for earlier in before:
        recalibrate(generator, earlier)
    recalibrate(generator, step)
    return generator


def statistics(generator):
    return {
        name: buffer for name, buffer in generator.named_buffers() if "running" in name
    }  # fmt: skip


def config_of(shards, tmp_path, **run):
    return tiny_config(shards, tmp_path / "run", **run)


def test_only_batch_statistics_change(shards, tmp_path):
    config = config_of(shards, tmp_path)
    before, after = averaged(config).state_dict(), recalibrated(config).state_dict()
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed == {
        name for name in before if "running" in name or "num_batches_tracked" in name
    }


def test_it_is_ready_to_be_looked_at(shards, tmp_path):
    generator = recalibrated(config_of(shards, tmp_path))
    assert not any(module.training for module in generator.modules())
    norms = [module for module in generator.modules() if isinstance(module, SyncBatchNorm2d)]
    assert {norm.momentum for norm in norms} == {0.1}
    assert {int(norm.num_batches_tracked) for norm in norms} == {2}


def test_statistics_are_those_of_the_batches(shards, tmp_path):
    """One batch: in evaluation the network does with it what it does in training."""
    config = config_of(shards, tmp_path, recalibrate_batches=1)
    generator = recalibrated(config)
    recalibrate = Recalibration(config, open_stream(config, Topology()).reader, Topology(), CPU)
    ((labels, noise),) = recalibrate._label_maps()
    evaluated, off = generator(labels, noise), averaged(config)(labels, noise)
    generator.train()
    for module in generator.modules():
        if parametrize.is_parametrized(module):
            module.parametrizations.eval()
    trained = generator(labels, noise)
    # The kept variance is the unbiased one: on the coarsest grid, of 64 values.
    assert (evaluated - trained).square().mean().sqrt() < 0.01
    assert (off - trained).square().mean().sqrt() > 0.05


def test_any_step_and_any_history_give_the_same(shards, tmp_path):
    config = config_of(shards, tmp_path)
    expected = statistics(recalibrated(config, step=3))
    for other in (recalibrated(config, step=8), recalibrated(config, before=(1, 2))):
        for name, value in statistics(other).items():
            assert torch.equal(value, expected[name]), name


def test_another_seed_counts_over_other_label_maps(shards, tmp_path):
    one, other = (
        statistics(recalibrated(config_of(shards, tmp_path, seed=seed))) for seed in (0, 1)
    )
    assert any(not torch.equal(one[name], other[name]) for name in one)


def test_it_is_done_once_a_step(shards, tmp_path):
    config = config_of(shards, tmp_path)
    recalibrate = Recalibration(config, open_stream(config, Topology()).reader, Topology(), CPU)
    generator = averaged(config)
    calls = []
    generator.register_forward_hook(lambda *given: calls.append(1))
    recalibrate(generator, 3)
    recalibrate(generator, 3)
    assert len(calls) == 2
    recalibrate(generator, 4)
    assert len(calls) == 4


def test_none_keeps_the_statistics_of_the_training(shards, tmp_path):
    config = config_of(shards, tmp_path, recalibrate_batches=0)
    assert all(
        (value == 7).all()
        for name, value in statistics(recalibrated(config)).items()
        if "mean" in name
    )


def on_a_rank(config):
    return statistics(recalibrated(config, detect()))


def test_two_ranks_count_what_one_counts(shards, tmp_path):
    config = config_of(shards, tmp_path)
    alone = statistics(recalibrated(config))
    for theirs in run_ranks(2, on_a_rank, config):
        for name, value in alone.items():
            torch.testing.assert_close(theirs[name], value, rtol=1e-10, atol=1e-12)


def test_positions_key_the_noise(shards, tmp_path):
    config = config_of(shards, tmp_path)
    keys = position_keys(config, "recalibration", 1, range(4))
    assert len(set(keys)) == 4
    assert position_keys(config, "recalibration", 1, range(2, 4)) == keys[2:]
    assert position_keys(replace(config, run=replace(config.run, seed=1)), "x", 1, [0]) != keys[:1]
