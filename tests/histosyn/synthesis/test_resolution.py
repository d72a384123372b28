"""Label maps of another resolution than the model's."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from painting import random_model
from tissue import SCHEMA, blobs

from histosyn.images.file import size_in_header
from histosyn.images.resampling import resample_labels
from histosyn.images.tiles import read_png_text, read_tile
from histosyn.labels.label_map import label_image, label_png_bytes
from histosyn.manifests.manifest import MANIFEST, read_manifest
from histosyn.models.folder import load_model
from histosyn.synthesis.folder import SynthesisConfig, synthesize, synthesize_folder
from histosyn.synthesis.resolution import EQUAL_WITHIN, SaidResolution, resampling, resolutions_of
from hpc.errors import DatasetError, InputError
from hpc.randomness import key_of

KEYS = ("a", "sub/b", "s [d=2,x=0,y=0,w=9,h=9]", "s [x=9,y=0,w=9,h=9]-labelled")
MAPS = {key: Path(f"{key}.png") for key in KEYS}


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """Of 1.0 microns per pixel."""
    return load_model(random_model(tmp_path_factory.mktemp("model") / "m"))


@pytest.fixture
def labels(tmp_path):
    folder = tmp_path / "labels"
    (folder / "sub").mkdir(parents=True)
    for index, key in enumerate(KEYS):
        (folder / f"{key}.png").write_bytes(label_png_bytes(blobs(index, 64)[1], SCHEMA))
    return folder


def said(**facts):
    return SynthesisConfig(resolution=SaidResolution(**facts))


def sizes(out):
    return {
        path.relative_to(out).with_suffix("").as_posix(): size_in_header(path)[1]
        for path in out.rglob("*.png")
    }


def test_who_tells_the_resolution(tmp_path):
    table = tmp_path / "mpp.csv"
    table.write_text("tile,mpp\na.png,0.25\n")
    assert resolutions_of(MAPS, SaidResolution()) == {}
    assert resolutions_of(MAPS, SaidResolution(source_mpp=0.5)) == dict.fromkeys(KEYS, 0.5)
    assert resolutions_of(MAPS, SaidResolution(base_mpp=0.25)) == {KEYS[2]: 0.5, KEYS[3]: 0.25}
    everything = SaidResolution(source_mpp=1.0, base_mpp=0.3, table=table)
    assert resolutions_of(MAPS, everything) == dict(zip(KEYS, (0.25, 1.0, 0.6, 0.3), strict=True))


def test_what_tells_nothing_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"none of 1 is, such as a\. Give source_mpp"):
        resolutions_of({"a": Path("a.png")}, SaidResolution(base_mpp=0.25))
    table = tmp_path / "mpp.csv"
    table.write_text("tile,mpp\nelsewhere,0.25\n")
    with pytest.raises(DatasetError, match="names no tile of the folder"):
        resolutions_of(MAPS, SaidResolution(table=table))
    for value in (0, -1, float("nan"), float("inf")):
        with pytest.raises(InputError, match="is no number of microns per pixel"):
            SaidResolution(source_mpp=value)


@pytest.mark.parametrize(
    ("source", "model_mpp", "scale"),
    [(0.25, 0.5, 0.5), (1.0, 0.5, 2.0), (0.5, 0.5, None), (None, 0.5, None), (0.25, None, None),
     (0.5 * (1 + 0.99 * EQUAL_WITHIN), 0.5, None), (0.5 * (1 + 1.1 * EQUAL_WITHIN), 0.5, 1.055)],
)  # fmt: skip
def test_near_enough_is_the_same(source, model_mpp, scale):
    found = resampling(source, model_mpp)
    assert (found and round(found.scale, 6)) == scale


def test_nuclei_keep_their_size_in_microns(model, labels, tmp_path):
    """A map of half the microns per pixel becomes half as wide, and its tile with it."""
    out = tmp_path / "out"
    synthesize_folder(model, labels, out, said(source_mpp=0.5))
    assert set(sizes(out).values()) == {32}
    halved = resample_labels(blobs(0, 64)[1], 0.5)
    expected = synthesize(model, halved, key_of(0, "synthesis", "a", 1))
    np.testing.assert_array_equal(read_tile(out / "a.png"), expected)
    for entry in read_manifest(out).values():
        assert entry["resampled"] == {"source_mpp": 0.5, "mpp": 1.0}
        assert '"source_mpp": 0.5' in read_png_text(out / entry["file"])["histosyn"]


def test_a_second_run_knows_and_another_resolution_is_a_stranger(model, labels, tmp_path):
    out = tmp_path / "out"
    synthesize_folder(model, labels, out, said(source_mpp=0.5))
    assert synthesize_folder(model, labels, out, said(source_mpp=0.5)).made == ()
    with pytest.raises(InputError, match="was not made from this label map .* resolution"):
        synthesize_folder(model, labels, out)
    with pytest.raises(InputError, match="resolution"):
        synthesize_folder(model, labels, out, said(source_mpp=0.25))


def test_a_tag_in_the_file_tells_if_nobody_else_does(model, labels, tmp_path):
    labels_HW = blobs(0, 64)[1]
    for name, format, dpi in (("t", "TIFF", 25400 / 2), ("p", "PNG", 25400 / 2), ("q", "PNG", 96)):
        path = labels / f"{name}.{format.lower()}"
        label_image(labels_HW, SCHEMA).save(path, format=format, dpi=(dpi, dpi))
    out = tmp_path / "out"
    synthesize_folder(model, labels, out)
    assert {key: size for key, size in sizes(out).items() if len(key) == 1 and key != "a"} == {
        "t": 128, "p": 128, "q": 64,
    }  # fmt: skip
    assert sizes(out)["a"] == 64
    synthesize_folder(model, labels, tmp_path / "said", said(source_mpp=0.5))
    assert set(sizes(tmp_path / "said").values()) == {32}


def test_what_is_said_to_be_equal_changes_nothing(model, labels, tmp_path):
    synthesize_folder(model, labels, tmp_path / "plain")
    synthesize_folder(model, labels, tmp_path / "said", said(source_mpp=1.02))
    plain, told = (
        {path.name: path.read_bytes() for path in (tmp_path / name).rglob("*.png")}
        for name in ("plain", "said")
    )
    assert plain == told


def test_like_resamples_as_before(model, labels, tmp_path):
    first, second = tmp_path / "first", tmp_path / "second"
    synthesize_folder(model, labels, first, said(source_mpp=0.5, base_mpp=0.25))
    synthesize_folder(model, labels, second, SynthesisConfig(like=str(first / MANIFEST)))
    assert sizes(second) == {KEYS[0]: 32, KEYS[1]: 32, KEYS[2]: 32, KEYS[3]: 16}
    for path in first.rglob("*.png"):
        assert path.read_bytes() == (second / path.relative_to(first)).read_bytes()
    with pytest.raises(InputError, match="says how each label map was resampled. Leave out source"):
        SynthesisConfig(like=first / MANIFEST, resolution=SaidResolution(source_mpp=0.5))


def test_a_model_that_knows_no_resolution_cannot_be_told_one(labels, tmp_path, model):
    ignorant = replace(model, facts=replace(model.facts, mpp=None))
    with pytest.raises(InputError, match=r"source_mpp cannot be used: this model does not know"):
        synthesize_folder(ignorant, labels, tmp_path / "out", said(source_mpp=0.5))
    assert synthesize_folder(ignorant, labels, tmp_path / "out").failed == {}
