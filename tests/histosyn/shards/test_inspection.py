from __future__ import annotations

import json
import math
import shutil
from pathlib import Path

import numpy as np
import pytest
from damage import edit_index
from PIL import Image
from tissue import SCHEMA, pack_blobs, write_folders

from histosyn.labels.label_map import parse_schema
from histosyn.packing.pack import PackConfig, pack
from histosyn.shards.index_file import load_index
from histosyn.shards.inspection import Inspection, inspect_shards, open_parts
from hpc.errors import DatasetError, InputError

IGNORING = parse_schema(
    "ignore = 255\n[[classes]]\nname='a'\ncolor='#ff0000'\n"
    "[[classes]]\nname='b'\ncolor='#0000ff'\n",
    "two",
)


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three parts: 12 tiles of 6 patients, each patient in one part."""
    root = tmp_path_factory.mktemp("data")
    tiles, labels = write_folders(root / "source", 12, 32)
    lines = ["tile,patient", *(f"tile-{number:02d},P{number // 2}" for number in range(12))]
    (root / "patients.csv").write_text("\n".join(lines) + "\n")
    config = PackConfig(
        groups=root / "patients.csv", val=0.2, test=0.2, samples_per_shard=4, source_mpp=0.5
    )
    pack(tiles, labels, root / "packed", SCHEMA, config)
    return root / "packed"


def keys_of(inspection: Inspection) -> list[list[str]]:
    return [[picture.key for picture in section.pictures] for section in inspection.sections]


def test_all_parts_of_a_pack_are_seen(packed: Path) -> None:
    inspection = inspect_shards(packed)
    assert [part.name for part in inspection.parts] == ["train", "val", "test"]
    assert [section.title for section in inspection.sections] == ["train", "val", "test"]
    assert [len(part.index) for part in inspection.parts] == [8, 2, 2]
    assert [len(part.groups) for part in inspection.parts] == [4, 1, 1]
    assert [part.tiles_without_group for part in inspection.parts] == [0, 0, 0]
    assert inspection.faults == {"train": (), "val": (), "test": ()}
    assert inspection.straddling == {}
    shown = keys_of(inspection)
    assert sorted(sum(shown, [])) == [f"tile-{number:02d}" for number in range(12)]
    assert all(keys == sorted(keys) for keys in shown)


def test_one_part_is_called_by_its_folder(packed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (part,) = open_parts(packed / "val")
    assert part.name == "val"
    monkeypatch.chdir(packed / "val")
    (part,) = open_parts(Path())
    assert part.name == "val"


def test_the_histogram_is_that_of_the_tiles(packed: Path) -> None:
    (part,) = open_parts(packed / "train")
    counts = np.zeros(4, dtype=np.int64)
    for row in range(len(part.index)):
        _, labels = part.reader.read(*part.index.place(row))
        counts += np.bincount(labels.ravel(), minlength=4)
    assert [row.pixels for row in part.classes] == counts.tolist()
    assert [row.pixel_share for row in part.classes] == pytest.approx(counts / counts.sum())
    assert [row.tiles for row in part.classes] == [8] * 4
    assert [row.name for row in part.classes] == [item.name for item in SCHEMA.classes]
    legend = part.classes, inspect_shards(packed / "train").sections[0].legend
    for row, item in zip(*legend, strict=True):
        assert item.text == f"{row.name} {row.pixel_share:.1%}"
        assert item.color == row.color


def test_ignored_pixels_have_a_row_of_their_own(tmp_path: Path) -> None:
    tiles, labels = write_folders(tmp_path / "source", 2, 32)
    for path in labels.iterdir():
        values = np.zeros((32, 32), dtype=np.uint8)
        values[:8], values[8:12] = 255, 1
        Image.fromarray(values).save(path)
    pack(tiles, labels, tmp_path / "packed", IGNORING, PackConfig())
    (part,) = open_parts(tmp_path / "packed")
    assert [(row.index, row.name, row.pixel_share) for row in part.classes] == [
        (0, "a", 0.625), (1, "b", 0.125), (255, "(ignored)", 0.25)
    ]  # fmt: skip
    assert (part.classes[2].pixels, part.classes[2].tiles) == (2 * 8 * 32, None)


def test_the_seed_decides_what_is_shown(tmp_path: Path) -> None:
    shards = pack_blobs(tmp_path, 12, 32, 4)
    first, again, other = (
        keys_of(inspect_shards(shards, samples=4, seed=seed))[0] for seed in (0, 0, 1)
    )
    assert len(set(first)) == 4
    assert first == again != other


def test_thumbnails_are_those_of_the_samples(packed: Path) -> None:
    (part,) = open_parts(packed / "val")
    section = inspect_shards(packed / "val").sections[0]
    tile, labels = part.reader.read(0, 0)
    shown_tile, shown_labels = (np.asarray(item) for item in section.pictures[0].thumbnails)
    assert np.array_equal(shown_tile[3::6, 3::6], tile)
    assert np.array_equal(shown_labels[3::6, 3::6], SCHEMA.palette[labels])


def test_groups_in_two_parts_are_named(packed: Path, tmp_path: Path) -> None:
    mixed = tmp_path / "mixed"
    shutil.copytree(packed / "train", mixed / "train")
    shutil.copytree(packed / "train", mixed / "val")
    shutil.copytree(packed / "test", mixed / "test")
    inspection = inspect_shards(mixed)
    groups = load_index(packed / "train").table.groups()
    assert inspection.straddling == dict.fromkeys(groups, ("train", "val"))
    assert inspection.as_json()["straddling_groups"][0] == {
        "group": min(groups), "parts": ("train", "val")
    }  # fmt: skip


def test_damaged_samples_are_crossed_out_and_listed(tmp_path: Path) -> None:
    shards = pack_blobs(tmp_path, 8, 32, 4)
    entry = load_index(shards).entry(0, 1)
    with (shards / "shard-000000.tar").open("r+b") as file:
        file.seek(entry.tile.offset + 60)
        file.write(b"\0\0\0\0")
    (shards / "shard-000001.tar").unlink()
    inspection = inspect_shards(shards)
    lost = {item.key for item in inspection.sections[0].pictures if item.thumbnails is None}
    assert lost == {"tile-01", "tile-04", "tile-05", "tile-06", "tile-07"}
    # The lost shard explains its samples.
    assert [(fault.shard, fault.key) for fault in inspection.faults["train"]] == [
        ("shard-000001.tar", "whole file"), ("shard-000000.tar", "tile-01")
    ]  # fmt: skip
    thorough = inspect_shards(shards, thorough=True)
    assert {fault.key for fault in thorough.faults["train"]} == {"whole file", "tile-01"}
    assert len(thorough.faults["train"]) == 3


def test_shards_of_other_tools_are_indexed_first(tmp_path: Path) -> None:
    shards = pack_blobs(tmp_path, 8, 32, 4)
    (shards / "dataset.json").unlink()
    (shards / "samples.npy").unlink()
    with pytest.raises(DatasetError, match="Name the label schema"):
        inspect_shards(shards)
    (shards / "shard-000001.tar").write_bytes(b"")
    inspection = inspect_shards(shards, schema="prostate-3", thorough=True)
    (part,) = inspection.as_json()["parts"]
    assert part["samples"] == 4
    assert part["left_out"] == [
        {
            "shard": "shard-000001.tar",
            "key": "byte 0",
            "cause": "the file is empty",
            "damaged": True,
        }
    ]
    assert inspection.faults == {"train": ()}
    # The next time it needs no schema.
    assert len(inspect_shards(shards).parts[0].index) == 4


def test_the_json_says_all_of_it(packed: Path) -> None:
    found = json.loads(json.dumps(inspect_shards(packed, samples=1, thorough=True).as_json()))
    assert found["verified"] is True
    assert found["faults"] == found["straddling_groups"] == []
    assert {name: len(keys) for name, keys in found["shown"].items()} == {
        "train": 1, "val": 1, "test": 1
    }  # fmt: skip
    train = found["parts"][0]
    assert train["samples"] == 8
    assert train["shards"] == 2
    assert train["size_bytes"] == sum(path.stat().st_size for path in packed.glob("train/*.tar"))
    assert (train["tile_size"], train["mpp"]) == ([32, 32], 0.5)
    assert len(train["groups"]) == 4
    assert train["schema"] == SCHEMA.as_dict()
    assert train["made_by"]["command"] == "pack"
    assert sum(row["pixel_share"] for row in train["classes"]) == pytest.approx(1)


def test_facts_that_are_no_json_are_text(tmp_path: Path) -> None:
    shards = pack_blobs(tmp_path, 2, 32)
    edit_index(shards, lambda data: data["made_by"].update(odd=math.nan))
    (part,) = inspect_shards(shards).as_json()["parts"]
    assert part["made_by"]["odd"] == "NaN"


def test_what_is_no_data_set_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist"):
        inspect_shards(tmp_path / "nowhere")
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(InputError, match="is a file"):
        inspect_shards(tmp_path / "file")
    with pytest.raises(DatasetError, match=r"no dataset\.json"):
        inspect_shards(tmp_path)
    with pytest.raises(InputError, match="is a URL or a command"):
        inspect_shards(Path("pipe:touch hacked"))
    shards = pack_blobs(tmp_path, 2, 32)
    (shards / "samples.npy").write_bytes(b"")
    with pytest.raises(DatasetError, match=r"samples\.npy is missing or damaged"):
        inspect_shards(shards)
    (shards / "dataset.json").write_text("{")
    with pytest.raises(DatasetError, match=r"dataset\.json is damaged"):
        inspect_shards(shards)
