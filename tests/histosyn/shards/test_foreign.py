"""Shards that plain webdataset wrote, without any index."""

from __future__ import annotations

import io
import json
import logging
import os
import subprocess
import sys
import tarfile
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tissue import SCHEMA, blobs
from webdataset import ShardWriter

from histosyn.images.tiles import png_bytes
from histosyn.labels.label_map import colorize
from histosyn.shards import foreign_scan
from histosyn.shards.dataset import ensure_index, open_shards
from histosyn.shards.foreign import cached_index_folder
from histosyn.shards.index_file import load_index
from histosyn.shards.stream import ShardStream
from hpc.errors import DatasetError, InputError, SampleError

SAMPLES = 10


def write_shards(
    folder: Path, *, colours: bool = False, tile: str = "png", **facts: object
) -> Path:
    folder.mkdir(parents=True)
    with ShardWriter(f"file:{folder}/%04d.tar", maxcount=4, verbose=0) as writer:
        for number in range(SAMPLES):
            pixels, labels = blobs(number, 32)
            buffer = io.BytesIO()
            Image.fromarray(pixels).save(buffer, "JPEG" if tile == "jpg" else "PNG", quality=95)
            label = colorize(labels, SCHEMA) if colours else labels
            writer.write({
                "__key__": f"slide{number % 3}/{number:03d}",
                f"tile.{tile}": buffer.getvalue(),
                "label.png": png_bytes(Image.fromarray(label)),
                "json": {"group": f"P{number % 3}", **facts},
            })  # fmt: skip
    return folder


@pytest.mark.parametrize("colours", [False, True])
def test_they_are_indexed_once_and_read_like_ours(tmp_path: Path, colours: bool) -> None:
    shards = write_shards(tmp_path / "train", colours=colours, mpp=0.5)
    ensure_index(shards, SCHEMA.name)
    index = load_index(shards)
    assert (len(index), index.mpp, index.tile_size) == (SAMPLES, 0.5, (32, 32))
    assert [shard.samples for shard in index.shards] == [4, 4, 2]
    assert index.table.groups() == {"P0", "P1", "P2"}
    assert index.label_values == ("colours" if colours else "indices")
    reader = open_shards(shards)
    for number in range(SAMPLES):
        tile, labels = reader.read(*index.place(number))
        assert index.entry(*index.place(number)).key == f"slide{number % 3}/{number:03d}"
        assert np.array_equal(tile, blobs(number, 32)[0])
        assert np.array_equal(labels, blobs(number, 32)[1])
    counted = sum(np.bincount(blobs(n, 32)[1].ravel(), minlength=4) for n in range(SAMPLES))
    assert index.class_pixels == tuple(counted)
    before = (shards / "dataset.json").stat().st_mtime_ns
    ensure_index(shards, SCHEMA.name)
    assert (shards / "dataset.json").stat().st_mtime_ns == before


def test_label_maps_whose_values_the_schema_explains_are_read(tmp_path: Path) -> None:
    shards = tmp_path / "train"
    shards.mkdir()
    tile, labels = blobs(0, 32)
    mask = (labels > 1).astype(np.uint8)
    with ShardWriter(f"file:{shards}/%04d.tar", verbose=0) as writer:
        writer.write({
            "__key__": "a", "tile.png": png_bytes(Image.fromarray(tile)),
            "label.png": png_bytes(Image.fromarray(mask * np.uint8(255))),
        })  # fmt: skip
    classes = "classes = [{name = 'a', color = '#ffffff'}, {name = 'b', color = '#0', value = 255}]"
    (tmp_path / "mask.toml").write_text(classes.replace("#0", "#000000"))
    ensure_index(shards, str(tmp_path / "mask.toml"))
    reader = open_shards(shards)
    assert np.array_equal(reader.read(0, 0)[1], mask)
    assert reader.index.class_pixels == tuple(np.bincount(mask.ravel()))


def test_jpeg_tiles_are_read(tmp_path: Path) -> None:
    shards = write_shards(tmp_path / "train", tile="jpg")
    ensure_index(shards, SCHEMA.name)
    batch = next(ShardStream(open_shards(shards), global_batch=4, seed=0).batches())
    assert batch.tiles_NCHW.shape == (4, 3, 32, 32)


def test_without_a_schema_it_says_which_option_names_one(tmp_path: Path) -> None:
    shards = write_shards(tmp_path / "train")
    with pytest.raises(DatasetError, match=r"--data\.schema"):
        ensure_index(shards)
    assert not (shards / "dataset.json").exists()


def test_different_resolutions_are_no_resolution(tmp_path: Path) -> None:
    shards = write_shards(tmp_path / "train", mpp=True)
    ensure_index(shards, SCHEMA.name)
    assert load_index(shards).mpp is None


def test_tiles_of_another_size_are_an_error_or_left_out(tmp_path: Path) -> None:
    shards = write_shards(tmp_path / "train")
    with ShardWriter(f"file:{shards}/9%03d.tar", verbose=0) as writer:
        tile, labels = blobs(0, 64)
        writer.write({
            "__key__": "large",
            "tile.png": png_bytes(Image.fromarray(tile)),
            "label.png": png_bytes(Image.fromarray(labels)),
        })  # fmt: skip
    with pytest.raises(SampleError, match="large: it has 64x64 pixels, most others 32x32"):
        ensure_index(shards, SCHEMA.name)
    ensure_index(shards, SCHEMA.name, leave_out_bad=True)
    with pytest.raises(SampleError, match=r"9000\.tar, large: .*Repair the shards and remove"):
        open_shards(shards)
    reader = open_shards(shards, accept_left_out=True)
    assert len(reader.index) == SAMPLES
    assert [item.key for item in reader.index.left_out] == ["large"]


def test_a_tar_without_our_names_says_which_are_wanted(tmp_path: Path) -> None:
    folder = tmp_path / "train"
    folder.mkdir()
    with ShardWriter(f"file:{folder}/%04d.tar", verbose=0) as writer:
        writer.write({"__key__": "a", "jpg": b"x", "seg.png": b"y"})
    with pytest.raises(
        SampleError, match=r"a: it has no tile: no member \.tile\.png .*\.jpg, \.seg"
    ):
        ensure_index(folder, SCHEMA.name)
    with pytest.raises(DatasetError, match=r"no tar with a usable sample.*KEY\.tile\.png"):
        ensure_index(folder, SCHEMA.name, leave_out_bad=True)


def write_named(folder: Path, *names: tuple[str, str], **format: object) -> Path:
    """Sound tiles and label maps under any names."""
    folder.mkdir()
    tile, labels = (png_bytes(Image.fromarray(array)) for array in blobs(0, 32))
    with tarfile.open(folder / "0.tar", "w", **format) as archive:
        for pair in names:
            for name, data in zip(pair, (tile, labels), strict=True):
                info = tarfile.TarInfo(name)
                info.size = len(data)
                archive.addfile(info, io.BytesIO(data))
    return folder


@pytest.mark.parametrize(
    ("names", "cause"),
    [
        (("a.0.5mpp.tile.png", "a.0.5mpp.label.png"), "write a-0-5mpp.tile.png for a.0.5mpp."),
        (("a.png", "a.seg.png"), r"it has .png, .seg.png"),
        (("/data/a.tile.png", "/data/a.label.png"), "leads out of the archive, and 1 more left"),
        ((".a.tile.png", ".a.label.png"), "2 hidden files or files of operating systems are in"),
        (("Drüse.tile.png", "Drüse.label.png"), "in another encoding than UTF-8"),
        (("a" * 300 + ".tile.png", "a" * 300 + ".label.png"), "name of 309 bytes"),
    ],
)
def test_why_nothing_can_be_used_is_told(
    tmp_path: Path, names: tuple[str, str], cause: str
) -> None:
    format = {"format": tarfile.GNU_FORMAT, "encoding": "latin-1"} if "ü" in names[0] else {}
    shards = write_named(tmp_path / "train", names, **format)
    with pytest.raises(DatasetError, match="no tar with a usable sample") as error:
        ensure_index(shards, SCHEMA.name, leave_out_bad=True)
    assert cause in str(error.value)


def test_a_long_name_makes_no_wide_table(tmp_path: Path) -> None:
    long = "a" * 4000
    shards = write_named(
        tmp_path / "train", (f"{long}.tile.png", f"{long}.label.png"), ("b.tile.png", "b.label.png")
    )
    ensure_index(shards, SCHEMA.name, leave_out_bad=True)
    index = open_shards(shards, accept_left_out=True).index
    assert [entry.key for entry in index.entries(0)] == ["b"]
    assert [item.damaged for item in index.left_out] == [False, False]
    assert (shards / "samples.npy").stat().st_size < 1000


def test_files_of_macos_do_not_make_samples_bad(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    shards = write_named(
        tmp_path / "train",
        ("./._a.tile.png", "./._a.label.png"),
        ("./a.tile.png", "./a.label.png"),
        (".DS_Store", "__MACOSX/._a.tile.png"),
    )
    with caplog.at_level(logging.INFO, "histosyn"):
        ensure_index(shards, SCHEMA.name)
    assert [entry.key for entry in open_shards(shards).index.entries(0)] == ["./a"]
    assert open_shards(shards).read(0, 0)[1].shape == (32, 32)
    assert "are left aside: 4 in the shards" in caplog.text


def test_archives_one_behind_the_other_are_read_and_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    shards = write_shards(tmp_path / "train")
    paths = sorted(shards.glob("*.tar"))
    joined = b"".join(path.read_bytes() for path in paths)
    for path in paths[1:]:
        path.unlink()
    paths[0].write_bytes(joined)
    ensure_index(shards, SCHEMA.name)
    assert "is 3 archives one behind the other" in caplog.text
    reader = open_shards(shards)
    assert len(reader.index) == SAMPLES
    assert np.array_equal(reader.read(0, SAMPLES - 1)[0], blobs(SAMPLES - 1, 32)[0])


def test_a_zero_filled_tail_loses_nothing_in_silence(tmp_path: Path) -> None:
    shards = write_shards(tmp_path / "train")
    path = shards / "0001.tar"
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2] + bytes(len(data) - len(data) // 2))
    with pytest.raises(SampleError, match=r"0001\.tar, .*"):
        ensure_index(shards, SCHEMA.name)
    path.write_bytes(bytes(len(data)))
    with pytest.raises(SampleError, match=r"0001\.tar, byte 0: no file is in it, only zeros"):
        ensure_index(shards, SCHEMA.name)


def test_sizes_of_members_are_limited(tmp_path: Path) -> None:
    shards = write_one(tmp_path / "train", b" " * (2 << 20))
    with pytest.raises(SampleError, match=r"a: its \.json has 2,097,152 bytes \(at most 1,048,576"):
        ensure_index(shards, SCHEMA.name)


@pytest.mark.parametrize("text", ["pipe:touch x", "gs://bucket/a.tar", "s3://bucket"])
def test_addresses_are_not_opened(text: str, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="is a URL or a command, not a folder"):
        ensure_index(Path(text), SCHEMA.name)
    assert not list(tmp_path.iterdir())


# A copy is indexed first, to import all that is needed: the other user may not even read Python's
# own library.
INDEX_AS_NOBODY = """
import os, shutil, sys
from pathlib import Path
from histosyn.shards import foreign_scan
from histosyn.shards.dataset import ensure_index, open_shards
shards = Path(sys.argv[1])
for folder in (Path(sys.argv[2]) / "copy", shards):
    if folder != shards:
        shutil.copytree(shards, folder)
        folder.chmod(0o755)
    elif os.getuid() == 0:
        os.setgid(65534)
        os.setuid(65534)
    ensure_index(folder, "prostate-3")
    print(len(open_shards(folder).index))
    shutil.rmtree(Path(sys.argv[2]) / "copy", ignore_errors=True)
"""


def test_in_a_read_only_folder_the_index_goes_into_the_cache(tmp_path: Path) -> None:
    """As another user if this one may write everywhere."""
    shards = write_shards(tmp_path / "data" / "train")
    cache = tmp_path / "cache"
    cache.mkdir()
    cache.chmod(0o777)
    shards.chmod(0o555)
    for path in (tmp_path, *tmp_path.parents):
        if path != Path("/tmp") and path.stat().st_uid == os.getuid():
            path.chmod(path.stat().st_mode | 0o055)
    for _ in range(2):
        run = subprocess.run(
            [sys.executable, "-c", INDEX_AS_NOBODY, str(shards), str(tmp_path)],
            env=os.environ | {"XDG_CACHE_HOME": str(cache), "HOME": str(cache)},
            capture_output=True, text=True, timeout=120,
        )  # fmt: skip
        assert run.stdout.split() == [str(SAMPLES)] * 2, run.stderr
    assert not (shards / "dataset.json").exists()
    assert len(list(cache.glob("histosyn/indexes/*/dataset.json"))) == 1
    shards.chmod(0o755)


def test_other_shards_have_another_place_in_the_cache(tmp_path: Path) -> None:
    shards = write_shards(tmp_path / "train")
    before = cached_index_folder(shards)
    assert cached_index_folder(shards) == before
    os.utime(shards / "0000.tar", ns=(1, 1))
    assert cached_index_folder(shards) != before


def test_facts_that_are_no_json_are_named(tmp_path: Path) -> None:
    folder = tmp_path / "train"
    folder.mkdir()
    tile, labels = blobs(0, 32)
    with ShardWriter(f"file:{folder}/%04d.tar", verbose=0, encoder=False) as writer:
        writer.write({
            "__key__": "a",
            "tile.png": png_bytes(Image.fromarray(tile)),
            "label.png": png_bytes(Image.fromarray(labels)),
            "json": b"{",
        })  # fmt: skip
    with pytest.raises(SampleError, match=r"a: its \.json is no JSON"):
        ensure_index(folder, SCHEMA.name)


def test_the_stream_of_foreign_shards_is_a_stream(tmp_path: Path) -> None:
    shards = write_shards(tmp_path / "train")
    ensure_index(shards, SCHEMA.name)
    stream = ShardStream(open_shards(shards), global_batch=5, seed=0)
    keys = [key for batch in islice(stream.batches(), 2) for key in batch.keys]
    assert len(set(keys)) == SAMPLES
    assert json.loads((shards / "dataset.json").read_text())["made_by"]["command"] == "index"


@pytest.mark.parametrize("mpp", [0, -1, True, "0.5", None, 10**400, [1]])
@pytest.mark.parametrize("group", [5.5, "\ud800", "x" * 201, "a\nb"])
def test_facts_beyond_reason_are_not_believed(tmp_path: Path, mpp: object, group: object) -> None:
    shards = write_one(tmp_path / "train", json.dumps({"mpp": mpp, "group": group}).encode())
    ensure_index(shards, SCHEMA.name)
    index = open_shards(shards).index
    assert index.mpp is None
    assert index.entry(0, 0).group is None


@pytest.mark.parametrize("text", ["NaN", "Infinity", "1e999"])
def test_resolutions_that_are_no_numbers_are_not_believed(tmp_path: Path, text: str) -> None:
    shards = write_one(tmp_path / "train", b'{"mpp": %s}' % text.encode())
    ensure_index(shards, SCHEMA.name)
    assert open_shards(shards).index.mpp is None


def test_groups_that_are_numbers_are_names(tmp_path: Path) -> None:
    shards = write_one(tmp_path / "train", b'{"group": 17}')
    ensure_index(shards, SCHEMA.name)
    assert open_shards(shards).index.entry(0, 0).group == "17"


def test_a_shard_that_is_there_twice_and_odd_names_are_refused(tmp_path: Path) -> None:
    shards = write_shards(tmp_path / "train")
    (shards / "copy.tar").write_bytes((shards / "0001.tar").read_bytes())
    with pytest.raises(DatasetError, match=r"copy\.tar is a copy of 0001\.tar"):
        ensure_index(shards, SCHEMA.name)
    (shards / "copy.tar").rename(shards / "a:b.tar")
    with pytest.raises(DatasetError, match=r"a:b\.tar has a colon or a backslash"):
        ensure_index(shards, SCHEMA.name)


def test_what_is_no_file_is_named_and_never_read(tmp_path: Path) -> None:
    """A pipe without a writer would be waited for, a device has no end."""
    shards = write_shards(tmp_path / "train")
    os.mkfifo(shards / "x.tar")
    with pytest.raises(DatasetError, match=r"x\.tar looks like a shard, but is a device, pipe or"):
        ensure_index(shards, SCHEMA.name)
    (shards / "x.tar").unlink()
    (shards / "x.tar").symlink_to("/dev/zero")
    with pytest.raises(SampleError, match=r"x\.tar, whole file: .*It is a device, pipe or socket"):
        ensure_index(shards, SCHEMA.name)
    ensure_index(shards, SCHEMA.name, leave_out_bad=True)
    assert len(open_shards(shards, accept_left_out=True).index) == SAMPLES


def write_one(folder: Path, facts: bytes, tile_suffix: str = "tile.png") -> Path:
    folder.mkdir()
    tile, labels = blobs(0, 32)
    members = {
        "a.json": facts,
        "a.label.png": png_bytes(Image.fromarray(labels)),
        f"a.{tile_suffix}": png_bytes(Image.fromarray(tile)),
    }
    with tarfile.open(folder / "0000.tar", "w") as archive:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return folder


def test_suffixes_in_upper_case_are_suffixes(tmp_path: Path) -> None:
    shards = write_one(tmp_path / "train", b"{}", "tile.PNG")
    ensure_index(shards, SCHEMA.name)
    assert np.array_equal(open_shards(shards).read(0, 0)[0], blobs(0, 32)[0])


@pytest.mark.parametrize("name", ["dataset.json", "samples.npy"])
def test_files_of_other_tools_are_left_alone(tmp_path: Path, name: str) -> None:
    """The index goes into the cache then."""
    shards = write_shards(tmp_path / "train")
    (shards / name).write_text('{"theirs": true}')
    ensure_index(shards, SCHEMA.name)
    assert (shards / name).read_text() == '{"theirs": true}'
    assert {path.name for path in shards.iterdir()} == {
        "0000.tar", "0001.tar", "0002.tar", name,
    }  # fmt: skip
    assert len(open_shards(shards).index) == SAMPLES
    ensure_index(shards, SCHEMA.name)


def test_another_schema_and_tars_that_came_later_are_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    shards = write_shards(tmp_path / "train")
    ensure_index(shards, SCHEMA.name)
    with pytest.raises(DatasetError, match="was indexed by label schema prostate-3, not colon-10"):
        ensure_index(shards, "colon-10")
    (shards / "0009.tar").write_bytes((shards / "0000.tar").read_bytes() + bytes(512))
    with pytest.raises(DatasetError, match=r"dataset\.json does not know, such as 0009\.tar"):
        ensure_index(shards)
    ensure_index(shards, leave_out_bad=True)
    (shards / "dataset.json").unlink()
    ensure_index(shards, SCHEMA.name)
    assert len(open_shards(shards).index) == SAMPLES + 4


KILLED_WHILE_INDEXING = """
import os, sys
from pathlib import Path
from histosyn.shards import foreign_scan
from histosyn.shards.dataset import ensure_index
look, looked = foreign_scan._look_through, []
def noted(path, schema):
    if len(looked) == 2:
        os.kill(os.getpid(), 9)
    looked.append(path)
    return look(path, schema)
foreign_scan._look_through = noted
ensure_index(Path(sys.argv[1]), "prostate-3")
"""


def test_indexing_goes_on_where_it_was_killed(tmp_path: Path, monkeypatch) -> None:
    shards = write_shards(tmp_path / "train")
    command = [sys.executable, "-c", KILLED_WHILE_INDEXING, str(shards)]
    assert subprocess.run(command, capture_output=True).returncode == -9
    looked = []
    look = foreign_scan._look_through
    monkeypatch.setattr(
        foreign_scan,
        "_look_through",
        lambda path, schema: looked.append(path.name) or look(path, schema),
    )
    ensure_index(shards, SCHEMA.name)
    assert looked == ["0002.tar"]
    assert len(open_shards(shards).index) == SAMPLES
    assert not list(shards.glob(".*"))


def test_notes_of_another_making_are_made_anew_and_never_behind_a_link(tmp_path: Path) -> None:
    shards = write_shards(tmp_path / "train")
    hidden = shards / ".histosyn-indexing"
    (tmp_path / "elsewhere").mkdir()
    hidden.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(DatasetError, match="is a link"):
        ensure_index(shards, SCHEMA.name)
    assert not list((tmp_path / "elsewhere").iterdir())
    hidden.unlink()
    hidden.mkdir()
    status = (shards / "0000.tar").stat()
    identity = [status.st_size, status.st_mtime_ns, SCHEMA.as_dict()]
    for number, note in enumerate(([], {"of": None}, "[" * 100_000)):
        text = note if isinstance(note, str) else json.dumps(note)
        (hidden / f"{number:04d}.tar.json").write_text(text)
    (hidden / "0000.tar.json").write_text(json.dumps({"of": identity, "looks": 5}))
    ensure_index(shards, SCHEMA.name)
    assert len(open_shards(shards).index) == SAMPLES
