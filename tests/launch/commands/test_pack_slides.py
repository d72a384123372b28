"""`histosyn pack` of slides on a disk that is full."""

from __future__ import annotations

from pathlib import Path

import pytest
from disks import resize, small_disk
from killing import files_of
from slides import feature, rectangle, tissue, write_geojson, write_slide

from launch.cli import main

OPTIONS = ("--tile-size", "64", "--samples-per-shard", "8", "--processes", "1")


def packed(folder: Path, out: Path, *more: str) -> None:
    main(["pack", str(folder / "slides"), str(folder / "drawn"), str(out), *OPTIONS, *more])


@pytest.fixture
def slides(tmp_path: Path) -> Path:
    for name in "ab":
        write_slide(tmp_path / f"slides/{name}.tif", tissue(320, 448, ord(name)))
        write_geojson(
            tmp_path / f"drawn/{name}.geojson",
            feature("Stroma", rectangle(0, 0, 448, 320), (150, 200, 150)),
            feature("Tumor", rectangle(100, 50, 300, 130)),
        )
    return tmp_path


@pytest.mark.parametrize(
    ("room", "finished"), [("40k", 0), ("400k", 5), ("680k", 9)], ids=["first", "shard", "index"]
)
def test_a_full_disk_is_one_sentence_and_the_same_command_goes_on(
    slides: Path, capsys: pytest.CaptureFixture[str], room: str, finished: int
) -> None:
    """Full at the first shard, at one in the middle, and when only `dataset.json` is missing."""
    packed(slides, slides / "undisturbed")
    with small_disk(slides / "disk", room) as disk:
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            packed(slides, disk / "out")
        assert ended.value.code == 1
        said = [line for line in capsys.readouterr().err.splitlines() if "eta=" not in line]
        assert said == [
            f"histosyn: {disk}/.out.packing cannot be written (No space left on device). Free some "
            "space or correct the rights, and run the same command again: it goes on where it "
            "stopped."
        ]
        assert not (disk / "out").exists()
        assert len(list(disk.rglob("*.tar"))) == finished
        resize(disk, "16m")
        packed(slides, disk / "out")
        assert files_of(disk / "out") == files_of(slides / "undisturbed")
        assert [path.name for path in disk.iterdir()] == ["out"]


def test_a_part_on_a_full_disk_goes_on_too(
    slides: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    packed(slides, slides / "undisturbed")
    with small_disk(slides / "disk", "400k") as disk:
        with pytest.raises(SystemExit) as ended:
            packed(slides, disk / "out", "--part", "1/1")
        assert ended.value.code == 1
        assert ".out.packing cannot be written (No space left" in capsys.readouterr().err
        pieces = {path.name: path.stat().st_ino for path in disk.glob(".out.packing/pieces/*")}
        assert pieces
        resize(disk, "16m")
        packed(slides, disk / "out", "--part", "1/1")
        kept = {path.name: path.stat().st_ino for path in disk.glob(".out.packing/pieces/*")}
        assert kept.items() > pieces.items()
        packed(slides, disk / "out")
        assert files_of(disk / "out") == files_of(slides / "undisturbed")
