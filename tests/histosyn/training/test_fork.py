"""--fork: a new run from the networks of another, which it then needs no more."""

import json
import shutil
import tomllib
from dataclasses import replace

import pytest
import torch
from tissue import pack_blobs, tiny_config

from histosyn.models.folder import load_model
from histosyn.training.run import run_training
from hpc import checkpoint
from hpc.errors import ConfigError, DamagedFileError, InputError
from launch.cli import main


@pytest.fixture(scope="module")
def shards(tmp_path_factory):
    return pack_blobs(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def old(shards, tmp_path_factory):
    """A run of three steps."""
    folder = tmp_path_factory.mktemp("old") / "run"
    run_training(tiny_config(shards, folder, steps=3, checkpoint_every=2))
    return folder


def forked(shards, folder, source, **run):
    return tiny_config(shards, folder, fork=source, steps=1, checkpoint_every=1, **run)


def networks(folder):
    adversaries = checkpoint.load(folder)["trainer"]["players"]
    return {name: adversaries[name] for name in ("generator", "discriminator", "ema")}


def same(one, other):
    return all(
        torch.equal(tensor, other[network][name])
        for network, tensors in one.items()
        for name, tensor in tensors.items()
    )


@pytest.mark.parametrize(
    ("part", "step"), [(".", 3), ("checkpoints", 3), ("checkpoints/step-00000002", 2)]
)
def test_a_fork_starts_from_the_networks_with_fresh_optimizers(shards, old, tmp_path, part, step):
    new = tmp_path / "new"
    run_training(forked(shards, new, old / part))

    source = old / f"checkpoints/step-{step:08d}"
    first = checkpoint.load(new / "checkpoints/step-00000000")
    assert same(networks(source), networks(new / "checkpoints/step-00000000"))
    assert first["trainer"]["step"] == 0
    assert first["trainer"]["players"]["generator_optimizer"]["state"] == {}
    assert not same(networks(source), networks(new / "checkpoints/step-00000001"))


def test_a_fork_tells_where_it_comes_from(shards, old, tmp_path):
    new = tmp_path / "new"
    run_training(forked(shards, new, old))

    source = old / "checkpoints/step-00000003"
    origin = {
        "path": str(source),
        "step": 3,
        "sha256": checkpoint.sha256_of_checkpoint(source),
    }
    facts = load_model(new, torch.device("cpu")).facts
    assert facts.training["forked_from"] == origin
    assert origin["sha256"] in (new / "model/README.md").read_text()
    config = (new / "config.toml").read_text()
    assert config.startswith(f"# run.fork was step 3 at {source}, sha256 {origin['sha256']}\n")
    assert tomllib.loads(config)["run"]["fork"] == str(old)


def test_a_fork_goes_on_without_the_old_run_also_before_its_first_checkpoint(shards, old, tmp_path):
    source = tmp_path / "source"
    shutil.copytree(old, source)
    run_training(forked(shards, tmp_path / "whole", source))
    config = forked(shards, tmp_path / "killed", source)
    shutil.copytree(tmp_path / "whole", config.run.folder)
    shutil.rmtree(config.run.folder / "checkpoints/step-00000001")
    shutil.rmtree(config.run.folder / "model")
    shutil.rmtree(source)

    run_training(config)

    ends = [tmp_path / name / "checkpoints/step-00000001" for name in ("whole", "killed")]
    assert same(*map(networks, ends))
    told = json.loads((config.run.folder / "model/config.json").read_text())["training"]
    assert told["forked_from"]["path"] == str(source / "checkpoints/step-00000003")


def test_networks_of_another_shape_are_refused_by_the_settings_that_differ(shards, old, tmp_path):
    config = forked(shards, tmp_path / "new", old)
    wider = replace(
        config,
        generator=replace(config.generator, base_channels=6),
        discriminator=replace(config.discriminator, scales=1),
    )
    message = (
        r"generator\.base_channels = 6 \(there 4\), discriminator\.scales = 1 \(there 2\)\. "
        "Set these as they were"
    )
    with pytest.raises(ConfigError, match=message):
        run_training(wider)
    assert not (tmp_path / "new/checkpoints").exists()


def test_other_settings_and_precision_are_no_hindrance(shards, old, tmp_path):
    config = forked(shards, tmp_path / "new", old, precision="float32", seed=5)
    run_training(replace(config, optimizer=replace(config.optimizer, generator_lr=1e-3)))

    generator = networks(old / "checkpoints/step-00000003")["generator"]
    mine = networks(tmp_path / "new/checkpoints/step-00000000")["generator"]
    assert all(torch.equal(generator[name].to(mine[name].dtype), mine[name]) for name in mine)


@pytest.mark.parametrize("part", ["model", "nowhere", "samples"])
def test_what_cannot_be_forked_is_told(shards, old, tmp_path, part):
    with pytest.raises(InputError, match=f"{part}: this is neither a run folder"):
        run_training(forked(shards, tmp_path / "new", old / part))


def test_a_changed_setting_names_the_way_out(shards, old):
    config = tiny_config(shards, old, steps=3, seed=1)
    with pytest.raises(ConfigError, match=rf"run\.seed changed.*with --fork {old}"):
        run_training(config)


def test_fork_is_short_for_run_fork(capsys):
    main(["train", "--data.shards", "packed", "--fork", "runs/first", "--dry-run"])

    assert tomllib.loads(capsys.readouterr().out)["run"]["fork"] == "runs/first"


def test_a_forked_run_goes_on_with_and_without_saying_so(shards, old, tmp_path):
    config = forked(shards, tmp_path / "new", old)
    run_training(config)
    for steps, source in [(2, None), (3, old)]:
        run_training(replace(config, run=replace(config.run, steps=steps, fork=source)))
        told = load_model(tmp_path / "new/model", torch.device("cpu")).facts.training
        assert (told["steps"], told["forked_from"]["step"]) == (steps, 3)
    with pytest.raises(ConfigError, match=r"run\.fork changed"):
        run_training(replace(config, run=replace(config.run, steps=4, fork=tmp_path)))


def segmenter_run(folder):
    """The checkpoint that training a segmenter leaves, as far as anybody looks at it."""
    state = {
        "config": {},
        "model": {"kind": "segmenter", "format_version": 1},
        "trainer": {"step": 2},
    }
    checkpoint.save(folder / "checkpoints/step-00000002", state)
    return folder


def test_a_run_of_a_segmenter_is_called_one(shards, tmp_path):
    seg = segmenter_run(tmp_path / "seg")
    with pytest.raises(InputError, match="is of a segmenter, which reads tissue and makes none"):
        run_training(forked(shards, tmp_path / "new", seg))
    with pytest.raises(InputError, match="is of a segmenter"):
        load_model(seg)
    with pytest.raises(ConfigError, match="is the run of a segmenter, and a generator cannot go"):
        run_training(tiny_config(shards, seg, steps=4))


def test_networks_that_are_not_finite_are_no_start(shards, old, tmp_path):
    state = checkpoint.load(old / "checkpoints/step-00000002")
    next(iter(state["trainer"]["players"]["discriminator"].values())).fill_(float("nan"))
    checkpoint.save(tmp_path / "bad", state)
    with pytest.raises(DamagedFileError, match="bad, discriminator: .*not finite"):
        run_training(forked(shards, tmp_path / "new", tmp_path / "bad"))
