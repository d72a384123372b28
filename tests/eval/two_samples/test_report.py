"""Classifier two-sample tests on tiles whose difference is known."""

import numpy as np
import pytest
from PIL import Image

from eval.discrimination.machine import read_machine
from eval.distances.report import Grouping
from eval.extractors.random_network import RandomExtractor
from eval.features.tile_sources import open_tiles
from eval.two_samples.report import SCORES, SUREST, Settings, require_no_part, two_sample_test
from hpc.errors import InputError

pytest.importorskip("sklearn", reason="needs the extra `c2st`")

EXTRACTOR = RandomExtractor(seed=0)


def write(folder, seed, *, patients=6, tiles=5, size=32, change=lambda tile: tile):
    """Noise averaged over 2 pixels, each patient of another brightness."""
    folder.mkdir()
    random = np.random.default_rng(seed)
    for patient in range(patients):
        for number in range(tiles):
            coarse = random.normal(150 + 10 * patient, 20, (size // 2, size // 2, 3))
            tile = change(np.kron(coarse, np.ones((2, 2, 1))))
            Image.fromarray(np.clip(tile, 0, 255).astype(np.uint8)).save(
                folder / f"p{patient}-{number}.png"
            )
    return open_tiles(folder)


def grouping(folder, patients=6, tiles=5):
    path = folder / "patients.csv"
    rows = [f"p{i}-{j}.png,p{i}" for i in range(patients) for j in range(tiles)]
    path.write_text("\n".join(["tile,patient", *rows, ""]))
    return Grouping(file=path)


def areas(result):
    return {number.name: number for number in result.numbers}


def with_grain(tile):
    return tile + 12 * (np.indices(tile.shape[:2]).sum(axis=0) % 2 * 2 - 1)[..., None]


def test_what_is_alike_cannot_be_told_apart(tmp_path):
    real, synthetic = write(tmp_path / "real", 0), write(tmp_path / "synthetic", 1)
    result = two_sample_test(real, synthetic, EXTRACTOR, Settings(grouping=grouping(tmp_path)))
    for name in ("auc_network_scale_1", "auc_network_scale_2", "auc_texture_scale_2"):
        number = areas(result)[name]
        assert 0.2 < number.value < 0.8
    assert result.settings["groups"] == 6
    assert not any("patients" in warning for warning in result.warnings)


def test_a_fine_fault_is_seen_at_the_fine_scale_alone_and_named(tmp_path):
    real = write(tmp_path / "real", 0)
    synthetic = write(tmp_path / "synthetic", 1, change=with_grain)
    result = two_sample_test(real, synthetic, EXTRACTOR, Settings(grouping=grouping(tmp_path)))
    found = areas(result)
    assert found["auc_texture_scale_1"].value > 0.95
    assert found["auc_network_scale_1"].value > 0.95
    # The grain is gone where pixels are averaged by two.
    assert 0.2 < found["auc_texture_scale_2"].value < 0.8
    # Which is nothing that tissue has: said in one line.
    assert sum("tells the arms apart: sharpness" in warning for warning in result.warnings) == 1
    assert result.tables["file_history"]["n"] == {"real": 30, "synthetic": 30}
    used = found["auc_texture_scale_1"].details["features"]
    assert len(used) == 5
    assert used[0]["use"] >= used[-1]["use"]
    # Tiles of 32 pixels are 8 and 4 at a quarter and an eighth.
    assert found["auc_network_scale_4"].value is None
    assert "narrower than 16 at 1/4" in found["auc_network_scale_4"].reason
    surest = result.tables[SUREST]["auc_texture_scale_1"]
    assert list(surest) == [
        "synthetic, surely so",
        "synthetic, taken for real",
        "real, taken for synthetic",
        "real, surely so",
    ]
    assert all(len(names) == 4 for names in surest.values())
    # What a reader study compares its readers with: a score for each tile, the surest ones highest.
    told = result.tables[SCORES]
    keys = zip(told["synthetic"], told["images"], strict=True)
    scores = dict(zip(keys, told["scores"]["auc_texture_scale_1"], strict=True))
    assert len(scores) == 60
    highest = max(score for (synthetic, _), score in scores.items() if synthetic)
    assert scores[True, surest["synthetic, surely so"][0]] == highest
    assert set(told["scores"]) == set(result.tables[SUREST])


def test_the_result_is_the_same_again_and_is_plain_data(tmp_path):
    real, synthetic = write(tmp_path / "real", 0), write(tmp_path / "synthetic", 1)
    first, second = (two_sample_test(real, synthetic, EXTRACTOR, Settings()) for _ in range(2))
    assert first == second
    first.save(tmp_path / "c2st.json")
    assert list(read_machine(tmp_path / "c2st.json").images) == first.tables[SCORES]["images"]
    assert any("patients of the tiles are not known" in warning for warning in first.warnings)
    assert any("took part in training is not known" in warning for warning in first.warnings)


def test_a_network_that_took_part_is_refused(tmp_path):
    sides = write(tmp_path / "real", 0), write(tmp_path / "synthetic", 1)
    frozen = (EXTRACTOR.identity.weights_sha256,)
    with pytest.raises(InputError, match="took part in training the model"):
        two_sample_test(*sides, EXTRACTOR, Settings(frozen=frozen))
    require_no_part(EXTRACTOR.identity, ("another",))
    require_no_part(EXTRACTOR.identity, None)


def test_sides_of_two_sizes_are_refused(tmp_path):
    real, synthetic = write(tmp_path / "real", 0), write(tmp_path / "synthetic", 1, size=40)
    with pytest.raises(InputError, match="differ in size"):
        two_sample_test(real, synthetic, EXTRACTOR, Settings())


def test_of_very_many_tiles_some_are_drawn(tmp_path, monkeypatch):
    monkeypatch.setattr("eval.two_samples.report.MOST_TILES", 20)
    real, synthetic = write(tmp_path / "real", 0), write(tmp_path / "synthetic", 1)
    result = two_sample_test(real, synthetic, EXTRACTOR, Settings())
    assert areas(result)["auc_network_scale_1"].n == 40
    assert any("20 drawn ones" in warning for warning in result.warnings)
