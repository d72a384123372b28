"""What is found ahead in label maps is what layers would find themselves, and is not looked for."""

import pickle
from dataclasses import replace

import pytest
import torch
from games import CLASSES, GAMES, batch, with_run
from tissue import pack_blobs, tiny_config

from histosyn.networks import label_tables as module
from histosyn.networks import levels, modulation
from histosyn.networks.generator import Generator, draw_noise
from histosyn.networks.label_tables import label_tables
from histosyn.training.adversaries import Adversaries
from histosyn.training.data import open_stream
from histosyn.training.trainer import Trainer
from hpc.topology import Topology

CPU = torch.device("cpu")
BASE = GAMES["hinge"]
CONFIGS = {
    "tables": with_run(BASE, tables_below=1e9),
    "dense": with_run(BASE, tables_below=0.0),
    "some of either": with_run(BASE, tables_below=2.0),
    "class tables": GAMES["class tables, coarse noise, recomputed"],
}


def gradients(config, labels_NHW, found):
    torch.manual_seed(0)
    generator = Generator(config.generator, CLASSES).double()
    noise = draw_noise([1, 2, 3], config.generator, *labels_NHW.shape[1:], CPU).to(torch.float64)
    below = config.run.tables_below
    with modulation.tables_below(1.0 if below is None else below):
        tiles = generator(labels_NHW, noise, generator.levels_of(labels_NHW, found))
        tiles.sin().sum().backward()
    return [tiles.detach(), *(weight.grad for weight in generator.parameters())]


def label_maps(height=37, width=42):
    random = torch.Generator().manual_seed(0)
    coarse = torch.randint(0, CLASSES, (3, 7, 7), generator=random)
    labels = coarse.repeat_interleave(6, 1).repeat_interleave(6, 2)[:, :height, :width].clone()
    labels[0, :9, 3:30] = 255
    return labels


@pytest.mark.parametrize("name", list(CONFIGS))
def test_a_generator_gives_the_same_to_the_last_bit(name, monkeypatch):
    """Of label maps whose sides no stride divides; what was found is not looked for again."""
    config, labels = CONFIGS[name], label_maps()
    expected = gradients(config, labels, None)
    tables = pickle.loads(pickle.dumps(label_tables(config, CLASSES, CPU)))
    found = pickle.loads(pickle.dumps(tables(labels.to(torch.uint8))))

    def none_is_left(*given):
        raise AssertionError("found again")

    monkeypatch.setattr(levels, "find_patterns", none_is_left)
    for mine, wanted in zip(gradients(config, labels, found), expected, strict=True):
        assert torch.equal(mine, wanted)


def test_only_what_will_be_used_travels():
    sizes = {
        name: len(label_tables(CONFIGS[name], CLASSES, CPU)(label_maps()).numbers)
        for name in CONFIGS
    }
    assert sizes["dense"] == 0
    assert 0 < sizes["some of either"] < sizes["tables"]


def test_other_devices_than_cpus_get_one_block():
    """Whose kernels see all pixels at once."""
    for device, several in (("cuda", False), ("cpu", True)):
        tables = replace(label_tables(CONFIGS["tables"], CLASSES, CPU), device=device)
        packed = tables(label_maps(64, 48))
        made = levels.levels_of(label_maps(64, 48), tables.stride, CLASSES, CPU, packed)
        assert (len(made[-1].patterns.pixels.summation.edges) > 2) == several


@pytest.mark.parametrize("workers", [0, 2])
def test_a_stream_gives_them_with_each_batch(workers, tmp_path):
    shards = pack_blobs(tmp_path, count=8, size=32)
    config = tiny_config(shards, tmp_path / "run", tables_below=1e9)
    config = replace(config, data=replace(config.data, workers=workers))
    stream = open_stream(config, Topology(), CPU)
    tables = label_tables(config, len(stream.index.schema), CPU)
    given = next(stream.batches(3))
    assert given.tables.plan == tables(given.labels_NHW).plan
    assert torch.equal(given.tables.numbers, tables(given.labels_NHW).numbers)
    assert next(open_stream(config, Topology()).batches()).tables is None


def test_a_trainer_finds_them_for_batches_that_have_none(monkeypatch):
    config = CONFIGS["tables"]
    calls = []
    original = module.LabelTables.__call__

    def counted(self, labels_NHW):
        calls.append(labels_NHW.shape)
        return original(self, labels_NHW)

    monkeypatch.setattr(module.LabelTables, "__call__", counted)
    losses = []
    for ready in (False, True):
        trainer = Trainer(config, None, Adversaries(config, CLASSES, CPU), CPU)
        given = batch(0)
        if ready:
            given = replace(given, tables=label_tables(config, CLASSES, CPU)(given.labels_NHW))
        losses.append({name: it.item() for name, it in trainer.take_step(given).items()})
    assert losses[0] == losses[1]
    assert len(calls) == 2


def test_it_decides_as_the_layers_do():
    """In bfloat16 by the costs of half precision, and by those of the run if it has its own."""
    assert (
        label_tables(with_run(BASE, precision="bfloat16"), 4, CPU).costs
        != label_tables(BASE, 4, CPU).costs
    )
    own = with_run(BASE, table_costs=(2.0, 3.0), tables_below=0.7)
    tables = label_tables(own, 4, torch.device("cuda", 1))
    assert (tables.costs, tables.below, tables.device) == ((2.0, 3.0), 0.7, "cuda")
