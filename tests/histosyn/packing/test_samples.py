from __future__ import annotations

import io
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from marks import is_marked
from PIL import Image
from scipy.io import savemat
from tissue import SCHEMA, blobs

from histosyn.images.origin import SYNTHETIC_XMP, synthetic_png_bytes
from histosyn.images.tiles import GLASS_VALUE
from histosyn.packing.config import PackConfig, TileFormat
from histosyn.packing.jobs import Job
from histosyn.packing.samples import Sample, cut_pair
from histosyn.sources.pairs import Pair
from hpc.errors import ConfigError


def job(folder: Path, tile: np.ndarray, labels: np.ndarray, mpp: float | None = None) -> Job:
    Image.fromarray(tile).save(folder / "tile.png")
    Image.fromarray(labels).save(folder / "labels.png")
    pair = Pair(key="slide 1/a.b", tile=folder / "tile.png", label=folder / "labels.png")
    return Job(pair=pair, part="train", group="p", mpp=mpp)


def image_of(sample: Sample, suffix: str) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(sample.members[suffix])))


def facts_of(sample: Sample) -> dict[str, object]:
    return json.loads(sample.members["json"])


def test_a_sample_says_where_it_comes_from(tmp_path: Path) -> None:
    tile, labels = blobs(0, 64)
    config = PackConfig(tile_size=16, overlap=4, source_mpp=9.0, mpp=1.0)
    samples = cut_pair(job(tmp_path, tile, labels, mpp=0.5), SCHEMA, config).samples
    assert [sample.key for sample in samples] == [
        f"slide 1__a-b_r{row}c{column}" for row in range(2) for column in range(2)
    ]
    assert facts_of(samples[1]) == {
        "source": "slide 1/a.b", "group": "p", "mpp": 1.0, "row": 0, "column": 1,
    }  # fmt: skip
    whole = cut_pair(job(tmp_path, tile, labels), SCHEMA, PackConfig()).samples[0]
    assert facts_of(whole) == {"source": "slide 1/a.b", "group": "p", "mpp": None}
    assert whole.size == (64, 64)
    assert whole.class_pixels.tolist() == np.bincount(labels.ravel(), minlength=4).tolist()


def test_each_file_is_resampled_from_its_own_resolution(tmp_path: Path) -> None:
    tile, labels = blobs(0, 64)
    config = PackConfig(source_mpp=0.25, mpp=0.5)
    for mpp, size in ((0.25, 32), (0.5, 64), (1.0, 128)):
        (sample,) = cut_pair(job(tmp_path, tile, labels, mpp), SCHEMA, config).samples
        assert sample.size == (size, size)


@pytest.mark.parametrize("tile_format, error", [("png", 0), ("jpg", 12)])
def test_labels_are_never_lossy(tmp_path: Path, tile_format: str, error: int) -> None:
    tile = np.asarray(Image.fromarray(blobs(0, 8)[0]).resize((64, 64)))
    labels = blobs(1, 64)[1]
    (sample,) = cut_pair(
        job(tmp_path, tile, labels), SCHEMA, PackConfig(tile_format=tile_format)
    ).samples
    assert set(sample.members) == {f"tile.{tile_format}", "label.png", "json"}
    difference = image_of(sample, f"tile.{tile_format}").astype(int) - tile
    assert np.abs(difference).max() <= error
    assert np.array_equal(image_of(sample, "label.png"), labels)
    with Image.open(io.BytesIO(sample.members[f"tile.{tile_format}"])) as image:
        assert image.format == {"png": "PNG", "jpg": "JPEG"}[tile_format]
        # 4:4:4: no plane of colour is smaller than the others
        assert {layer[1:3] for layer in getattr(image, "layer", ())} <= {(1, 1)}


@pytest.mark.parametrize("suffix", ["png", "jpg", "tif"])
@pytest.mark.parametrize("tile_format", ["png", "jpg"])
def test_crops_of_a_synthetic_tile_keep_its_mark(
    tmp_path: Path, suffix: str, tile_format: TileFormat
) -> None:
    tile, labels = blobs(0, 32)
    config = PackConfig(tile_size=16, tile_format=tile_format)
    real = job(tmp_path, tile, labels)
    marked = tmp_path / f"marked.{suffix}"
    if suffix == "png":
        marked.write_bytes(synthetic_png_bytes(Image.fromarray(tile)))
    elif suffix == "jpg":
        Image.fromarray(tile).save(marked, xmp=SYNTHETIC_XMP.encode())
    else:
        Image.fromarray(tile).save(marked, tiffinfo={700: SYNTHETIC_XMP.encode()})
    synthetic = replace(real, pair=replace(real.pair, tile=marked))
    for each, kept in ((real, False), (synthetic, True)):
        samples = cut_pair(each, SCHEMA, config).samples
        assert len(samples) == 4
        tiles = [sample.members[f"tile.{tile_format}"] for sample in samples]
        assert [is_marked(data) for data in tiles] == [kept] * 4
        assert not any(is_marked(sample.members["label.png"]) for sample in samples)


def test_crops_with_too_little_tissue_are_counted(tmp_path: Path) -> None:
    tile, labels = blobs(0, 64)
    tile = np.minimum(tile, GLASS_VALUE)
    tile[:32, :32] = GLASS_VALUE + 1
    tile[32:48, 32:] = GLASS_VALUE + 1
    keys = {
        share: [sample.key[-4:] for sample in cut.samples] + [cut.left_out]
        for share in (0.0, 0.4, 0.5, 0.6)
        for cut in [
            cut_pair(
                job(tmp_path, tile, labels), SCHEMA, PackConfig(tile_size=32, min_tissue=share)
            )
        ]
    }
    assert keys == {
        0.0: ["r0c0", "r0c1", "r1c0", "r1c1", 0],
        0.4: ["r0c1", "r1c0", "r1c1", 1],
        0.5: ["r0c1", "r1c0", "r1c1", 1],
        0.6: ["r0c1", "r1c0", 2],
    }


def test_bright_pixels_become_class_0_only_when_asked(tmp_path: Path) -> None:
    tile = np.full((16, 16, 3), 200, np.uint8)
    tile[:8] = 201
    tile[:8, :2, 1] = 200
    labels = np.full((16, 16), 2, np.uint8)
    (as_drawn,) = cut_pair(job(tmp_path, tile, labels), SCHEMA, PackConfig()).samples
    assert np.array_equal(image_of(as_drawn, "label.png"), labels)
    config = PackConfig(bright_to_class_0=200)
    (sample,) = cut_pair(job(tmp_path, tile, labels), SCHEMA, config).samples
    expected = labels.copy()
    expected[:8, 2:] = 0
    assert np.array_equal(image_of(sample, "label.png"), expected)
    assert sample.class_pixels.tolist() == [112, 0, 144, 0]


def test_the_originals_pairs(tmp_path: Path) -> None:
    tile, labels = blobs(3, 32)
    savemat(tmp_path / "a.mat", {"xx": tile}, do_compression=True)
    savemat(tmp_path / "b.mat", {"rr": labels.astype(float)})
    pair = Pair(key="a", tile=tmp_path / "a.mat", label=tmp_path / "b.mat")
    job = Job(pair=pair, part="train", group="a", mpp=None)
    (sample,) = cut_pair(job, SCHEMA, PackConfig()).samples
    assert np.array_equal(image_of(sample, "tile.png"), tile)
    assert np.array_equal(image_of(sample, "label.png"), labels)


@pytest.mark.parametrize(
    "settings, match",
    [
        ({"base_mpp": 0.0}, "base_mpp = 0.0 must be positive"),
        ({"tile_size": 0}, "tile_size = 0 must be positive"),
        ({"overlap": 4}, "less than --tile-size, which is not given"),
        ({"tile_size": 8, "overlap": 8}, "overlap = 8 .* less than --tile-size, which is 8"),
        ({"tile_size": 8, "overlap": -1}, "overlap = -1"),
        ({"min_tissue": 50.0}, r"min_tissue = 50\.0 must be a share from 0 to 1"),
        ({"bright_to_class_0": 255}, r"bright_to_class_0 = 255 must be in 0\.\.254"),
        ({"source_mpp": float("nan")}, "source_mpp = nan must be positive"),
    ],
)
def test_contradicting_settings(settings: dict[str, float], match: str) -> None:
    with pytest.raises(ConfigError, match=match):
        PackConfig(**settings)


def test_workers_need_not_load_torch() -> None:
    code = "import sys, histosyn.packing.samples; assert not {'torch', 'scipy'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
