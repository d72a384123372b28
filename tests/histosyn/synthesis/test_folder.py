"""Synthesis: the same bytes whatever the processes, the order and the company."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from ranks import run_ranks
from tissue import SCHEMA, blobs

from histosyn.config.networks import GeneratorConfig
from histosyn.images.tiles import png_bytes, read_png_text
from histosyn.labels.label_map import label_png_bytes, schema_from_dict
from histosyn.manifests.manifest import MANIFEST, read_manifest
from histosyn.models.facts import ModelFacts
from histosyn.models.folder import load_model, save_model
from histosyn.networks.generator import Generator, Noise
from histosyn.synthesis.folder import Outcome, SynthesisConfig, synthesize_folder
from hpc.errors import DamagedFileError, DatasetError, InputError
from hpc.files import sha256_of_file
from hpc.job_array import Part
from hpc.topology import detect

CPU = torch.device("cpu")
GENERATOR = GeneratorConfig(
    base_channels=8, upsamplings=4, max_multiplier=4, label_channels=8, noise_channels=8
)


@pytest.fixture(scope="module")
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model") / "model"
    facts = ModelFacts(
        generator=GENERATOR, schema=SCHEMA, tile_size=(64, 64), mpp=1.0, training={"steps": 0}
    )
    torch.manual_seed(3)
    save_model(folder, Generator(GENERATOR, len(SCHEMA)), facts)
    return folder


@pytest.fixture
def labels(tmp_path: Path) -> Path:
    folder = tmp_path / "labels"
    (folder / "sub").mkdir(parents=True)
    for index, (name, size) in enumerate({"a": 64, "b": 96, "sub/c": 40, "d": 64}.items()):
        (folder / f"{name}.png").write_bytes(label_png_bytes(blobs(index, size)[1], SCHEMA))
    return folder


def synthesize(model_folder: Path, labels: Path, out: Path, **settings: object) -> Outcome:
    return synthesize_folder(
        load_model(model_folder, CPU), labels, out, SynthesisConfig(**settings), detect()
    )


def images(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*.png")
    }


def test_a_model_reads_the_values_of_files_that_it_was_packed_from(tmp_path: Path) -> None:
    """Masks of 0 and 255, and the same as histosyn writes them, are the same tissue."""
    classes = [{"name": "other", "color": "#ffffff"},
               {"name": "gland", "color": "#c80000", "value": 255}]  # fmt: skip
    schema = schema_from_dict({"name": "mask", "classes": classes}, "x")
    facts = ModelFacts(
        generator=GENERATOR, schema=schema, tile_size=(64, 64), mpp=1.0, training={"steps": 0}
    )
    save_model(tmp_path / "model", Generator(GENERATOR, 2), facts)
    labels_HW = (blobs(0, 64)[1] % 2).astype(np.uint8)
    for name, data in (
        ("masks", png_bytes(Image.fromarray(labels_HW * np.uint8(255)))),
        ("ours", label_png_bytes(labels_HW, schema)),
    ):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.png").write_bytes(data)
        assert synthesize(tmp_path / "model", tmp_path / name, tmp_path / f"{name}-out").made
    mask, ours = (
        np.asarray(Image.open(tmp_path / f"{name}-out" / "a.png")) for name in ("masks", "ours")
    )
    assert np.array_equal(mask, ours)
    assert "stands 0 for other, 255 for gland." in (tmp_path / "model" / "README.md").read_text()


def test_one_tile_a_label_map_of_its_size(model_folder: Path, labels: Path, tmp_path: Path) -> None:
    outcome = synthesize(model_folder, labels, tmp_path / "out")
    assert outcome.made == ("a.png", "b.png", "d.png", "sub/c.png")
    for path in labels.rglob("*.png"):
        tile_path = tmp_path / "out" / path.relative_to(labels)
        with Image.open(tile_path) as tile, Image.open(path) as label:
            assert tile.mode == "RGB"
            assert tile.size == label.size


@pytest.mark.parametrize("processes", [2, 3])
def test_the_number_of_processes_does_not_matter(
    model_folder: Path, labels: Path, tmp_path: Path, processes: int
) -> None:
    synthesize(model_folder, labels, tmp_path / "one")
    outcomes = run_ranks(processes, synthesize, model_folder, labels, tmp_path / "many")
    assert images(tmp_path / "one") == images(tmp_path / "many")
    manifests = [(tmp_path / name / MANIFEST).read_bytes() for name in ("one", "many")]
    assert manifests[0] == manifests[1]
    assert all(outcome == outcomes[0] for outcome in outcomes)


def test_parts_make_what_one_process_makes(
    model_folder: Path, labels: Path, tmp_path: Path
) -> None:
    """Five parts of four label maps, in any order, one killed and one run twice."""
    one, many = tmp_path / "one", tmp_path / "many"
    synthesize(model_folder, labels, one)
    parts = [Part(number=number, count=5) for number in (3, 1, 5, 4, 4)]
    made = [synthesize(model_folder, labels, many, part=part).made for part in parts]

    assert sorted(name for names in made for name in names) == ["b.png", "d.png", "sub/c.png"]
    assert set(read_manifest(many)) == {"b.png", "d.png", "sub/c.png"}
    assert not (many / MANIFEST).exists()
    closing = synthesize(model_folder, labels, many)
    assert closing.made == ("a.png",)
    assert images(one) == images(many)
    assert [path.name for path in many.glob("manifest*")] == [MANIFEST]
    assert (one / MANIFEST).read_bytes() == (many / MANIFEST).read_bytes()


def test_of_two_manifests_the_newer_knows(model_folder: Path, labels: Path, tmp_path: Path) -> None:
    """After a change of seed, with another number of parts, nothing is made twice."""
    out = tmp_path / "out"
    for number in (1, 2):
        synthesize(model_folder, labels, out, part=Part(number=number, count=2))
    changed = {"seed": 1, "overwrite": True}
    for number in (1, 2, 3):
        synthesize(model_folder, labels, out, part=Part(number=number, count=3), **changed)
    assert synthesize(model_folder, labels, out, **changed).made == ()
    assert {entry["seed"] for entry in read_manifest(out).values()} == {1}


def test_company_order_and_threads_do_not_matter(
    model_folder: Path, labels: Path, tmp_path: Path
) -> None:
    synthesize(model_folder, labels, tmp_path / "all")
    alone = tmp_path / "alone"
    alone.mkdir()
    shutil.copy(labels / "d.png", alone)
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        synthesize(model_folder, alone, tmp_path / "single")
    finally:
        torch.set_num_threads(threads)
    assert images(tmp_path / "single")["d.png"] == images(tmp_path / "all")["d.png"]


def test_seed_and_variant_change_the_noise_only(
    model_folder: Path, labels: Path, tmp_path: Path
) -> None:
    synthesize(model_folder, labels, tmp_path / "v", variants=2)
    synthesize(model_folder, labels, tmp_path / "s", seed=1)
    synthesize(model_folder, labels, tmp_path / "o")
    pixels = [
        np.asarray(Image.open(tmp_path / path))
        for path in ("v/a.v1.png", "v/a.v2.png", "s/a.png", "o/a.png")
    ]
    assert np.array_equal(pixels[0], pixels[3])
    assert not np.array_equal(pixels[0], pixels[1])
    assert not np.array_equal(pixels[0], pixels[2])


def test_a_second_run_makes_only_what_is_missing(
    model_folder: Path, labels: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    synthesize(model_folder, labels, out)
    before = images(out)
    times = {path: path.stat().st_mtime_ns for path in out.rglob("*.png")}
    assert synthesize(model_folder, labels, out).made == ()
    (out / "b.png").unlink()
    assert synthesize(model_folder, labels, out).made == ("b.png",)
    assert images(out) == before
    unchanged = {path: path.stat().st_mtime_ns for path in times if path.name != "b.png"}
    assert unchanged.items() <= times.items()


def test_an_altered_output_is_made_again(model_folder: Path, labels: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    synthesize(model_folder, labels, out)
    good = (out / "a.png").read_bytes()
    (out / "a.png").write_bytes(good[:-20])
    assert synthesize(model_folder, labels, out).made == ("a.png",)
    assert (out / "a.png").read_bytes() == good


def test_every_output_says_that_it_is_synthetic_and_how_it_was_made(
    model_folder: Path, labels: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    synthesize(model_folder, labels, out, seed=5)
    entries = [json.loads(line) for line in (out / MANIFEST).read_text().splitlines()]
    assert [entry["file"] for entry in entries] == ["a.png", "b.png", "d.png", "sub/c.png"]
    for entry in entries:
        assert entry["label_sha256"] == sha256_of_file(labels / entry["label"])
        assert entry["output_sha256"] == sha256_of_file(out / entry["file"])
        assert entry["model_sha256"] == sha256_of_file(model_folder / "model.safetensors")
        assert entry["seed"] == 5
        text = read_png_text(out / entry["file"])
        assert "Synthetic" in text["Description"]
        record = json.loads(text["histosyn"])
        assert record == {name: entry[name] for name in record}


def test_bad_label_maps_are_reported_and_the_rest_is_done(
    model_folder: Path, labels: Path, tmp_path: Path
) -> None:
    Image.new("L", (8, 8), 99).save(labels / "bad.png")
    (labels / "cut.png").write_bytes(b"\x89PNG\r\n")
    outcome = synthesize(model_folder, labels, tmp_path / "out")
    assert len(outcome.made) == 4
    assert {Path(name).name for name in outcome.failed} == {"bad.png", "cut.png"}
    assert "value 99" in outcome.failed[str(labels / "bad.png")]


def test_tiles_of_another_seed_are_not_overwritten_unasked(
    model_folder: Path, labels: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    synthesize(model_folder, labels, out)
    before = images(out)
    with pytest.raises(InputError, match="--overwrite"):
        synthesize(model_folder, labels, out, seed=1)
    assert images(out) == before
    assert len(synthesize(model_folder, labels, out, seed=1, overwrite=True).made) == 4
    assert images(out) != before


def test_empty_folder_and_names_that_collide(model_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="holds no image"):
        (tmp_path / "empty").mkdir()
        synthesize(model_folder, tmp_path / "empty", tmp_path / "out")
    with pytest.raises(InputError, match="does not exist"):
        synthesize(model_folder, tmp_path / "none", tmp_path / "out")


def test_wrong_models_are_named(model_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is no model"):
        load_model(tmp_path, CPU)
    (tmp_path / "checkpoints").mkdir()
    with pytest.raises(InputError, match="no valid checkpoint yet"):
        load_model(tmp_path, CPU)
    for name in ("model.safetensors", "config.json"):
        copy = tmp_path / f"copy-{name}"
        shutil.copytree(model_folder, copy)
        (copy / name).write_bytes((copy / name).read_bytes()[:-30])
        with pytest.raises(DamagedFileError, match=str(copy)):
            load_model(copy, CPU)


def test_model_folder_is_complete(model_folder: Path) -> None:
    assert {path.name for path in model_folder.iterdir()} == {
        "model.safetensors", "config.json", "README.md",
    }  # fmt: skip
    card = (model_folder / "README.md").read_text()
    assert "not for diagnosis" in card
    assert "| 3 | nuclei | #6c0307 |" in card
    assert sha256_of_file(model_folder / "model.safetensors") in card


def test_folding_changes_nothing_but_rounding(tmp_path: Path) -> None:
    torch.manual_seed(1)
    network = Generator(GENERATOR, len(SCHEMA)).eval()
    facts = ModelFacts(
        generator=GENERATOR, schema=SCHEMA, tile_size=(64, 64), mpp=None, training={}
    )
    labels, noise = torch.randint(0, 4, (1, 32, 32)), Noise(entry=torch.randn(1, 8, 2, 2))
    before = network(labels, noise)
    save_model(tmp_path / "m", network, facts)
    assert torch.equal(network(labels, noise), before), "saving must not touch the network"
    torch.testing.assert_close(load_model(tmp_path / "m", CPU).network(labels, noise), before)


def test_files_of_others_are_never_replaced(
    model_folder: Path, labels: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    Image.new("RGB", (8, 8)).save(out / "a.png")
    before = images(out)
    with pytest.raises(InputError, match="was not made by histosyn"):
        synthesize(model_folder, labels, out, overwrite=True)
    assert images(out) == before


@pytest.mark.parametrize("place", [".", "inside"])
def test_out_must_not_lie_in_the_label_maps(
    model_folder: Path, labels: Path, tmp_path: Path, place: str
) -> None:
    before = images(labels)
    with pytest.raises(InputError, match="lies in the folder of label maps"):
        synthesize(model_folder, labels, labels / place, overwrite=True)
    assert images(labels) == before


def test_another_version_of_histosyn_remakes_nothing(
    model_folder: Path, labels: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synthesize(model_folder, labels, tmp_path / "out")
    monkeypatch.setattr("histosyn.synthesis.provenance.version", lambda _: "9.9")
    assert synthesize(model_folder, labels, tmp_path / "out").made == ()


def refused_on_every_rank(model_folder: Path, labels: Path, out: Path) -> str:
    with pytest.raises(InputError) as error:
        synthesize(model_folder, labels, out)
    return str(error.value)


def test_a_stranger_that_one_rank_sees_stops_all(
    model_folder: Path, labels: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    Image.new("RGB", (8, 8)).save(out / "b.png")  # of the second rank
    messages = run_ranks(2, refused_on_every_rank, model_folder, labels, out)
    assert messages[0] == messages[1]
    assert "b.png (1 such files)" in messages[0]
    assert {path.name for path in out.iterdir()} == {"b.png"}


WIDE = GeneratorConfig(base_channels=16, label_channels=64)


@pytest.mark.parametrize("threads", [2])
def test_threads_do_not_matter_at_sizes_where_they_change_rounding(
    tmp_path: Path, threads: int
) -> None:
    """With the default's depth at 128 px, two threads round otherwise than one."""
    facts = ModelFacts(generator=WIDE, schema=SCHEMA, tile_size=(128, 128), mpp=1.0, training={})
    torch.manual_seed(0)
    save_model(tmp_path / "model", Generator(WIDE, len(SCHEMA)), facts)
    (tmp_path / "labels").mkdir()
    for index in range(4):
        data = label_png_bytes(blobs(index, 128)[1], SCHEMA)
        (tmp_path / "labels" / f"{index}.png").write_bytes(data)
    before = torch.get_num_threads()
    try:
        for count in (1, threads):
            torch.set_num_threads(count)
            synthesize(tmp_path / "model", tmp_path / "labels", tmp_path / f"out-{count}")
    finally:
        torch.set_num_threads(before)
    assert images(tmp_path / "out-1") == images(tmp_path / f"out-{threads}")


def test_the_precision_of_a_tile_is_known(model_folder: Path, labels: Path, tmp_path: Path) -> None:
    """bfloat16 gives other bytes, each time the same, that nobody takes for those of float32."""
    out, other = tmp_path / "out", tmp_path / "other"
    half = load_model(model_folder, CPU, "bfloat16")
    for folder in (out, other):
        synthesize_folder(half, labels, folder, SynthesisConfig())
    assert images(out) == images(other)
    assert all(entry["precision"] == "bfloat16" for entry in read_manifest(out).values())
    with pytest.raises(InputError, match="a\\.png"):
        synthesize(model_folder, labels, out)
    with pytest.raises(InputError, match="Pass --precision"):
        synthesize(model_folder, labels, tmp_path / "again", like=out / MANIFEST)
    synthesize(model_folder, labels, tmp_path / "whole")
    assert images(tmp_path / "whole") != images(out)
