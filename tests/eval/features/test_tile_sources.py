"""Sources of tiles: a folder's order, sizes and errors, and arrays in memory."""

import numpy as np
import pytest
from PIL import Image
from tissue import pack_blobs

from eval.features.tile_sources import TileArray, TileFolder, TileShards, open_tiles
from histosyn.shards.dataset import ensure_index
from hpc.errors import DatasetError, InputError


def write_tile(path, value, size=(20, 16)):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, (value, value, value)).save(path)


def first_pixels(source, batch_size):
    return [int(tile[0, 0, 0]) for batch in source.batches(batch_size) for tile in batch.tiles_NHWC]


def pixels(source, batch_size):
    return np.concatenate([batch.tiles_NHWC for batch in source.batches(batch_size)])


def test_a_folder_is_read_with_its_sub_folders_in_the_order_of_names(tmp_path):
    write_tile(tmp_path / "b.png", 3)
    write_tile(tmp_path / "a" / "z.TIF", 1)
    write_tile(tmp_path / "a" / "deep" / "y.bmp", 0)
    write_tile(tmp_path / "a.PNG", 2)
    write_tile(tmp_path / ".hidden.png", 9)
    (tmp_path / "notes.txt").write_text("no image")
    source = TileFolder(folder=tmp_path)

    assert len(source) == 4
    assert first_pixels(source, 3) == [0, 1, 2, 3]
    assert [batch.tiles_NHWC.shape for batch in source.batches(3)] == [
        (3, 16, 20, 3),
        (1, 16, 20, 3),
    ]
    assert source.preparation == "none"


@pytest.mark.parametrize("batch_size", [1, 2])
def test_mixed_sizes_are_an_error_that_names_both_files(tmp_path, batch_size):
    write_tile(tmp_path / "a.png", 1)
    write_tile(tmp_path / "b.png", 1, size=(30, 16))

    with pytest.raises(DatasetError, match=r"b\.png is 30x16.*a\.png is\s+20x16.*--resize"):
        list(TileFolder(folder=tmp_path).batches(batch_size))


def test_resize_brings_all_sizes_to_one(tmp_path):
    write_tile(tmp_path / "a.png", 10)
    write_tile(tmp_path / "b.png", 200, size=(32, 32))
    source = TileFolder(folder=tmp_path, resize=32)

    (found,) = source.batches(8)

    batch = found.tiles_NHWC
    assert batch.shape == (2, 32, 32, 3)
    assert batch.dtype == np.uint8
    assert (batch[0] == 10).all()
    assert (batch[1] == 200).all()
    assert "32x32" in source.preparation


def test_a_damaged_image_is_named(tmp_path):
    write_tile(tmp_path / "a.png", 1)
    whole = (tmp_path / "a.png").read_bytes()
    (tmp_path / "b.png").write_bytes(whole[: len(whole) // 2])

    with pytest.raises(DatasetError, match=r"b\.png cannot be read"):
        list(TileFolder(folder=tmp_path).batches(8))


def write_tiles_with_three_damaged(folder):
    for number in range(7):
        write_tile(folder / f"{number}.png", number)
    for number in (1, 4, 5):
        (folder / f"{number}.png").write_bytes(b"damaged")


def test_all_damaged_images_are_named_and_counted(tmp_path):
    write_tiles_with_three_damaged(tmp_path)

    with pytest.raises(DatasetError, match="3 of 7 tiles cannot be measured") as caught:
        list(TileFolder(folder=tmp_path).batches(2))

    assert all(f"{number}.png is no image" in str(caught.value) for number in (1, 4, 5))
    assert "--on-bad-tile skip" in str(caught.value)


def test_however_many_images_are_damaged_all_are_named(tmp_path):
    for number in range(30):
        (tmp_path / f"{number:02d}.png").write_bytes(b"damaged")

    with pytest.raises(DatasetError) as caught:
        list(TileFolder(folder=tmp_path).batches(4))

    *named, counted = str(caught.value).splitlines()
    assert [f"{number:02d}.png is no image" in line for number, line in enumerate(named)] == [
        True
    ] * 30
    assert counted.startswith("30 of 30 tiles")


@pytest.mark.parametrize("batch_size", [1, 2, 8])
def test_damaged_images_can_be_skipped(tmp_path, batch_size):
    write_tiles_with_three_damaged(tmp_path)
    source = TileFolder(folder=tmp_path, on_bad_tile="skip")

    batches = list(source.batches(batch_size))

    assert first_pixels(source, batch_size) == [0, 2, 3, 6]
    assert [row for batch in batches for row in batch.rows] == [0, 2, 3, 6]
    assert [name for batch in batches for name in batch.names] == [f"{n}.png" for n in (0, 2, 3, 6)]
    assert len([message for batch in batches for message in batch.bad]) == 3


def test_a_damaged_sample_of_a_shard_can_be_skipped(tmp_path):
    shards = pack_blobs(tmp_path, count=6, size=32, samples_per_shard=3)
    tar = shards / "shard-000001.tar"
    tar.write_bytes(tar.read_bytes()[:600])

    batches = list(open_tiles(shards, on_bad_tile="skip").batches(4))

    assert sum(len(batch.rows) for batch in batches) == 3
    assert all("shard-000001.tar" in message for batch in batches for message in batch.bad)


def test_whoever_stops_reading_need_not_read_the_rest(tmp_path):
    for number in range(9):
        write_tile(tmp_path / f"{number}.png", number)
    batches = TileFolder(folder=tmp_path).batches(2)

    next(batches)

    batches.close()


def test_a_missing_or_empty_folder_is_an_error(tmp_path):
    with pytest.raises(InputError, match="nowhere does not exist"):
        TileFolder(folder=tmp_path / "nowhere")
    with pytest.raises(DatasetError, match="holds no image"):
        TileFolder(folder=tmp_path)


def test_what_packing_wrote_is_no_folder_of_shards_but_holds_some(tmp_path):
    shards = pack_blobs(tmp_path, count=2, size=32)

    with pytest.raises(DatasetError, match="holds no image") as caught:
        open_tiles(shards.parent)

    assert f"There are shards in {shards}: give such a folder." in str(caught.value)


def test_shards_of_other_tools_are_to_be_indexed_first(tmp_path):
    shards = pack_blobs(tmp_path, count=2, size=32)
    for path in shards.iterdir():
        if path.suffix != ".tar":
            path.unlink()

    with pytest.raises(DatasetError, match="shards have no index") as caught:
        open_tiles(shards)
    advised = f"inspect {shards} --schema"
    assert advised in str(caught.value)
    ensure_index(shards, "prostate-3")
    assert len(open_tiles(shards)) == 2


def test_a_packed_data_set_gives_the_tiles_it_was_packed_from(tmp_path):
    shards = pack_blobs(tmp_path, count=6, size=32, samples_per_shard=4)

    packed = open_tiles(shards)

    folder = open_tiles(tmp_path / "source" / "tiles")
    assert isinstance(packed, TileShards)
    assert isinstance(folder, TileFolder)
    assert len(packed) == len(folder) == 6
    assert [len(batch.rows) for batch in packed.batches(4)] == [4, 2]
    assert np.array_equal(pixels(packed, 4), pixels(folder, 6))


def test_shards_are_resized_like_a_folder(tmp_path):
    shards = pack_blobs(tmp_path, count=2, size=32)
    source = tmp_path / "source" / "tiles"

    packed, folder = (open_tiles(one, resize=20) for one in (shards, source))

    assert packed.preparation == folder.preparation
    assert np.array_equal(pixels(packed, 2), pixels(folder, 2))


def test_a_damaged_shard_is_named(tmp_path):
    shards = pack_blobs(tmp_path, count=2, size=32)
    tar = shards / "shard-000000.tar"
    tar.write_bytes(tar.read_bytes()[:600])

    with pytest.raises(DatasetError, match=r"shard-000000\.tar, tile-00"):
        list(open_tiles(shards).batches(2))


def test_an_array_is_cut_into_batches():
    tiles = np.arange(5, dtype=np.uint8)[:, None, None, None] * np.ones((1, 4, 4, 3), np.uint8)

    assert first_pixels(TileArray(name="memory", tiles_NHWC=tiles), 2) == [0, 1, 2, 3, 4]


@pytest.mark.parametrize(
    "tiles",
    [np.zeros((2, 4, 4, 3)), np.zeros((4, 4, 3), np.uint8), np.zeros((2, 3, 4, 4), np.uint8)],
)
def test_an_array_of_other_things_is_refused(tiles):
    with pytest.raises(InputError, match=r"must be \(N, H, W, 3\) uint8"):
        TileArray(name="memory", tiles_NHWC=tiles)


def test_shards_that_the_index_does_not_know_are_told(tmp_path):
    """A distance of a part of the tiles would not say that it is one."""
    shards = pack_blobs(tmp_path, count=2, size=32)
    (shards / "more.tar").write_bytes((shards / "shard-000000.tar").read_bytes())
    with pytest.raises(DatasetError, match=r"does not know, such as more\.tar"):
        open_tiles(shards)
    (shards / "more.tar").rename(shards / "more.tar.gz")
    with pytest.raises(DatasetError, match=r"more\.tar\.gz looks like a shard"):
        open_tiles(shards)
