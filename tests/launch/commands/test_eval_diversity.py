"""`histosyn eval diversity` on tiles whose variety is known."""

import json

import numpy as np
import pytest
from PIL import Image
from tissue import pack_blobs

from eval.features.tile_sources import TileShards
from launch.cli import main


@pytest.fixture
def shards(tmp_path):
    return pack_blobs(tmp_path, count=10, size=32)


def redraw(shards, folder, change, variants=2):
    """Each real tile, changed for each variant."""
    folder.mkdir()
    side = TileShards(folder=shards)
    for row in range(len(side)):
        for number in range(1, variants + 1):
            tile = change(side.read(row).astype(float), number)
            image = Image.fromarray(np.clip(tile, 0, 255).astype(np.uint8))
            image.save(folder / f"{side.tile_name(row)}.v{number}.png")
    return folder


def run(shards, tissue, tmp_path, *options):
    path = tmp_path / "diversity.json"
    main(["eval", "diversity", str(shards), str(tissue), "--extractor", "random", "--json",
          str(path), *map(str, options)])  # fmt: skip
    result = json.loads(path.read_text())
    return {number["name"]: number for number in result["numbers"]}, result


def test_variants_that_hardly_differ_have_little_diversity(shards, tmp_path, capsys):
    tissue = redraw(shards, tmp_path / "tissue", lambda tile, number: tile + number)
    found, _ = run(shards, tissue, tmp_path)
    assert 0 < found["variant_diversity"]["value"] < 0.3
    assert found["variant_diversity"]["n"] == 10
    assert found["stain_spread"]["value"] == pytest.approx(1, abs=0.1)
    assert "variant diversity" in capsys.readouterr().out


def test_variants_that_are_equal_have_none_and_one_needs_two(shards, tmp_path, capsys):
    equal = redraw(shards, tmp_path / "equal", lambda tile, number: tile)
    found, _ = run(shards, equal, tmp_path)
    assert found["variant_diversity"]["value"] is None
    assert "are equal" in found["variant_diversity"]["reason"]
    single = redraw(shards, tmp_path / "single", lambda tile, number: tile, variants=1)
    found, _ = run(shards, single, tmp_path)
    assert "--variants" in found["variant_diversity"]["reason"]


def test_a_canvas_has_its_drift(shards, tmp_path):
    tissue = redraw(shards, tmp_path / "tissue", lambda tile, number: tile + 9 * number)
    even, drifting = tmp_path / "even.png", tmp_path / "drifting.png"
    Image.new("RGB", (256, 256), (200, 120, 180)).save(even)
    ramp = np.broadcast_to(np.linspace(80, 200, 256)[:, None, None], (256, 256, 3))
    Image.fromarray(ramp.astype(np.uint8)).save(drifting)
    found, _ = run(shards, tissue, tmp_path, "--canvas", even, "--canvas", drifting)
    assert found[f"drift_{even}"]["value"] == pytest.approx(0, abs=1e-6)
    assert found[f"drift_{drifting}"]["value"] > 1


def test_real_tiles_must_be_shards_and_of_the_same_size(shards, tmp_path, capsys):
    tissue = redraw(shards, tmp_path / "tissue", lambda tile, number: tile[:24, :24])
    for real, told in ((tissue, "shards"), (shards, "all of one size")):
        with pytest.raises(SystemExit) as stop:
            run(real, tissue, tmp_path)
        assert stop.value.code == 2
        assert told in capsys.readouterr().err
