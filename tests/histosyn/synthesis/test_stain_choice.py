"""Tiles in a stain: drawn, a group's, or a reference tile's; recorded, and made again."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from painting import GENERATOR, stripes
from PIL import Image
from tissue import SCHEMA, blobs

from histosyn.images.tiles import png_bytes
from histosyn.labels.label_map import label_png_bytes
from histosyn.manifests.manifest import MANIFEST, read_manifest
from histosyn.models.facts import ModelFacts
from histosyn.models.folder import load_model, save_model
from histosyn.networks.generator import Generator
from histosyn.stain.code import as_floats, stain_code
from histosyn.stain.seen import SeenStains
from histosyn.synthesis.folder import SynthesisConfig, synthesize_folder
from histosyn.synthesis.stain_choice import StainChoice
from histosyn.synthesis.tile import synthesize
from hpc.errors import DamagedFileError, InputError

SEEN = SeenStains(
    codes_MS=np.stack([stain_code(as_floats(blobs(i, 64)[0]))[0].double() for i in range(4)]),
    groups=("a", "a", "b", None),
)


@pytest.fixture(scope="module")
def model_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("stain") / "model"
    config = replace(GENERATOR, stain=True)
    torch.manual_seed(0)
    network = Generator(config, len(SCHEMA))
    network.stain.standardize(SEEN)
    facts = ModelFacts(
        generator=config, schema=SCHEMA, tile_size=(64, 64), mpp=1.0, training={}, stains=SEEN
    )
    save_model(folder, network, facts)
    return folder


@pytest.fixture
def labels(tmp_path):
    folder = tmp_path / "labels"
    folder.mkdir()
    for name in ("x", "y", "z"):
        (folder / f"{name}.png").write_bytes(label_png_bytes(stripes(), SCHEMA))
    return folder


def made(model_folder, labels, out, **settings):
    model = load_model(model_folder)
    assert not synthesize_folder(model, labels, out, SynthesisConfig(**settings)).failed
    return read_manifest(out)


def pixels(folder):
    return {path.name: np.array(Image.open(path)) for path in sorted(folder.glob("*.png"))}


def test_each_tile_gets_the_stain_of_some_training_tile(model_folder, labels, tmp_path):
    entries = made(model_folder, labels, tmp_path / "out", variants=4)
    seen = {SEEN.code(number) for number in range(4)}
    drawn = [tuple(entry["stain"]) for entry in entries.values()]
    assert set(drawn) <= seen and len(set(drawn)) > 1


def test_a_group_and_a_reference_tile(model_folder, labels, tmp_path):
    of_b = made(model_folder, labels, tmp_path / "b", stain=StainChoice(group="b"))
    assert {tuple(entry["stain"]) for entry in of_b.values()} == {SEEN.code(2)}
    reference = tmp_path / "reference.png"
    reference.write_bytes(png_bytes(Image.fromarray(blobs(2, 64)[0])))
    like_it = made(model_folder, labels, tmp_path / "r", stain=StainChoice(reference=reference))
    assert {tuple(entry["stain"]) for entry in like_it.values()} == {SEEN.code(2)}
    for name, tile in pixels(tmp_path / "b").items():
        np.testing.assert_array_equal(tile, pixels(tmp_path / "r")[name])


def test_each_tile_gets_the_stain_of_the_one_of_its_name(model_folder, labels, tmp_path):
    own = tmp_path / "own"
    own.mkdir()
    names = sorted(path.stem for path in labels.glob("*.png"))
    for number, name in enumerate(names):
        (own / f"{name}.png").write_bytes(png_bytes(Image.fromarray(blobs(number, 64)[0])))
    entries = made(model_folder, labels, tmp_path / "out", stain=StainChoice(reference=own))
    assert {name: tuple(entry["stain"]) for name, entry in entries.items()} == {
        f"{name}.png": SEEN.code(number) for number, name in enumerate(names)
    }
    (own / f"{names[-1]}.png").unlink()
    with pytest.raises(InputError, match=f"own has no tile called {names[-1]}"):
        made(model_folder, labels, tmp_path / "less", stain=StainChoice(reference=own))
    assert not (tmp_path / "less").exists() or not list((tmp_path / "less").glob("*.png"))


def test_a_tile_of_glass_among_them_leaves_the_mean_stain(model_folder, labels, tmp_path):
    for number, name in enumerate(("x", "y")):
        (tmp_path / f"{name}.png").write_bytes(png_bytes(Image.fromarray(blobs(number, 64)[0])))
    (tmp_path / "z.png").write_bytes(png_bytes(Image.new("RGB", (64, 64), (250, 250, 250))))
    entries = made(model_folder, labels, tmp_path / "o", stain=StainChoice(reference=tmp_path))
    stained = {name.split(".")[0]: entry["stain"] for name, entry in entries.items()}
    glass = -np.log(251 / 256)
    np.testing.assert_allclose(stained["z"], [*SEEN.mean[:-1], glass], atol=1e-3)
    assert stained["x"] == list(SEEN.code(0))


def test_the_stain_is_seen_in_the_tile(model_folder, labels, tmp_path):
    for group in ("a", "b"):
        made(model_folder, labels, tmp_path / group, stain=StainChoice(group=group))
    assert all(
        (tile != pixels(tmp_path / "b")[name]).any()
        for name, tile in pixels(tmp_path / "a").items()
    )


def test_the_stain_is_seen_in_bfloat16_too(model_folder):
    halved = load_model(model_folder, precision="bfloat16")
    one, other = (synthesize(halved, stripes(), 1, SEEN.code(number)) for number in (0, 2))
    assert (one != other).any()


def test_tiles_of_a_manifest_are_made_again_in_their_stain(model_folder, labels, tmp_path):
    made(model_folder, labels, tmp_path / "out", variants=2)
    made(model_folder, labels, tmp_path / "again", like=tmp_path / "out" / MANIFEST)
    for name, tile in pixels(tmp_path / "out").items():
        np.testing.assert_array_equal(tile, pixels(tmp_path / "again")[name])


def test_tiles_of_another_stain_are_not_taken_for_done(model_folder, labels, tmp_path):
    made(model_folder, labels, tmp_path / "out", stain=StainChoice(group="a"))
    with pytest.raises(InputError, match="was not made"):
        made(model_folder, labels, tmp_path / "out", stain=StainChoice(group="b"))


def test_choices_that_cannot_be(model_folder, labels, tmp_path):
    model = load_model(model_folder)
    with pytest.raises(InputError, match="has seen no such group. It has seen: a, b"):
        StainChoice(group="c").of(model)
    with pytest.raises(InputError, match="Leave out one"):
        StainChoice(group="a", reference=tmp_path)
    glass = tmp_path / "glass.png"
    glass.write_bytes(png_bytes(Image.new("RGB", (64, 64), "white")))
    with pytest.raises(InputError, match="glass.png shows no tissue"):
        StainChoice(reference=glass).of(model)
    with pytest.raises(InputError, match="Leave out --stain"):
        SynthesisConfig(like=tmp_path / "m.jsonl", stain=StainChoice(group="a"))


def test_a_model_without_stain_refuses_one(tmp_path, labels):
    facts = ModelFacts(generator=GENERATOR, schema=SCHEMA, tile_size=(64, 64), mpp=1.0, training={})
    save_model(tmp_path / "model", Generator(GENERATOR, len(SCHEMA)), facts)
    entries = made(tmp_path / "model", labels, tmp_path / "out")
    assert not any("stain" in entry for entry in entries.values())
    with pytest.raises(InputError, match="takes no stain"):
        StainChoice(group="a").of(load_model(tmp_path / "model"))


def test_damaged_stains_are_told(model_folder, tmp_path):
    copy = tmp_path / "model"
    copy.mkdir()
    for path in model_folder.iterdir():
        (copy / path.name).write_bytes(path.read_bytes())
    config = copy / "config.json"
    config.write_text(config.read_text().replace('"eosin"', '"red"', 1))
    with pytest.raises(DamagedFileError, match="config.json"):
        load_model(copy)
