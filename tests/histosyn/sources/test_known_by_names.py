from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from histosyn.sources.known_by_names import known_by_names
from hpc.errors import DatasetError, InputError


def key(slide: str, downsample: str, x: int = 0) -> str:
    return f"{slide} [d={downsample},x={x},y=0,w=64,h=64]"


def files(folder: Path, mpp_of: dict[str, float | None]) -> dict[str, Path]:
    """A tile for each key, whose file tells these microns per pixel."""
    found = {}
    for name, mpp in mpp_of.items():
        found[name] = folder / f"{name}.png"
        Image.new("RGB", (8, 8)).save(
            found[name], **({} if mpp is None else {"dpi": (25_400 / mpp, 25_400 / mpp)})
        )
    return found


def facts_of(known: object) -> list[tuple[str, float | None]]:
    return [(item.group, item.mpp) for item in known.facts.values()]


def test_a_given_resolution_of_the_slides() -> None:
    tiles = dict.fromkeys([key("S1", "2"), key("S1", "2", 64), key("S2", "4"), "other"], Path("x"))
    known = known_by_names(tiles, 0.25, 1.5)

    assert facts_of(known) == [("S1", 0.5), ("S1", 0.5), ("S2", 1.0), ("other", 1.5)]
    assert known.assumed == (
        "By the names that QuPath gave, 2 slides are the groups: S1, S2.",
        "Microns per pixel are those of the slides, 0.25, times the downsample in the names "
        "(2, 4).",
    )


def test_the_resolution_that_tiles_tell(tmp_path: Path) -> None:
    """The first of a slide tells it for all of that slide."""
    tiles = files(tmp_path, {key("S1", "2"): 0.5, key("S1", "4"): None, key("S2", "2"): 1.0})
    known = known_by_names(tiles, None, None)

    assert [item.mpp for item in known.facts.values()] == pytest.approx([0.5, 1.0, 1.0], rel=1e-3)
    assert "read from the first tile of each slide (0.25 to 0.5 for the slides)" in known.assumed[1]


def test_a_resolution_of_the_files(tmp_path: Path) -> None:
    tiles = files(tmp_path, {key("S1", "2"): 0.5, key("S2", "2"): None})

    assert facts_of(known_by_names(tiles, None, 0.7)) == [("S1", 0.7), ("S2", 0.7)]


def test_no_resolution_is_known(tmp_path: Path) -> None:
    tiles = files(tmp_path, {key("S1", "2"): None, key("S1", "2", 64): None})

    assert facts_of(known_by_names(tiles, None, None)) == [("S1", None), ("S1", None)]


@pytest.mark.parametrize("source_mpp", [None, 0.5])
def test_several_downsamples_are_not_one_resolution(
    tmp_path: Path, source_mpp: float | None
) -> None:
    tiles = files(tmp_path, {key("S1", "2"): None, key("S1", "4"): None})

    with pytest.raises(DatasetError, match="is 2 times and .* is 4 times smaller.*--base-mpp"):
        known_by_names(tiles, None, source_mpp)


def test_other_names_are_groups_of_their_own() -> None:
    known = known_by_names({"a": Path("a"), "b": Path("b")}, None, 0.5)

    assert facts_of(known) == [("a", 0.5), ("b", 0.5)]
    assert not known.assumed
    with pytest.raises(InputError, match="base_mpp = 0.25 is for files that QuPath named"):
        known_by_names({"a": Path("a")}, 0.25, None)
