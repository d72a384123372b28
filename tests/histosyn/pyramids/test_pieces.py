"""A pyramid from pieces is what other programs read of it."""

import numpy as np
import pytest
from PIL import Image

from histosyn.pyramids.bigtiff import Notes, write_pyramid
from histosyn.pyramids.pieces import Pieces, halved, level_sizes
from hpc.errors import DamagedFileError

openslide = pytest.importorskip("openslide")
tifffile = pytest.importorskip("tifffile")

SIZE = (1500, 2300)
NOTES = Notes(mpp=0.5, description="synthetic µ", software="histosyn 1", xmp=b"<x/>")


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch):
    """Pieces of 256 pixels and tiles of 64: seven levels in which everything occurs."""
    monkeypatch.setattr("histosyn.pyramids.pieces.PIECE", 256)
    monkeypatch.setattr("histosyn.pyramids.pieces.TILE", 64)


def picture(size=SIZE):
    random = np.random.default_rng(0)
    coarse = random.integers(100, 170, (-(-size[0] // 50), -(-size[1] // 50), 3))
    fine = random.integers(0, 9, (*size, 3))
    return np.clip(
        np.kron(coarse, np.ones((50, 50, 1)))[: size[0], : size[1]] + fine, 0, 255
    ).astype(np.uint8)


def made(folder, codec, pixels):
    pieces = Pieces(folder / "pieces", pixels.shape[:2], codec)
    for number in range(len(pieces)):
        rows, columns = pieces.box(number)
        part = pixels[rows.start : rows.stop, columns.start : columns.stop]
        pieces.write(number, part, f"piece {number}")
    with (folder / "a.tif").open("wb") as file:
        write_pyramid(file, pieces.levels(), codec, NOTES)
    return pieces, folder / "a.tif"


def levels_of(pixels):
    levels = [pixels]
    while max(levels[-1].shape) > 64:
        levels.append(halved(levels[-1]))
    return levels


# JPEG halves the resolution of colours: where areas of one colour are three pixels wide, a
# coarse level is off by 9 on average; one that is a pixel aside, by 25.
@pytest.mark.parametrize(("codec", "off"), [("deflate", 0), ("jpeg", 10)])
@pytest.mark.parametrize("size", [SIZE, (256, 512), (40, 700), (64, 64)])
def test_openslide_reads_levels_resolution_text_and_pixels(tmp_path, codec, off, size):
    pixels = picture(size)
    _, path = made(tmp_path, codec, pixels)
    with openslide.OpenSlide(path) as slide:
        expected = levels_of(pixels)
        assert slide.level_dimensions == tuple(each.shape[1::-1] for each in expected)
        assert float(slide.properties["openslide.mpp-x"]) == pytest.approx(0.5)
        assert slide.properties["tiff.ImageDescription"] == "synthetic µ"
        assert slide.properties["tiff.Software"] == "histosyn 1"
        for number, level in enumerate(expected):
            read = slide.read_region((0, 0), number, level.shape[1::-1]).convert("RGB")
            assert np.abs(np.asarray(read).astype(int) - level).mean() <= off


def test_other_readers_read_it_as_well(tmp_path):
    pixels = picture()
    _, path = made(tmp_path, "deflate", pixels)
    with tifffile.TiffFile(path) as tiff:
        assert tiff.is_bigtiff
        assert [page.subfiletype for page in tiff.pages] == [0] + [1] * 6
        np.testing.assert_array_equal(tiff.pages[0].asarray(), pixels)
        np.testing.assert_array_equal(tiff.pages[6].asarray(), levels_of(pixels)[6])
        assert bytes(tiff.pages[0].tags[700].value) == b"<x/>"
    with Image.open(path) as image:
        np.testing.assert_array_equal(np.asarray(image), pixels)


def test_without_a_resolution_none_is_written(tmp_path):
    pieces, path = made(tmp_path, "jpeg", picture((64, 64)))
    with path.open("wb") as file:
        untold = Notes(mpp=None, description="", software="", xmp=b"<x/>")
        write_pyramid(file, pieces.levels(), "jpeg", untold)
    with openslide.OpenSlide(path) as slide:
        assert "openslide.mpp-x" not in slide.properties


def test_pieces_keep_their_text_and_know_which_are_there(tmp_path):
    pieces, _ = made(tmp_path, "jpeg", picture((300, 300)))
    assert [pieces.text(number) for number in range(4)] == [f"piece {n}" for n in range(4)]
    (tmp_path / "pieces" / "0001-0000.piece").unlink()
    assert [pieces.has(number) for number in range(4)] == [True, True, False, True]


@pytest.mark.parametrize("keep", [0, 30, 400])
def test_a_damaged_piece_is_named(tmp_path, keep):
    pieces, _ = made(tmp_path, "jpeg", picture((300, 300)))
    path = tmp_path / "pieces" / "0000-0001.piece"
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(DamagedFileError, match=r"0000-0001.piece is .*Remove it"):
        list(pieces.levels()[0].tiles)


@pytest.mark.parametrize("place", [0, 30, -1])
def test_a_flipped_byte_in_a_piece_does_not_reach_the_pyramid(tmp_path, place):
    pieces = Pieces(tmp_path, (300, 300), "deflate")
    for number in range(len(pieces)):
        rows, columns = pieces.box(number)
        pieces.write(number, picture((len(rows), len(columns))))
    piece = sorted(tmp_path.glob("*.piece"))[1]
    content = bytearray(piece.read_bytes())
    content[place] ^= 1
    piece.write_bytes(content)
    with pytest.raises(DamagedFileError, match=f"{piece.name} is damaged. Remove it"):
        pieces.levels()


def test_a_mean_of_odd_sides_repeats_the_edge():
    pixels = np.arange(3 * 3, dtype=np.uint8).reshape(3, 3)[..., None] * np.ones(3, np.uint8)
    assert halved(pixels)[..., 0].tolist() == [[2, 4], [7, 8]]
    assert level_sizes((65, 10)) == [(65, 10), (33, 5)]
