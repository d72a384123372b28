"""Every fault that verification finds, in real damaged files."""

from __future__ import annotations

import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from damage import edit_index, members_of, write_tar
from PIL import Image
from tissue import SCHEMA, blobs, pack_blobs

from histosyn.images.tiles import png_bytes
from histosyn.labels.label_map import label_png_bytes
from histosyn.packing.records import Described, record_shard
from histosyn.shards.dataset import ensure_index, open_shards
from histosyn.shards.index_file import write_index
from histosyn.shards.verification import WHOLE_FILE, Fault, check_shard, misfits, verify

# Shards 0, 1 and 2 hold tile-00 to -03, -04 to -07 and -08 to -11.
VICTIM = "shard-000001.tar"


@pytest.fixture(scope="module")
def healthy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return pack_blobs(tmp_path_factory.mktemp("data"), 12, 32, 4)


@pytest.fixture
def shards(healthy: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(healthy, tmp_path / "train"))


def faults_of(shards: Path) -> list[Fault]:
    return list(verify(open_shards(shards, accept_left_out=True)))


def causes_of(shards: Path) -> dict[str, str]:
    """The causes by key, all in the damaged shard."""
    faults = faults_of(shards)
    assert {fault.shard for fault in faults} <= {VICTIM}
    assert len({fault.key for fault in faults}) == len(faults)
    return {fault.key: fault.cause for fault in faults}


def change(path: Path, offset: int) -> None:
    data = bytearray(path.read_bytes())
    data[offset] ^= 0x55
    path.write_bytes(bytes(data))


def index_again(shards: Path) -> None:
    """Write the index anew from what the shards hold, whatever that is: nobody has looked at it."""
    index = open_shards(shards).index
    pixels = np.full(len(SCHEMA), 7)
    described = Described(group=None, class_pixels=pixels)
    records = [
        record_shard(shards / shard.name, {entry.key: described for entry in index.entries(number)})
        for number, shard in enumerate(index.shards)
    ]
    write_index(shards, schema=SCHEMA, tile_size=(32, 32), mpp=None, records=records, made_by={})


def test_a_sound_data_set_has_no_fault(healthy: Path) -> None:
    reader = open_shards(healthy)
    seen: list[int] = []

    def track(checked, total):
        assert total == 3
        for item in checked:
            seen.append(int(item.pixels.sum()))
            yield item

    assert verify(reader, track) == ()
    assert seen == [4 * 32 * 32] * 3
    assert misfits(reader) == ()


def test_what_travels_between_processes_can(healthy: Path) -> None:
    reader = pickle.loads(pickle.dumps(open_shards(healthy)))
    checked = pickle.loads(pickle.dumps(check_shard(reader, 2)))
    assert checked.faults == ()
    assert checked.samples.tolist() == [4, 4, 4, 4]


def test_several_processes_find_what_one_finds(tmp_path: Path) -> None:
    shards = pack_blobs(tmp_path, 12, 16, 2)
    for number in (1, 4):
        change(shards / f"shard-{number:06d}.tar", 700)
    reader = open_shards(shards)
    found = verify(reader)
    assert {fault.shard for fault in found} == {"shard-000001.tar", "shard-000004.tar"}
    alone = [fault for number in range(6) for fault in check_shard(reader, number).faults]
    assert list(found) == alone


def test_a_shard_that_is_cut_short(shards: Path) -> None:
    entry = open_shards(shards).index.entry(1, 2)
    path = shards / VICTIM
    path.write_bytes(path.read_bytes()[: entry.label.offset + 10])
    causes = causes_of(shards)
    assert causes.pop(WHOLE_FILE).startswith(f"it has {path.stat().st_size} bytes, but ")
    assert all("cut short" in causes.pop(key) for key in ("tile-06", "tile-07"))
    ((place, cause),) = causes.items()
    assert place.startswith("byte ")
    assert "'tile-06.label.png' lacks its last" in cause
    assert [fault.key for fault in misfits(open_shards(shards))] == [WHOLE_FILE]


@pytest.mark.parametrize(("member", "suffix"), [("tile", "tile.png"), ("label", "label.png")])
def test_a_flipped_byte_in_an_image(shards: Path, member: str, suffix: str) -> None:
    entry = open_shards(shards).index.entry(1, 1)
    change(shards / VICTIM, getattr(entry, member).offset + 60)
    causes = causes_of(shards)
    assert "sha256" in causes[WHOLE_FILE]
    assert (
        causes["tile-05"] == f"the bytes of its .{suffix} are not those that were indexed (CRC-32)"
    )
    assert len(causes) == 2


def test_a_flipped_byte_in_a_header(shards: Path) -> None:
    entry = open_shards(shards).index.entry(1, 1)
    change(shards / VICTIM, entry.tile.offset - 512 + 3)
    causes = causes_of(shards)
    assert "its tar header is damaged" in causes["tile-05"]
    assert any(key.startswith("byte ") for key in causes)
    assert len(causes) == 3


def test_a_flipped_byte_where_no_sample_is(shards: Path) -> None:
    """Behind the end mark: training never reads it, but the copy is damaged all the same."""
    change(shards / VICTIM, -1)
    causes = causes_of(shards)
    assert "sha256" in causes.pop(WHOLE_FILE)
    assert all(key.startswith("byte ") for key in causes)


def test_a_missing_shard_is_one_fault(shards: Path) -> None:
    (shards / VICTIM).unlink()
    causes = causes_of(shards)
    assert list(causes) == [WHOLE_FILE]
    assert causes[WHOLE_FILE].endswith("so its 4 samples are lost")
    assert len(misfits(open_shards(shards))) == 1


def test_a_shard_that_nobody_can_read(shards: Path) -> None:
    (shards / VICTIM).unlink()
    (shards / VICTIM).symlink_to(VICTIM)
    assert "cannot be opened (Too many levels" in causes_of(shards)[WHOLE_FILE]


def test_a_folder_in_place_of_a_shard(shards: Path) -> None:
    (shards / VICTIM).unlink()
    (shards / VICTIM).mkdir()
    assert causes_of(shards)[WHOLE_FILE] == ("it is a folder, device, pipe or socket, not a file")


def test_an_extra_sample_in_the_tar(shards: Path) -> None:
    tile, labels = blobs(99, 32)
    extra = [("more.tile.png", png_bytes(Image.fromarray(tile))),
             ("more.label.png", label_png_bytes(labels, SCHEMA))]  # fmt: skip
    write_tar(shards / VICTIM, [*members_of(shards / VICTIM), *extra])
    assert causes_of(shards)["more"] == "it is in the tar, but not in the index"


def test_a_sample_that_only_the_index_has(shards: Path) -> None:
    """Another member of the same name: training reads the right one, other readers may not."""
    members = members_of(shards / VICTIM)
    write_tar(shards / VICTIM, [*members, ("tile-05.tile.png", b"again")])
    assert "tile-05.tile.png occurs twice" in causes_of(shards)["tile-05"]


def test_wrong_label_values_and_sizes_that_were_packed(shards: Path) -> None:
    members = dict(members_of(shards / VICTIM))
    members["tile-04.label.png"] = png_bytes(Image.new("L", (32, 32), 9))
    members["tile-06.label.png"] = png_bytes(Image.new("L", (16, 32), 0))
    write_tar(shards / VICTIM, list(members.items()))
    index_again(shards)
    causes = causes_of(shards)
    assert set(causes) == {"tile-04", "tile-06"}
    assert "value 9" in causes["tile-04"]
    assert "label map 16x32" in causes["tile-06"]


def test_wrong_class_counts(shards: Path) -> None:
    right = open_shards(shards).index.class_pixels[2]

    def lie(data: dict[str, Any]) -> None:
        data["class_pixels"][2] += 5
        data["class_samples"][0] = 1

    edit_index(shards, lie)
    assert faults_of(shards) == [
        Fault(
            shard="dataset.json",
            key="class_pixels",
            cause=f"epithelium: {right + 5} according to the index, {right} in the label maps",
        ),
        Fault(
            shard="dataset.json",
            key="class_samples",
            cause="background: 1 according to the index, 12 in the label maps",
        ),
    ]


def test_wrong_classes_of_a_sample(shards: Path) -> None:
    members = dict(members_of(shards / VICTIM))
    members["tile-05.label.png"] = label_png_bytes(np.full((32, 32), 2, np.uint8), SCHEMA)
    write_tar(shards / VICTIM, list(members.items()))
    index_again(shards)
    faults = faults_of(shards)
    assert faults[0] == Fault(
        shard=VICTIM,
        key="tile-05",
        cause="classes 2 occur in it, but 0, 1, 2, 3 according to the index",
    )
    assert {fault.key for fault in faults[1:]} == {"class_pixels", "class_samples"}


def test_damaged_rows_of_the_table_are_one_fault_a_shard(shards: Path) -> None:
    table = open_shards(shards).index.table
    row = table.rows.dtype.itemsize
    header = table.path.stat().st_size - 12 * row
    del table
    change(shards / "samples.npy", header + 5 * row)
    causes = causes_of(shards)
    assert list(causes) == ["samples.npy"]
    assert f"the rows of {VICTIM} are damaged" in causes["samples.npy"]


def as_foreign(shards: Path, edit: Callable[[list[tuple[str, bytes]]], list[tuple[str, bytes]]]):
    (shards / "dataset.json").unlink()
    (shards / "samples.npy").unlink()
    write_tar(shards / VICTIM, edit(members_of(shards / VICTIM)))
    ensure_index(shards, SCHEMA.name, leave_out_bad=True)


def test_what_the_index_left_out_is_no_fault(shards: Path) -> None:
    as_foreign(
        shards,
        lambda members: [
            *(item for item in members if item[0] != "tile-05.label.png"),
            ("broken.tile.png", b"<html>"),
            ("broken.label.png", b"<html>"),
            ("../trick.tile.png", b""),
        ],
    )
    index = open_shards(shards, accept_left_out=True).index
    assert len(index.left_out) == 3
    assert len(index) == 11
    assert faults_of(shards) == []


def test_a_shard_that_was_left_out_whole_is_no_fault(shards: Path) -> None:
    as_foreign(shards, lambda members: members)
    (shards / "dataset.json").unlink()
    (shards / VICTIM).write_bytes(b"")
    ensure_index(shards, SCHEMA.name, leave_out_bad=True)
    assert faults_of(shards) == []
    # When it is there again, the index is behind, and that is one.
    write_tar(shards / VICTIM, members_of(shards / "shard-000000.tar"))
    causes = causes_of(shards)
    assert "according to the index" in causes[WHOLE_FILE]
    assert causes["tile-00"] == "it is in the tar, but not in the index"
