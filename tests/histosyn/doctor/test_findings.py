import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from histosyn.doctor import finding
from histosyn.doctor.finding import KEPT_PLACES
from histosyn.doctor.pair_checks import PAIR_CHECKS
from histosyn.doctor.set_checks import SET_CHECKS
from histosyn.labels.label_map import label_png_bytes, load_schema

CLEAR = np.full((16, 16, 4), 100, dtype=np.uint8)
DEEP = np.full((16, 16), 40000, dtype=np.uint16)
GRAY = np.full((16, 16), 90, dtype=np.uint8)
GREEN = np.full((16, 16, 3), (0, 255, 0), dtype=np.uint8)


def deep_rgb_png(high):
    """An RGB PNG of 16 bits a channel, which Pillow cannot write: `high` uint8 (H, W, 3)."""

    def chunk(kind, data):
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    height, width, _ = high.shape
    rows = (high.astype(">u2") * 257).reshape(height, -1)
    data = b"".join(b"\0" + row.tobytes() for row in rows)
    head = struct.pack(">IIBBBBB", width, height, 16, 2, 0, 0, 0)
    parts = chunk(b"IHDR", head), chunk(b"IDAT", zlib.compress(data)), chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def _truncate_tile(folders):
    path = folders.tiles / "0001.png"
    path.write_bytes(path.read_bytes()[:60])


def _truncate_clear_tile(folders):
    folders.put_tile("0001", CLEAR)
    _truncate_tile(folders)


def _garble_label(folders):
    (folders.labels / "0001.png").write_bytes(b"no image at all")


def _jpeg_label(folders):
    (folders.labels / "0001.png").unlink()
    folders.put_label("0001.JPG", folders.indices())


def _cmyk_label(folders):
    (folders.labels / "0001.png").unlink()
    Image.new("CMYK", (16, 16)).save(folders.labels / "0001.tif")


def _shrink_label(folders):
    folders.put_label("0001", folders.indices()[:8])


def _drop(part):
    return lambda folders: (getattr(folders, part) / "0001.png").unlink()


def _tile(pixels):
    return lambda folders: folders.put_tile("0001", pixels)


def _label(values):
    return lambda folders: folders.put_label("0001", values)


@pytest.mark.parametrize(
    ("damage", "what", "where"),
    [
        (_truncate_tile, "tiles that cannot be read", "0001.png cannot be read"),
        (_truncate_clear_tile, "tiles that cannot be read", "0001.png cannot be read"),
        (_tile(DEEP), "tiles of more than 8 bits", "0001.png has mode I;16"),
        (_tile(CLEAR), "tiles with transparent pixels", "0001.png has transparent pixels"),
        (_tile(GRAY), "tiles that are not RGB", "0001.png has mode L"),
        (_garble_label, "label maps that cannot be read", "0001.png "),
        (_label(DEEP), "label maps of more than 8 bits", "0001.png has mode I;16"),
        (_label(CLEAR), "label maps with transparent pixels", "0001.png has transparent"),
        (_jpeg_label, "label maps after lossy compression (JPEG)", "0001.JPG is a JPEG"),
        (_cmyk_label, "label maps of another kind", "0001.tif has mode CMYK"),
        (_label(np.full((16, 16), 7, np.uint8)), "values outside", "7: 256 pixels in 1 label map"),
        (_label(GREEN), "colours of no class", "#00ff00: 256 pixels in 1 label map (0001.png)"),
        (_shrink_label, "pairs of unequal size", "the tile has 16x16 pixels, its label map 16x8"),
        (_drop("labels"), "tiles without a label map", "tiles/0001.png"),
        (_drop("tiles"), "label maps without a tile", "labels/0001.png"),
    ],
)
def test_training_would_stop_at(folders, damage, what, where):
    damage(folders)
    found = folders.named(what)
    assert found.severity == "error"
    assert found.count == 1
    assert where in found.where[0]
    assert found.remedy.endswith(".")
    assert folders.examined().errors == (found,)


def _copy_tile(folders):
    """The same pixels in another file format."""
    with Image.open(folders.tiles / "0001.png") as image:
        image.save(folders.tiles / "0003.bmp")
    (folders.tiles / "0003.png").unlink()


def _deep_tile(folders):
    (folders.tiles / "0001.png").write_bytes(deep_rgb_png(folders.noise()))


def _deep_label(folders):
    data = deep_rgb_png(folders.schema.palette[folders.indices()])
    for index in range(4):
        (folders.labels / f"{index:04d}.png").write_bytes(data)


def _see_through_label(folders):
    palette = folders.schema.file_palette
    folders.put_label("0001", folders.indices(), palette=palette, transparency=0)


@pytest.mark.parametrize(
    ("damage", "what", "where"),
    [
        (_tile(np.tile(np.uint8([[[240] * 3, [250] * 3]]), (16, 8, 1))), "tiles that are almost",
         "0001: 100.0%"),
        (_tile(np.full((16, 16, 3), 0, np.uint8)), "tiles of one colour", "0001"),
        (_copy_tile, "tiles with the pixels of another", "0003 has the pixels of 0001"),
        (lambda folders: folders.put("big", size=24), "different tile sizes", "16x16: 4 tiles"),
        (lambda folders: folders.relabel(lambda values: values % 3), "classes that never occur",
         "3 nuclei"),
        (_deep_tile, "tiles of 16 bits a channel", "0001.png"),
        (_deep_label, "label maps of 16 bits a channel", "0000.png"),
        (_see_through_label, "label maps with a transparent colour", "0001.png"),
        (lambda folders: folders.put_tile("0001", folders.noise(), transparency=(1, 2, 3)),
         "tiles with a transparent colour", "0001.png"),
    ],
)  # fmt: skip
def test_training_would_suffer_from(folders, damage, what, where):
    damage(folders)
    found = folders.finding()
    assert found.severity == "warning"
    assert found.what.startswith(what)
    assert where in found.where[0]
    assert folders.examined().errors == ()


@pytest.mark.parametrize(
    ("sizes", "remedy"),
    [
        ((100, 70), "which cuts all tiles to 64x64 and keeps 55% of their area."),
        (
            (300, 416),
            "--tile-size 128, which cuts all tiles to 128x128 and keeps 81% of their area "
            "(288 would keep 63%).",
        ),
        ((32, 33), "Pack with --tile-size 32, which"),
        ((40, 31), "cut from 31x31: leave out the tiles smaller than 32."),
    ],
)
def test_different_sizes_are_packed_at_a_size_that_keeps_most_of_them(empty, sizes, remedy):
    for size in sizes:
        empty.put(f"of-{size}", size=size)
    finding = empty.named("different tile sizes")
    assert finding.remedy.startswith("histosyn pack refuses them without --tile-size")
    assert remedy in finding.remedy


def test_a_tile_of_each_size_is_named(folders):
    folders.put("big", size=32)
    finding = folders.named("different tile sizes")
    assert finding.where == ("16x16: 4 tiles, e.g. 0000", "32x32: 1 tile, e.g. big")


def lying():
    exif = Image.Exif()
    exif[0x0112] = 3
    return exif


def test_a_tile_that_is_turned_although_its_label_map_is_not_is_told(folders):
    folders.put_tile("0001", folders.noise(), exif=lying())
    finding = folders.named("one of a pair turned upright, as its file says, and the other not")
    assert (finding.severity, finding.where) == ("warning", ("0001.png",))


def test_pairs_that_are_turned_alike_are_sound(folders):
    folders.put_tile("0001", folders.noise(), exif=lying())
    folders.put_label("0001", folders.indices(), exif=lying())
    assert folders.examined().findings == ()


def _stack(folders):
    page = Image.fromarray(folders.indices())
    (folders.labels / "0001.png").unlink()
    page.save(folders.labels / "0001.tif", save_all=True, append_images=[page, page])


def _lossy_webp(folders):
    Image.fromarray(folders.schema.palette[folders.indices()]).save(
        folders.labels / "0001.png", "WEBP"
    )


def _noise(folders):
    pixels = np.random.default_rng(0).integers(0, 256, (512, 512, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(folders.labels / "0001.png")
    Image.fromarray(pixels).save(folders.tiles / "0001.png")


@pytest.mark.parametrize(
    ("damage", "what", "where"),
    [
        (_stack, "label maps of several pages", "0001.tif holds 3 images"),
        (_lossy_webp, "label maps after lossy compression", "0001.png is a lossy WebP"),
        (_noise, "label maps with more colours than a drawing has", "different colours"),
    ],
)
def test_label_maps_that_cannot_be_believed(folders, damage, what, where):
    damage(folders)
    finding = next(item for item in folders.examined().findings if item.what.startswith(what))
    assert finding.severity == "error"
    assert where in finding.where[0]


def test_files_that_are_not_read_are_told(folders):
    for name in ("0000.jp2", "slide.svs"):
        (folders.tiles / name).touch()
    finding = folders.named("files that look like images and are not read")
    assert (finding.severity, finding.count) == ("warning", 2)


def test_a_strange_colour_is_told_once_with_all_its_pixels_and_files(folders):
    near = np.add(folders.schema.palette[1], (0, 30, 0), dtype=int)
    for key in ("0000", "0001", "0002", "0003"):
        colors = folders.schema.palette[folders.indices()].copy()
        colors[0, :2] = near
        colors[1, :1] = (0, 255, 0)
        folders.put_label(key, colors)
    found = folders.finding()
    assert found.count == 2
    assert found.where[0] == (
        "#54e4e9: 8 pixels in 4 label maps (0000.png, 0001.png, 0002.png, …); nearest is "
        "non-epithelium #54c6e9, off by 30"
    )
    assert found.where[1].startswith("#00ff00: 4 pixels in 4 label maps")
    assert found.files == ("0000.png", "0001.png", "0002.png", "0003.png")


def test_what_else_a_strange_file_holds_is_counted(folders):
    values = folders.indices().copy()
    values[0, 0] = 77
    folders.put_label("0001", values)
    diagnosis = folders.examined()
    assert diagnosis.class_pixels == (255, 256, 256, 256)
    assert diagnosis.class_tiles == (4, 4, 4, 4)
    assert diagnosis.unknown_pixels == 1
    assert [item.what for item in diagnosis.findings] == ["values outside the schema"]


def test_strange_colours_of_a_built_in_schema_are_recognised(folders):
    colon = load_schema("colon-10")
    folders.put_label("0001", colon.palette[folders.indices()])
    assert "built-in colon-10: try --schema colon-10." in folders.named("colours of").remedy


def test_label_maps_that_histosyn_writes_are_fine(folders):
    data = label_png_bytes(folders.indices(), folders.schema)
    (folders.labels / "0001.png").write_bytes(data)
    assert folders.examined().findings == ()


def test_one_pass_finds_everything_errors_first(folders):
    _copy_tile(folders)
    (folders.labels / "0002.png").unlink()
    for key in ("0000", "0001"):
        folders.put_label(key, np.full((16, 16), 200, dtype=np.uint8))
    found = folders.examined().findings
    severities = [item.severity for item in found]
    assert severities == sorted(severities)
    assert [item.what for item in found] == [
        "values outside the schema",
        "tiles without a label map",
        "classes that occur in one tile only",
        "tiles with the pixels of another one",
    ]


def test_places_are_kept_up_to_a_number_and_counted_beyond(folders, monkeypatch):
    monkeypatch.setattr(finding, "KEPT_PLACES", 2)
    for index in range(4):
        (folders.labels / f"{index:04d}.png").write_bytes(b"no image at all")
    found = folders.finding()
    assert found.count == 4
    assert [place[:4] for place in found.where] == ["0000", "0001"]
    assert KEPT_PLACES >= 100


def test_every_check_says_what_to_do():
    checks = (*PAIR_CHECKS, *SET_CHECKS)
    assert len({check.what for check in checks}) == len(checks)
    fixed = [check.remedy for check in checks if isinstance(check.remedy, str)]
    assert all(remedy.endswith(".") for remedy in fixed)
