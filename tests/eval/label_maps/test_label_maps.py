"""New label maps beside real ones: alike within the floor, unlike beyond it, copies found."""

import json

import numpy as np
import pytest
from new_label_maps import BACKGROUND, NUCLEUS, SCHEMA, STROMA, glands_map, write_maps
from PIL import ImageColor

from eval.label_maps.measures import measures_of
from eval.label_maps.nearest import RealMaps
from eval.label_maps.report import compare_label_maps
from eval.label_maps.sheet import draw_nearest
from eval.report.claims import claims_of
from eval.report.results_files import read_results
from eval.segmenter.labelled_tiles import FolderLabels
from histosyn.labels.label_map import label_png_bytes
from hpc.errors import DatasetError


def write(folder, maps):
    folder.mkdir(parents=True)
    for number, labels in enumerate(maps):
        (folder / f"{number}.png").write_bytes(label_png_bytes(labels, SCHEMA))
    return FolderLabels(folder, SCHEMA, None)


@pytest.fixture(scope="module")
def real(tmp_path_factory):
    folder = write_maps(tmp_path_factory.mktemp("labels") / "real", count=16)
    return FolderLabels(folder, SCHEMA, None)


def test_what_is_measured_in_a_map():
    labels = np.full((20, 20), STROMA, np.uint8)
    labels[2:6, 2:6] = NUCLEUS
    labels[2:6, 12:16] = NUCLEUS
    labels[18:, 18:] = 255
    found = measures_of(labels, 4, (NUCLEUS,))
    assert found.shares == pytest.approx([0, 364 / 396, 0, 32 / 396])
    assert found.borders[STROMA, NUCLEUS] * 396 == pytest.approx(32)
    assert found.boundary_length == pytest.approx(32 / 396)
    assert found.contacts[STROMA, NUCLEUS] == 0.5
    (kind,) = found.kinds
    assert kind.density == pytest.approx(2e6 / 396)
    assert set(kind.log_areas) == {4.0}
    assert set(kind.spacings) == {10.0}
    assert measures_of(np.full((4, 4), 255, np.uint8), 4, ()) is None


@pytest.mark.parametrize("symmetry", ["cut", "turned", "larger"])
def test_a_piece_of_a_real_map_is_found(symmetry):
    maps = [glands_map(number, 48) for number in range(6)]
    piece = {
        "cut": maps[3][8:40, 10:42],
        "turned": np.rot90(maps[3])[4:36, 2:34],
        "larger": np.pad(maps[3], 3, constant_values=BACKGROUND),
    }[symmetry]
    found = RealMaps(maps, 54 if symmetry == "larger" else 48).nearest(piece, [False] * 6)
    assert found.row == 3
    if symmetry != "larger":
        assert found.agreement == 1.0
    other = RealMaps(maps, 48).nearest(piece, [row == 3 for row in range(6)])
    assert other.agreement < found.agreement


def test_maps_alike_and_maps_unlike(real, tmp_path):
    alike = write(tmp_path / "alike", [glands_map(100 + number) for number in range(16)])
    result = compare_label_maps(real, alike)
    distances = [number for number in result.numbers if number.value is not None][:-1]
    within = [number.value <= 1.5 * number.details["floor"]["range"][1] for number in distances]
    assert np.mean(within) > 0.85
    changed = [np.where(glands_map(n) == NUCLEUS, STROMA, glands_map(n)) for n in range(200, 216)]
    unlike = compare_label_maps(real, write(tmp_path / "unlike", changed))
    by_name = {number.name: number for number in unlike.numbers}
    share = by_name["class_share nuclei"]
    assert share.interval[0] > 0
    assert share.value > share.details["floor"]["range"][1]
    assert by_name["object_size nuclei"].value is None


def test_copies_are_told_and_the_report_takes_it(real, tmp_path):
    copies = write(tmp_path / "copies", [glands_map(number) for number in range(3)])
    result = compare_label_maps(real, copies)
    assert result.tables["nearest"][0]["agreement"] == 1.0
    assert {line["nearest"] for line in result.tables["nearest"]} == {"0", "1", "2"}
    novelty = result.numbers[-1]
    assert novelty.details["more_than_any_real"] == 3
    assert any("Only 3 new label maps" in warning for warning in result.warnings)
    result.save(tmp_path / "results" / "labels.json")
    claims = claims_of(read_results(tmp_path / "results"))
    verdicts = {claim.claim: claim.verdict for claim in claims}
    assert verdicts["New label maps are no copies of real ones"] == "against"
    assert json.loads((tmp_path / "results" / "labels.json").read_text())["kind"] == "labels"
    assert draw_nearest(result.tables["nearest"], real, copies).width > 400


def test_small_maps_are_drawn_large_and_framed(tmp_path):
    maps = write(tmp_path / "maps", [np.full((48, 48), STROMA, np.uint8)])
    page = draw_nearest([{"map": "0", "nearest": "0", "agreement": 1.0}], maps, maps)
    stroma = ImageColor.getrgb(SCHEMA.classes[STROMA].color)
    assert dict(map(reversed, page.getcolors(1 << 16)))[stroma] == 2 * 190 * 190
    assert page.getpixel((10, 10)) == (0xB0, 0xB0, 0xB0)


def test_too_few_maps(real, tmp_path):
    one = write(tmp_path / "one", [glands_map(0)])
    with pytest.raises(DatasetError, match="fewer than two label maps"):
        compare_label_maps(real, one)
