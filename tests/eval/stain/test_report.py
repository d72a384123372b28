"""A stain that was changed is found, in the class and by the amount that it was changed."""

import numpy as np
import pytest
from PIL import Image

from eval.features.tile_batches import BadTilesError
from eval.features.tile_sources import open_tiles
from eval.segmenter.labelled_tiles import FolderLabels, SyntheticTiles
from eval.stain.deconvolution import stain_vectors
from eval.stain.drift import drift
from eval.stain.report import Settings, sentence_of, stain
from eval.stain.sides import PlainTiles, TilesWithLabels
from histosyn.images.tiles import png_bytes
from histosyn.labels.label_map import label_png_bytes, load_schema
from hpc.errors import DatasetError, InputError

SCHEMA = load_schema("prostate-3")


def colour(hematoxylin, eosin):
    density = np.array([hematoxylin, eosin]) @ stain_vectors()[:2]
    return np.clip(np.rint(256 * 10**-density - 1), 0, 255)


def write(folder, seed, *, extra=(0.0, 0.0), patients=6, tiles=3):
    """Stroma above, nuclei below, each patient a little different; `extra` for the nuclei."""
    (folder / "tiles").mkdir(parents=True)
    (folder / "labels").mkdir()
    random = np.random.default_rng(seed)
    rows = ["tile,patient"]
    for patient in range(patients):
        own = random.normal(0, 0.02, 2)
        for number in range(tiles):
            hematoxylin, eosin = own + random.normal(0, 0.005, 2)
            tile = np.empty((32, 32, 3), np.uint8)
            tile[:16] = colour(0.1 + hematoxylin, 0.3 + eosin)
            tile[16:] = colour(0.5 + hematoxylin + extra[0], 0.2 + eosin + extra[1])
            labels = np.repeat([1, 3], 16)[:, None].repeat(32, 1).astype(np.uint8)
            name = f"{folder.name}-{patient}-{number}"
            (folder / "tiles" / f"{name}.png").write_bytes(png_bytes(Image.fromarray(tile)))
            (folder / "labels" / f"{name}.png").write_bytes(label_png_bytes(labels, SCHEMA))
            rows.append(f"{name},{folder.name}{patient}")
    (folder / "patients.csv").write_text("\n".join([*rows, ""]))
    return folder


def plain(folder, groups=True):
    table = folder / "patients.csv" if groups else None
    return PlainTiles(open_tiles(folder / "tiles"), table, "patient")


def labelled(folder):
    labels = FolderLabels(folder / "labels", SCHEMA, folder / "patients.csv")
    return TilesWithLabels(SyntheticTiles(folder / "tiles", labels))


def measured(real, synthetic, **more):
    return stain(real, synthetic, Settings(), lambda rows, what: rows, **more)


def named(result):
    return {number.name: number for number in result.numbers}


def test_a_change_of_nuclei_is_found_there_and_nowhere_else(tmp_path):
    real = write(tmp_path / "real", 0)
    synthetic = write(tmp_path / "synthetic", 1, extra=(0.2, 0.0))
    result = measured(labelled(real), labelled(synthetic))
    found = named(result)
    assert found["distance_hematoxylin_in_nuclei"].value == pytest.approx(0.2, abs=0.04)
    assert found["distance_hematoxylin_in_non-epithelium"].value < 0.05
    assert found["distance_eosin_in_nuclei"].value < 0.05
    assert "distance_eosin_in_background" not in found
    nuclei = found["distance_hematoxylin_in_nuclei"]
    assert nuclei.value > nuclei.details["floor"]["range"][1]
    assert nuclei.details["groups"] == {"real": 6, "synthetic": 6}
    assert "hematoxylin in nuclei" in sentence_of(result.numbers)
    assert result.settings["groups"] == 6


def test_the_same_stain_is_within_what_patients_have_among_themselves(tmp_path):
    result = measured(plain(write(tmp_path / "a", 0)), plain(write(tmp_path / "b", 2)))
    for number in result.numbers:
        if number.name.startswith("distance_"):
            assert number.interval[0] < 0.02
    assert 0.3 < named(result)["spread_hematoxylin"].value < 3
    assert len(result.tables["values"]["real"]["eosin"]) == 18


def test_less_variety_between_patients_is_a_small_ratio(tmp_path):
    real = plain(write(tmp_path / "a", 0, patients=12))
    folder = write(tmp_path / "b", 0, patients=1, tiles=12)
    (folder / "patients.csv").unlink()
    found = named(measured(real, PlainTiles(open_tiles(folder / "tiles"), None, "patient")))
    assert found["spread_hematoxylin"].value < 0.6


def test_unknown_patients_are_told(tmp_path):
    result = measured(
        plain(write(tmp_path / "a", 0), groups=False), plain(write(tmp_path / "b", 1))
    )
    assert result.settings["groups"] is None
    assert any("patients of the real tiles are not known" in text for text in result.warnings)


def test_damaged_tiles_are_named_or_left_out_and_other_classes_are_refused(tmp_path):
    real, other = write(tmp_path / "a", 0), write(tmp_path / "b", 1)
    (other / "tiles" / "b-0-0.png").write_bytes(b"nothing")
    with pytest.raises(BadTilesError, match="b-0-0"):
        measured(plain(real), plain(other))
    skipped = stain(
        plain(real), plain(other), Settings(on_bad_tile="skip"), lambda rows, what: rows
    )
    assert skipped.inputs["synthetic"]["n"] == 17
    for path in (other / "tiles").iterdir():
        path.write_bytes(b"nothing")
    with pytest.raises(DatasetError, match="no tile that can be measured"):
        stain(plain(real), plain(other), Settings(on_bad_tile="skip"), lambda rows, what: rows)
    elsewhere = labelled(real)
    elsewhere.schema = load_schema("colon-10")
    with pytest.raises(InputError, match="label maps of one schema"):
        measured(labelled(real), elsewhere)


def test_drift_over_a_field_is_the_slope_that_was_put_in(tmp_path):
    across = np.linspace(0, 1, 128)
    field = np.stack([colour(0.3 + 0.2 * place, 0.2) for place in across])[None].repeat(128, 0)
    change, windows = drift(field.astype(np.uint8), 32)
    assert windows == 16
    assert change[0] == pytest.approx(0.2, abs=0.02)
    assert change[1] == pytest.approx(0, abs=0.02)
    even = np.tile(colour(0.3, 0.2), (128, 128, 1)).astype(np.uint8)
    folder = write(tmp_path / "a", 0)
    fields = {"synthetic": {"large.png": field.astype(np.uint8)}, "real": {"slide.png": even}}
    result = stain(plain(folder), plain(folder), Settings(window=32), lambda rows, what: rows,
                   fields)  # fmt: skip
    number = named(result)["drift_hematoxylin_large.png"]
    assert number.value == pytest.approx(0.2, abs=0.02)
    assert number.details["floor"]["value"] == pytest.approx(0, abs=1e-6)
    assert np.isnan(drift(even, 128)[0]).all()
