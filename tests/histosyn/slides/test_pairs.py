from pathlib import Path

import pytest

from histosyn.slides.pairs import holds_slides, pair_slides
from hpc.errors import DatasetError, InputError


def touch(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return folder


def test_names_make_pairs(tmp_path: Path) -> None:
    slides = touch(tmp_path / "s", "a.svs", "p/b.1.tif", "c.ndpi", "notes.txt", "d.mrxs")
    drawn = touch(tmp_path / "d", "a.geojson", "p/b.1.geojson", "c.ndpi.geojson", "e.geojson")
    pairing = pair_slides(slides, drawn)

    assert [pair.key for pair in pairing.pairs] == ["a", "c", "p/b.1"]
    assert [path.name for path in pairing.slides_without_annotations] == ["d.mrxs"]
    assert [path.name for path in pairing.annotations_without_slide] == ["e.geojson"]


@pytest.mark.parametrize(
    ("slides", "annotations"),
    [(("a.svs", "a.tif"), ("a.geojson",)), (("a.svs",), ("a.geojson", "a.svs.geojson"))],
)
def test_two_of_one_name(
    tmp_path: Path, slides: tuple[str, ...], annotations: tuple[str, ...]
) -> None:
    touch(tmp_path / "s", *slides)
    touch(tmp_path / "d", *annotations)
    with pytest.raises(DatasetError, match="have the same name but for the type"):
        pair_slides(tmp_path / "s", tmp_path / "d")


@pytest.mark.parametrize(
    ("slides", "annotations", "expected"),
    [
        (("a.svs",), ("a.geojson",), True),
        (("a.tif",), ("a.geojson", "overview.png"), True),
        (("a.svs",), ("b.geojson",), True),
        (("a.tif",), ("a.png", "a.geojson"), False),
        (("a.png",), ("a.png", "a.geojson"), False),
        (("a.svs",), ("a.png",), False),
        (("a.jpg",), ("a.geojson",), False),
        ((), (), False),
    ],
)
def test_slides_or_tiles(
    tmp_path: Path, slides: tuple[str, ...], annotations: tuple[str, ...], expected: bool
) -> None:
    for folder in ("s", "d"):
        (tmp_path / folder).mkdir()
    touch(tmp_path / "s", *slides)
    touch(tmp_path / "d", *annotations)
    assert holds_slides(tmp_path / "s", tmp_path / "d") is expected
    both = touch(tmp_path / "both", *slides, *annotations)
    if both.exists():
        assert holds_slides(both, both) is expected


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    assert not holds_slides(tmp_path / "s", tmp_path)
    with pytest.raises(InputError, match="folder of slides: .* does not exist"):
        pair_slides(tmp_path / "s", tmp_path)
