from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tissue import SCHEMA, blobs, pack_blobs, write_folders

from histosyn.images.tiles import png_bytes
from histosyn.packing.pack import PackConfig, pack
from histosyn.shards.dataset import open_shards
from histosyn.shards.index_file import load_index
from histosyn.sources.pairs import Naming
from hpc.errors import ConfigError, DatasetError, InputError, LabelError


def test_samples_come_back_as_they_were(tmp_path: Path) -> None:
    reader = open_shards(pack_blobs(tmp_path, count=6, size=32, samples_per_shard=4))
    assert [shard.samples for shard in reader.index.shards] == [4, 2]
    for number in range(6):
        tile, labels = reader.read(number // 4, number % 4)
        expected_tile, expected_labels = blobs(number, 32)
        assert np.array_equal(tile, expected_tile)
        assert np.array_equal(labels, expected_labels)
    counts = sum(np.bincount(blobs(i, 32)[1].ravel(), minlength=4) for i in range(6))
    assert reader.index.class_pixels == tuple(counts)


def test_packing_twice_gives_the_same_bytes(tmp_path: Path) -> None:
    first, second = (pack_blobs(tmp_path / name, count=5) for name in ("a", "b"))
    for path in sorted(first.iterdir()):
        assert path.read_bytes() == (second / path.name).read_bytes(), path.name


@pytest.mark.parametrize("out", ["100%", "%s", "run:1/packed", "[x].gz", "http:", "spaced é"])
def test_any_name_of_a_folder_is_just_a_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, out: str
) -> None:
    tiles, labels = write_folders(tmp_path, count=3, size=32)
    config = PackConfig(samples_per_shard=2)
    monkeypatch.chdir(tmp_path)
    pack(tiles, labels, Path(out), SCHEMA, config)
    pack(tiles, labels, tmp_path / "plain", SCHEMA, config)
    written = {path.name: path.read_bytes() for path in (tmp_path / out / "train").iterdir()}
    plain = {path.name: path.read_bytes() for path in (tmp_path / "plain/train").iterdir()}
    assert written == plain
    expected = {"tiles", "labels", "plain", Path(out).parts[0]}
    assert {path.name for path in tmp_path.iterdir()} == expected


def test_long_names_fit_into_a_shard(tmp_path: Path) -> None:
    """A name of the plain tar format ends after 100 characters."""
    tiles, labels = write_folders(tmp_path, count=1, size=32)
    name = "/".join(["slide-of-a-patient"] * 11)
    for folder in (tiles, labels):
        (folder / name).mkdir(parents=True)
        (folder / "tile-00.png").rename(folder / name / "ä.png")
    index = pack(tiles, labels, tmp_path / "out", SCHEMA, PackConfig())["train"]
    assert index.entry(0, 0).key == name.replace("/", "__") + "__ä"
    assert np.array_equal(open_shards(tmp_path / "out/train").read(0, 0)[1], blobs(0, 32)[1])


def test_cuts_a_centred_grid_and_resamples(tmp_path: Path) -> None:
    tiles, labels = write_folders(tmp_path, count=1, size=80)
    config = PackConfig(tile_size=16, source_mpp=0.5, mpp=1.0)
    index = pack(tiles, labels, tmp_path / "out", SCHEMA, config)["train"]
    assert len(index) == 4  # 80 px at half size are 40: 2 x 2 tiles of 16, 4 px left on each side
    assert (index.mpp, index.tile_size) == (1.0, (16, 16))
    reader = open_shards(tmp_path / "out/train")
    keys = [entry.key for entry in index.entries(0)]
    assert keys == ["tile-00_r0c0", "tile-00_r0c1", "tile-00_r1c0", "tile-00_r1c1"]
    whole = blobs(0, 80)[1]
    nearest = np.asarray(Image.fromarray(whole).resize((40, 40), Image.Resampling.NEAREST))
    assert np.array_equal(reader.read(0, 3)[1], nearest[20:36, 20:36])


def test_split_keeps_groups_whole_and_covers_all(tmp_path: Path) -> None:
    tiles, labels = write_folders(tmp_path, count=12, size=32)
    groups = tmp_path / "groups.csv"
    groups.write_text("tile,patient\n" + "".join(f"tile-{i:02d},p{i // 3}\n" for i in range(12)))
    config = PackConfig(groups=groups, val=0.25, test=0.25)
    indexes = pack(tiles, labels, tmp_path / "out", SCHEMA, config)
    of_part = {part: index.table.groups() for part, index in indexes.items()}
    assert {part: len(groups) for part, groups in of_part.items()} == {
        "train": 2, "val": 1, "test": 1,
    }  # fmt: skip
    assert set.union(*of_part.values()) == {"p0", "p1", "p2", "p3"}
    assert load_index(tmp_path / "out/val") == indexes["val"]


def lose_label(tiles: Path, labels: Path) -> None:
    (labels / "tile-02.png").unlink()


def lose_tile(tiles: Path, labels: Path) -> None:
    (tiles / "tile-02.png").unlink()


def paint_unknown_colour(tiles: Path, labels: Path) -> None:
    Image.new("RGB", (32, 32), (1, 200, 1)).save(labels / "tile-02.png")


def write_unknown_index(tiles: Path, labels: Path) -> None:
    Image.new("L", (32, 32), 77).save(labels / "tile-02.png")


def change_size(tiles: Path, labels: Path) -> None:
    (tiles / "tile-02.png").write_bytes(png_bytes(Image.fromarray(blobs(2, 64)[0])))


def change_both_sizes(tiles: Path, labels: Path) -> None:
    for folder, image in ((tiles, blobs(2, 64)[0]), (labels, blobs(2, 64)[1])):
        (folder / "tile-02.png").write_bytes(png_bytes(Image.fromarray(image)))


def truncate(tiles: Path, labels: Path) -> None:
    data = (tiles / "tile-02.png").read_bytes()
    (tiles / "tile-02.png").write_bytes(data[: len(data) // 2])


def double_name(tiles: Path, labels: Path) -> None:
    for folder in (tiles, labels):
        (folder / "tile-02.x.png").write_bytes((folder / "tile-02.png").read_bytes())
        (folder / "tile-02-x.png").write_bytes((folder / "tile-02.png").read_bytes())


@pytest.mark.parametrize(
    "damage, kind, match",
    [
        (lose_label, DatasetError, r"tile-02\.png has no label map"),
        (lose_tile, DatasetError, r"tile-02\.png has no tile"),
        (paint_unknown_colour, LabelError, r"tile-02\.png: colour #01c801 \(1024 pixels\)"),
        (write_unknown_index, LabelError, r"tile-02\.png: value 77"),
        (change_size, DatasetError, "64x64 pixels, but .* is 32x32"),
        (change_both_sizes, DatasetError, "tile-02 is 64x64 pixels, 3 others are 32x32"),
        (truncate, DatasetError, r"tile-02\.png cannot be read"),
        (double_name, DatasetError, "both give the sample name 'tile-02-x'"),
    ],
)
def test_bad_input_is_named_and_leaves_nothing(
    tmp_path: Path, damage: Callable[[Path, Path], None], kind: type[Exception], match: str
) -> None:
    tiles, labels = write_folders(tmp_path, count=4, size=32)
    damage(tiles, labels)
    with pytest.raises(kind, match=match):
        pack(tiles, labels, tmp_path / "out", SCHEMA, PackConfig())
    assert {path.name for path in tmp_path.iterdir()} == {"tiles", "labels"}


def test_an_existing_folder_is_not_overwritten(tmp_path: Path) -> None:
    tiles, labels = write_folders(tmp_path, count=1)
    (tmp_path / "out").mkdir()
    with pytest.raises(InputError, match="out exists already"):
        pack(tiles, labels, tmp_path / "out", SCHEMA, PackConfig())
    (tmp_path / "link").symlink_to(tmp_path / "gone")
    for out in (Path(), Path("/"), tmp_path / "link"):
        with pytest.raises(InputError, match="exists already"):
            pack(tiles, labels, out, SCHEMA, PackConfig())


def test_tiles_too_small_to_cut(tmp_path: Path) -> None:
    tiles, labels = write_folders(tmp_path, count=1, size=32)
    with pytest.raises(DatasetError, match="too small for tiles of 64"):
        pack(tiles, labels, tmp_path / "out", SCHEMA, PackConfig(tile_size=64))
    config = PackConfig(tile_size=32, source_mpp=0.5, mpp=1.0)
    match = r"tile-00\.png, at 1\.0 microns per pixel, is 16x16 pixels, too small for tiles of 32"
    with pytest.raises(DatasetError, match=match):
        pack(tiles, labels, tmp_path / "out", SCHEMA, config)


def files_of(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_the_number_of_processes_changes_no_byte(tmp_path: Path) -> None:
    tiles, labels = write_folders(tmp_path, count=9, size=64)
    config = PackConfig(tile_size=24, overlap=4, val=0.3, samples_per_shard=7)
    for processes in (1, 2, 3):
        pack(tiles, labels, tmp_path / f"out{processes}", SCHEMA, config, processes)
    one = files_of(tmp_path / "out1")
    assert len(one) == 8 + 4 + 2 * 2  # shards of 54 and 27 crops, two indexes
    assert files_of(tmp_path / "out2") == one
    assert files_of(tmp_path / "out3") == one


def test_where_and_when_it_is_packed_changes_no_byte(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, folder in (("a", Path()), ("b/c", tmp_path / "b/c")):
        home = tmp_path / name
        write_folders(home, count=3, size=16)
        (home / "p.csv").write_text("tile,patient\ntile-00,1\ntile-01,2\ntile-02,3\n")
        monkeypatch.chdir(home)
        config = PackConfig(groups=folder / "p.csv", val=0.3)
        pack(folder / "tiles", folder / "labels", folder / "out", SCHEMA, config)
    assert files_of(tmp_path / "a/out") == files_of(tmp_path / "b/c/out")
    made_by = load_index(tmp_path / "a/out/train").made_by
    assert made_by["config"]["groups"] == "p.csv"


def whiten(path: Path) -> None:
    Image.new("RGB", (32, 32), "white").save(path)


def test_what_lacks_tissue_is_counted(tmp_path: Path) -> None:
    tiles, labels = write_folders(tmp_path, count=5, size=32)
    for number in (0, 3, 4):
        whiten(tiles / f"tile-{number:02d}.png")
    config = PackConfig(min_tissue=0.5, tile_size=16, samples_per_shard=3)
    index = pack(tiles, labels, tmp_path / "out", SCHEMA, config)["train"]
    assert len(index) == 8
    assert index.made_by["crops_left_out"] == 12
    assert {index.table.entry(row).group for row in range(8)} == {"tile-01", "tile-02"}


def test_a_part_without_tissue_is_an_error(tmp_path: Path) -> None:
    tiles, labels = write_folders(tmp_path, count=4, size=32)
    (tmp_path / "split.csv").write_text(
        "tile,patient,split\n"
        + "".join(f"tile-0{i},{i},{'val' if i > 1 else 'train'}\n" for i in range(4))
    )
    whiten(tiles / "tile-02.png")
    whiten(tiles / "tile-03.png")
    config = PackConfig(min_tissue=0.5, tile_size=16, groups=tmp_path / "split.csv")
    with pytest.raises(DatasetError, match="None of the 8 crops for val has enough tissue"):
        pack(tiles, labels, tmp_path / "out", SCHEMA, config)
    assert not (tmp_path / "out").exists()


def test_one_folder_with_suffixes(tmp_path: Path) -> None:
    tiles, labels = write_folders(tmp_path, count=2, size=32)
    for path in list(labels.iterdir()):
        path.rename(tiles / f"{path.stem}_mask.png")
    config = PackConfig(naming=Naming(label_suffix="_mask"))
    index = pack(tiles, tiles, tmp_path / "out", SCHEMA, config)["train"]
    assert [entry.key for entry in index.entries(0)] == ["tile-00", "tile-01"]


@pytest.mark.parametrize("tile_format", ["png", "jpg"])
def test_the_reader_reads_either_format(tmp_path: Path, tile_format: str) -> None:
    tiles, labels = write_folders(tmp_path, count=2, size=32)
    pack(tiles, labels, tmp_path / "out", SCHEMA, PackConfig(tile_format=tile_format))
    tile, label = open_shards(tmp_path / "out/train").read(0, 1)
    assert np.abs(tile.astype(int) - blobs(1, 32)[0]).mean() < {"png": 1e-9, "jpg": 8}[tile_format]
    assert np.array_equal(label, blobs(1, 32)[1])


def test_a_tile_without_group_is_named(tmp_path: Path) -> None:
    tiles, labels = write_folders(tmp_path, count=2, size=32)
    path = tmp_path / "groups.csv"
    path.write_text("tile,patient\ntile-00,1\n")
    with pytest.raises(DatasetError, match=r"says nothing of tile-01\.png"):
        pack(tiles, labels, tmp_path / "out", SCHEMA, PackConfig(groups=path))


def test_slides_in_folders_of_their_own_keep_their_patients(tmp_path: Path) -> None:
    """Two tiles of the same file name are of two patients."""
    for folder in write_folders(tmp_path, count=4, size=32):
        for number in range(4):
            slide = folder / "AB"[number // 2]
            slide.mkdir(exist_ok=True)
            (folder / f"tile-{number:02d}.png").rename(slide / f"{number % 2}.png")
    groups = tmp_path / "groups.csv"
    groups.write_text("tile,patient\nA/0.png,P1\nA/1.png,P1\nB/0.png,P2\nB/1.png,P2\n")
    config = PackConfig(groups=groups, val=0.5)
    indexes = pack(tmp_path / "tiles", tmp_path / "labels", tmp_path / "out", SCHEMA, config)
    members = [
        {
            (entry.key, entry.group)
            for shard in range(len(index.shards))
            for entry in index.entries(shard)
        }
        for index in indexes.values()
    ]
    assert sorted(map(sorted, members)) == [
        [("A__0", "P1"), ("A__1", "P1")],
        [("B__0", "P2"), ("B__1", "P2")],
    ]


def test_too_few_groups_for_a_split(tmp_path: Path) -> None:
    tiles, labels = write_folders(tmp_path, count=1, size=32)
    with pytest.raises(ConfigError, match="1 groups cannot be split into 2 parts"):
        pack(tiles, labels, tmp_path / "out", SCHEMA, PackConfig(val=0.5))


def test_every_sample_says_where_it_comes_from(tmp_path: Path) -> None:
    import tarfile

    shards = pack_blobs(tmp_path, count=2, size=32)
    with tarfile.open(shards / "shard-000000.tar") as tar:
        facts = json.loads(tar.extractfile("tile-01.json").read())
    assert facts == {"source": "tile-01", "group": "tile-01", "mpp": None}


@pytest.mark.parametrize("out", ["pipe:cat >stolen", "s3://bucket/packed"])
def test_an_address_is_no_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, out: str) -> None:
    tiles, labels = write_folders(tmp_path, count=1)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="is a URL or a command, not a folder"):
        pack(tiles, labels, Path(out), SCHEMA, PackConfig())
    assert {path.name for path in tmp_path.iterdir()} == {"tiles", "labels"}


def test_a_resolution_that_makes_giants_is_refused(tmp_path: Path) -> None:
    tiles, labels = write_folders(tmp_path, count=1)
    with pytest.raises(DatasetError, match="64x64 pixels would become 6400000x6400000"):
        pack(tiles, labels, tmp_path / "out", SCHEMA, PackConfig(source_mpp=0.5, mpp=5e-6))
