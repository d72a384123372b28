"""Pictures with synthetic tissue in them carry the standard mark, and no others do."""

from pathlib import Path

import pytest
from marks import is_marked
from PIL import Image

from histosyn.images.origin import synthetic_png_bytes
from histosyn.images.tiles import png_bytes, read_png_text

DOCS = Path(__file__).parents[3] / "docs"
# Of what they show, nothing was made by a trained model.
NOT_SYNTHETIC = {"readers.png", "sweep-glas.png", "sweep.png", "utility.png"}


@pytest.mark.parametrize("mode", ["RGB", "P", "L"])
def test_the_mark_stands_beside_other_text(mode):
    image = Image.new(mode, (8, 8))
    data = synthetic_png_bytes(image, {"Description": "tissue"})
    assert is_marked(data)
    assert read_png_text(data)["Description"] == "tissue"
    assert not is_marked(png_bytes(image, {"Description": "tissue"}))


def test_pictures_of_the_documentation():
    pictures = sorted([*DOCS.rglob("*.png"), *DOCS.rglob("*.jpg")])
    assert {path.name for path in pictures if not is_marked(path)} == NOT_SYNTHETIC
