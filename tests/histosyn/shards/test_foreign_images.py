"""Shards of others: their images go through the same door as files do."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tissue import SCHEMA, blobs

from histosyn.labels.label_map import label_png_bytes
from histosyn.shards.dataset import open_shards
from histosyn.shards.foreign import index_foreign_shards
from hpc.errors import SampleError

TILE, LABELS = blobs(0, 32)


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def shard(folder: Path, tile: bytes, label: bytes) -> Path:
    folder.mkdir()
    with tarfile.open(folder / "a.tar", "w") as tar:
        for name, data in (("x.tile.jpg", tile), ("x.label.png", label)):
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return folder


def test_a_tile_that_lies_down_is_read_upright(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    lying = Image.fromarray(np.ascontiguousarray(np.rot90(TILE)))
    data = encoded(lying, "PNG", exif=exif)
    folder = shard(tmp_path / "s", data, label_png_bytes(LABELS, SCHEMA))
    index_foreign_shards(folder, SCHEMA, folder)
    tile, labels = open_shards(folder).read(0, 0)
    assert np.array_equal(tile, TILE)
    assert np.array_equal(labels, LABELS)


@pytest.mark.parametrize(
    "kind, options, cause",
    [
        ("TIFF", {"save_all": True, "append_images": [Image.new("L", (32, 32))]}, "2 images"),
        ("WEBP", {}, "a lossy WebP"),
        ("JPEG", {}, "a JPEG"),
        ("PPM", {}, "no image of a known kind"),
    ],
)
def test_label_maps_that_cannot_be_believed_are_refused(
    tmp_path: Path, kind: str, options: dict[str, object], cause: str
) -> None:
    label = encoded(Image.fromarray(LABELS), kind, **options)
    folder = shard(tmp_path / "s", encoded(Image.fromarray(TILE), "JPEG"), label)
    with pytest.raises(SampleError, match=f"x: its label map .*{cause}"):
        index_foreign_shards(folder, SCHEMA, folder)
