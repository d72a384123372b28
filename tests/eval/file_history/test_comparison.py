"""Arms of different history are told apart, and arms of the same are not."""

import json

import numpy as np
import pytest
from PIL import Image

from eval.features.tile_sources import open_tiles
from eval.file_history.comparison import (
    arm_of_tiles,
    compare_histories,
    history_of_files,
)
from eval.file_history.tile_sources import history_between
from hpc.errors import DatasetError


def write(folder, seed, count=12, suffix=".png", size=64, change=lambda tile: tile, **options):
    folder.mkdir()
    random = np.random.default_rng(seed)
    for number in range(count):
        tile = 160 + 25 * random.normal(size=(size, size, 3)) + 10 * random.normal()
        tile[: size // 4] = 244 + random.normal()
        made = np.clip(change(tile), 0, 255).astype(np.uint8)
        Image.fromarray(made).save(folder / f"{number:02d}{suffix}", **options)
    return sorted(folder.iterdir())


def test_the_same_history_says_nothing(tmp_path):
    sides = write(tmp_path / "a", 0), write(tmp_path / "b", 1)
    found = history_of_files(*sides)
    assert found.warning is None
    assert found.in_files == ()
    assert found.jpeg_share == {"real": 0, "synthetic": 0}


def test_jpeg_on_one_side_only_is_told_even_when_it_lies_in_pngs_now(tmp_path):
    write(tmp_path / "jpeg", 0, suffix=".jpg", quality=85)
    (tmp_path / "real").mkdir()
    for path in sorted((tmp_path / "jpeg").iterdir()):
        Image.open(path).save(tmp_path / "real" / f"{path.stem}.png")
    write(tmp_path / "synthetic", 1)
    found = history_between(open_tiles(tmp_path / "real"), open_tiles(tmp_path / "synthetic"))
    assert found.warning.startswith(
        "More than tissue tells the arms apart: traces of JPEG in 100% of real tiles and 0% of "
    )
    assert "format" not in found.in_files
    as_jpeg = history_of_files(
        sorted((tmp_path / "jpeg").iterdir()), sorted((tmp_path / "synthetic").iterdir())
    )
    assert {"format", "JPEG quality"} <= set(as_jpeg.in_files)


def test_glass_border_sharpness_size_and_metadata_are_told_by_name(tmp_path):
    real = write(tmp_path / "real", 0)

    def changed(tile):
        tile[: len(tile) // 4, :, 2] -= 15
        tile[-1] = 0
        return tile

    other = write(tmp_path / "other", 1, change=changed, dpi=(96, 96))
    found = history_of_files(real, other)
    for what in ("blue tint of glass (AUC 0.00)", "step at the border", "brightness of the border"):
        assert what in found.warning
    assert "JPEG" not in found.warning
    assert found.in_files[0] == "metadata"
    assert history_of_files(real, write(tmp_path / "wide", 1, size=72)).in_files[0] == "size"


def test_few_tiles_tell_nothing_and_no_tile_is_an_error(tmp_path):
    real, other = write(tmp_path / "a", 0, count=3), write(tmp_path / "b", 1, count=3)
    found = history_of_files(real, other)
    assert found.warning is None
    with pytest.raises(DatasetError, match="synthetic arm has no tile"):
        history_of_files(real, [])


def test_tiles_in_memory_have_no_files(tmp_path):
    random = np.random.default_rng(0)
    tiles = random.integers(0, 256, (10, 64, 64, 3), dtype=np.uint8)
    found = compare_histories(arm_of_tiles(tiles), arm_of_tiles(tiles // 2))
    assert found.files == {}
    assert found.in_files == ()
    assert json.loads(json.dumps(found.as_dict()))["n"] == {"real": 10, "synthetic": 10}


def test_auc_counts_pairs_in_order(tmp_path):
    found = history_of_files(write(tmp_path / "a", 0), write(tmp_path / "b", 1))
    sharp = next(trace for trace in found.traces if trace.name == "sharpness")
    from eval.file_history.traces import traces_of
    from histosyn.images.tiles import read_tile

    values = {
        role: [traces_of(read_tile(path))[1] for path in sorted((tmp_path / role).iterdir())]
        for role in ("a", "b")
    }
    pairs = [one > other for one in values["b"] for other in values["a"]]
    assert sharp.auc == pytest.approx(np.mean(pairs))


def test_damaged_tiles_are_left_out_and_a_resize_is_not_applied(tmp_path):
    write(tmp_path / "a", 0, size=64)
    write(tmp_path / "b", 1, size=72)
    (tmp_path / "a" / "00.png").write_bytes(b"nothing")
    sides = (open_tiles(tmp_path / role, resize=32, on_bad_tile="skip") for role in ("a", "b"))
    found = history_between(*sides)
    assert (found.n_real, found.n_synthetic) == (11, 12)
    assert found.files["synthetic"]["sizes"] == {"72x72": 12}
