"""Parts of the work give the same bytes as one process, whoever made what."""

from __future__ import annotations

from pathlib import Path

import pytest
from disks import resize, small_disk
from slides import feature, rectangle, tissue, write_geojson, write_slide
from tissue import SCHEMA, write_folders

from histosyn.packing import pieces
from histosyn.packing.config import PackConfig
from histosyn.packing.pack import pack, pack_part
from histosyn.packing.pack_slides import (
    look_at_slides,
    pack_slides,
    pack_slides_part,
    settle_slide_schema,
)
from hpc.errors import DamagedFileError, HistosynError, InputError
from hpc.job_array import Part

CONFIG = PackConfig(samples_per_shard=3, val=0.4, tile_size=16)


def bytes_of(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def part(folder: Path, number: int, count: int, config: PackConfig = CONFIG) -> pieces.Pieces:
    what = folder / "tiles", folder / "labels", folder / "out"
    return pack_part(*what, SCHEMA, config, Part(number=number, count=count), 1)


def whole(folder: Path, out: str = "out", config: PackConfig = CONFIG) -> dict[str, bytes]:
    pack(folder / "tiles", folder / "labels", folder / out, SCHEMA, config, 1)
    return bytes_of(folder / out)


@pytest.fixture
def cut(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The number of jobs that are cut each time."""
    counted: list[int] = []
    original = pieces.map_in_order

    def counting(function: object, jobs: object, *rest: object, **options: object) -> object:
        counted.append(len(jobs))
        return original(function, jobs, *rest, **options)

    monkeypatch.setattr(pieces, "map_in_order", counting)
    return counted


def test_all_parts_give_what_one_process_gives(tmp_path: Path, cut: list[int]) -> None:
    write_folders(tmp_path, count=7, size=32)
    expected = whole(tmp_path, "expected")
    for number in (3, 1, 2):
        part(tmp_path, number, 3)
    cut.clear()

    assert whole(tmp_path) == expected
    assert cut == [0]
    assert not (tmp_path / ".out.packing").exists()


@pytest.mark.parametrize("made", [(1,), (2, 3), (2,)])
def test_what_is_missing_is_made(tmp_path: Path, cut: list[int], made: tuple[int, ...]) -> None:
    write_folders(tmp_path, count=6, size=32)
    expected = whole(tmp_path, "expected")
    for number in made:
        part(tmp_path, number, 3)
    cut.clear()

    assert whole(tmp_path) == expected
    assert cut == [6 - 2 * len(made)]


def test_a_part_again_makes_nothing_again(tmp_path: Path) -> None:
    write_folders(tmp_path, count=6, size=32)
    assert (part(tmp_path, 1, 3).made, part(tmp_path, 1, 3).present) == (2, 2)
    # Other shares of the same blocks: what is there counts.
    assert part(tmp_path, 1, 2).made == 1


def test_pieces_of_other_settings_and_files_do_not_count(tmp_path: Path) -> None:
    tiles, _ = write_folders(tmp_path, count=6, size=32)
    part(tmp_path, 1, 3)
    other = PackConfig(samples_per_shard=3, val=0.4, tile_size=8)
    assert part(tmp_path, 1, 3, other).made == 2
    assert part(tmp_path, 1, 3).made == 2
    for tile in tiles.iterdir():
        tile.touch()
    assert part(tmp_path, 1, 3).made == 2


def test_a_part_that_was_killed_goes_on(tmp_path: Path) -> None:
    write_folders(tmp_path, count=6, size=32)
    part(tmp_path, 1, 1)
    made = sorted((tmp_path / ".out.packing/pieces").iterdir())
    made[2].unlink()
    with made[4].open("r+b") as file:
        file.truncate(made[4].stat().st_size - 1)

    assert part(tmp_path, 1, 1).made == 2


def test_a_flipped_bit_is_noticed(tmp_path: Path) -> None:
    write_folders(tmp_path, count=2, size=32)
    part(tmp_path, 1, 1)
    piece = min((tmp_path / ".out.packing/pieces").iterdir())
    data = bytearray(piece.read_bytes())
    data[-9] ^= 1
    piece.write_bytes(data)

    with pytest.raises(DamagedFileError, match="is damaged. Remove it and run the same command"):
        whole(tmp_path)


def test_resuming_between_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The whole was killed after some shards; its first jobs are not looked at again."""
    write_folders(tmp_path, count=6, size=32)
    expected = whole(tmp_path, "expected")
    for number in (1, 3):
        part(tmp_path, number, 3)
    from histosyn.packing import writing

    original, written = writing.record_shard, []

    def stopping(*what: object) -> object:
        if len(written) == 3:
            raise KeyboardInterrupt
        written.append(what)
        return original(*what)

    monkeypatch.setattr(writing, "record_shard", stopping)
    with pytest.raises(KeyboardInterrupt):
        whole(tmp_path)
    monkeypatch.setattr(writing, "record_shard", original)

    assert whole(tmp_path) == expected


def test_parts_and_the_whole_do_not_meet(tmp_path: Path) -> None:
    from histosyn.packing.journal import locked_work_folder

    write_folders(tmp_path, count=6, size=32)
    with locked_work_folder(tmp_path / "out", Part(number=1, count=3)):
        part(tmp_path, 2, 3)
        with pytest.raises(InputError, match="Another process is packing into"):
            part(tmp_path, 1, 3)
        with pytest.raises(InputError, match="Another process is packing into"):
            whole(tmp_path)


def test_slides_in_parts(tmp_path: Path) -> None:
    """Also what could not be read of them is the same."""
    from slides import damage_tile

    for name in ("a", "b"):
        write_slide(tmp_path / f"slides/{name}.tif", tissue(256, 512, ord(name)))
        write_geojson(
            tmp_path / f"drawn/{name}.geojson",
            feature("Tumor", rectangle(0, 0, 300, 200)),
            feature("Stroma", rectangle(200, 0, 512, 256)),
        )
    damage_tile(tmp_path / "slides/b.tif", level=0, number=3)
    config = PackConfig(tile_size=64, samples_per_shard=10)
    folders = look_at_slides(tmp_path / "slides", tmp_path / "drawn", 1)
    settled = settle_slide_schema(folders, config, None)
    expected = pack_slides(folders, tmp_path / "expected", settled, config, 1)
    problems = [
        text
        for number in (1, 2)
        for text in pack_slides_part(
            folders, tmp_path / "out", settled, config, Part(number=number, count=2), 1
        ).problems
    ]
    found = pack_slides(folders, tmp_path / "out", settled, config, 1)

    assert bytes_of(tmp_path / "out") == bytes_of(tmp_path / "expected")
    assert found.problems == expected.problems == tuple(problems)
    assert "b.tif cannot be read" in problems[0]


def test_a_full_disk_is_one_sentence_and_the_part_goes_on(tmp_path: Path) -> None:
    write_folders(tmp_path, count=6, size=64)
    with small_disk(tmp_path / "disk", "64k") as disk:
        what = tmp_path / "tiles", tmp_path / "labels", disk / "out"
        config = PackConfig(samples_per_shard=3)
        with pytest.raises(HistosynError, match="cannot be written .*Free some space"):
            pack_part(*what, SCHEMA, config, Part(number=1, count=1), 1)
        made = len(list((disk / ".out.packing/pieces").iterdir()))
        assert 0 < made < 6
        resize(disk, "4m")
        found = pack_part(*what, SCHEMA, config, Part(number=1, count=1), 1)
    assert (found.made, found.present) == (6 - made, made)
