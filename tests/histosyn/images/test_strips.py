"""Images read by parts are those that are read whole."""

import io

import numpy as np
import pytest
from PIL import Image

from histosyn.images.file import opened_image
from histosyn.images.strips import field_size, image_parts
from hpc.errors import DatasetError

SIZE = (330, 210)


def pixels(mode):
    random = np.random.default_rng(0)
    areas = np.kron(random.integers(0, 4, (33, 21)), np.ones((10, 10), int)).astype(np.uint8)
    if mode == "P":
        image = Image.fromarray(areas)
        image.putpalette([7, 7, 7, 200, 0, 0, 0, 200, 0, 0, 0, 200])
        return image
    if mode == "1":
        return Image.fromarray(areas > 1)
    if mode == "L":
        return Image.fromarray(areas * 60 + random.integers(0, 2, SIZE).astype(np.uint8))
    return Image.fromarray(
        np.stack([areas * 50, areas + 3, areas * 9 + 1], axis=-1).astype(np.uint8)
    )


def joined(path):
    found = None
    for part in image_parts(path, "field"):
        with opened_image(part.data, "part") as image:
            values, mode = np.asarray(image), image.mode
        if found is None:
            found = np.zeros((*SIZE, *values.shape[2:]), values.dtype)
        place = found[part.top :, part.left :][: len(values), : values.shape[1]]
        place[:] = values[: len(place), : place.shape[1]]
    return mode, found


@pytest.fixture
def few_rows(monkeypatch):
    monkeypatch.setattr("histosyn.images.png_rows._PART_BYTES", 3000)


@pytest.mark.parametrize("mode", ["P", "L", "1", "RGB"])
@pytest.mark.parametrize(
    ("suffix", "how"),
    [
        (".png", {}),
        (".png", {"bits": 4}),
        (".tif", {"compression": "tiff_lzw", "tiffinfo": {278: 50}}),
        (".tif", {"compression": "tiff_adobe_deflate", "tiffinfo": {317: 2, 278: 7}}),
        (".tif", {"compression": "packbits"}),
        (".tif", {"tile": (64, 48), "compression": "raw"}),
        (".tif", {"big_tiff": True}),
    ],
    ids=str,
)
def test_parts_are_the_image(tmp_path, few_rows, mode, suffix, how):
    image = pixels(mode)
    if "bits" in how and mode != "P":
        pytest.skip("only palettes have fewer bits")
    if "tile" in how:
        how = {"tiffinfo": {322: 64, 323: 48}, "compression": "tiff_lzw"}
    if how.get("tiffinfo", {}).get(317) and mode == "1":
        pytest.skip("bits are not predicted")
    path = tmp_path / f"field{suffix}"
    image.save(path, **how)
    assert field_size(path) == SIZE
    with Image.open(path) as whole:
        expected_mode, expected = whole.mode, np.asarray(whole)
    mode_found, found = joined(path)
    assert mode_found == expected_mode
    np.testing.assert_array_equal(found, expected)


def test_rows_that_predict_from_the_part_before(tmp_path, few_rows):
    """Gray values that change slowly: Pillow's encoder takes other filters than none."""
    values = (np.add.outer(np.arange(330), np.arange(210)) % 251).astype(np.uint8)
    values += np.random.default_rng(0).integers(0, 3, SIZE).astype(np.uint8)
    Image.fromarray(values).save(tmp_path / "slow.png", compress_level=9)
    assert len(list(image_parts(tmp_path / "slow.png", "slow"))) > 10
    np.testing.assert_array_equal(joined(tmp_path / "slow.png")[1], values)


def damaged(data, at):
    return data[:at] + bytes([data[at] ^ 255]) + data[at + 1 :]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda data: damaged(data, len(data) // 2), "checksum"),
        (lambda data: data[: len(data) // 2], "damaged"),
        (lambda data: b"\xff\xd8\xff" + data, "too large for its format"),
    ],
)
def test_damage_names_the_file(tmp_path, change, said):
    buffer = io.BytesIO()
    pixels("L").save(buffer, "PNG")
    path = tmp_path / "broken.png"
    path.write_bytes(change(buffer.getvalue()))
    with pytest.raises(DatasetError, match=said):
        list(image_parts(path, "broken.png"))


def test_what_cannot_be_read_by_parts_says_how_to_save_it(tmp_path, monkeypatch):
    pixels("RGB").save(tmp_path / "a.tif", compression="jpeg")
    with pytest.raises(DatasetError, match=r"compression 7. Save it in tiles, deflate"):
        list(image_parts(tmp_path / "a.tif", "a.tif"))
    monkeypatch.setattr("histosyn.images.strips.MAX_FIELD_PIXELS", 1000)
    pixels("L").save(tmp_path / "b.png")
    with pytest.raises(DatasetError, match=r"b.png is 210x330 pixels, more than 1,000"):
        list(image_parts(tmp_path / "b.png", "b.png"))


def test_the_size_of_what_is_no_image_is_unknown(tmp_path):
    (tmp_path / "notes.png").write_text("notes")
    (tmp_path / "cut.png").write_bytes(b"\x89PNG\r\n\x1a\n\0\0")
    assert field_size(tmp_path / "notes.png") is None
    assert field_size(tmp_path / "cut.png") is None
    assert field_size(tmp_path / "missing.png") is None
