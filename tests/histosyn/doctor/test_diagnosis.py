import json

import numpy as np
import pytest
from PIL import Image
from tissue import SHARED

from histosyn.doctor.diagnosis import Source, examine
from histosyn.labels.label_map import load_schema
from hpc.errors import ConfigError, HistosynError, InputError


def test_a_sound_data_set_has_no_findings(folders):
    diagnosis = folders.examined()
    assert diagnosis.findings == ()
    assert diagnosis.errors == ()
    assert diagnosis.pairs == 4
    assert diagnosis.class_pixels == (256, 256, 256, 256)
    assert diagnosis.class_tiles == (4, 4, 4, 4)
    assert diagnosis.ignored_pixels == 0
    assert diagnosis.tile_sizes == {(16, 16): 4}
    assert diagnosis.proposal is None


def test_types_of_files_may_be_mixed_and_in_any_case(empty):
    for key, tile, label in (("a", "PNG", "bmp"), ("deep/b", "TiF", "png"), ("c", "Bmp", "TIFF")):
        empty.put_tile(f"{key}.{tile}", empty.noise())
        empty.put_label(f"{key}.{label}", empty.indices())
    diagnosis = empty.examined()
    assert diagnosis.findings == ()
    assert diagnosis.pairs == 3


def test_a_diagnosis_is_plain_data(folders):
    (folders.tiles / "0001.png").unlink()
    data = json.loads(json.dumps(folders.examined().as_json()))
    assert data["ready"] is False
    assert data["pairs"] == 3
    assert data["class_pixels"]["nuclei"] == 192
    assert data["class_tiles"]["nuclei"] == 3
    assert data["tile_sizes"] == [{"height": 16, "width": 16, "tiles": 3}]
    assert data["findings"][0]["count"] == 1
    assert data["proposal"] is None


def test_a_proposal_is_plain_data(folders):
    data = json.loads(json.dumps(folders.examined(schema=None).as_json()))
    assert len(data["schema"]["classes"]) == 4
    assert data["proposal"] == {"notes": []}
    assert data["ready"] is True


@pytest.mark.parametrize("schema", ["given", "none"])
def test_the_number_of_processes_changes_nothing(empty, schema):
    empty.fill(70)
    (empty.tiles / "0060.png").write_bytes(b"no image at all")
    empty.put_tile("0007", tile := empty.noise())
    empty.put_tile("0066", tile)
    empty.put_label("0050", np.full((16, 16), 200, dtype=np.uint8))
    arguments = {} if schema == "given" else {"schema": None}
    alone = empty.examined(processes=1, **arguments)
    assert len(alone.findings) == 3
    assert empty.examined(processes=2, **arguments) == alone


def test_progress_sees_every_pair_in_order(folders):
    for arguments in ({}, {"schema": None}):
        seen = []

        def track(summaries, total, seen=seen):
            for summary in summaries:
                seen.append((summary.pair.key, total))
                yield summary

        folders.examined(track=track, **arguments)
        assert seen == [(f"{index:04d}", 4) for index in range(4)]


def test_folders_that_hold_nothing_are_errors(empty):
    with pytest.raises(InputError, match=r"folder of tiles: .* does not exist"):
        empty.examined()
    empty.tiles.mkdir()
    empty.labels.mkdir()
    with pytest.raises(HistosynError, match="holds no"):
        empty.examined()


def test_one_folder_needs_suffixes(folders):
    with pytest.raises(ConfigError, match="--label-suffix"):
        examine(Source(tiles=folders.tiles, labels=folders.tiles), None)


def test_matlab_pairs_are_read(empty):
    savemat = pytest.importorskip("scipy.io").savemat
    for part, key, values in (
        (empty.tiles, "xx", empty.noise()), (empty.labels, "rr", empty.indices()),
    ):  # fmt: skip
        part.mkdir(parents=True)
        savemat(part / "a.mat", {key: values})
    for arguments in ({}, {"schema": None}):
        diagnosis = empty.examined(**arguments)
        assert diagnosis.findings == ()
        assert diagnosis.class_pixels == (64, 64, 64, 64)


CONSEP, GLAS, SEEDS = (SHARED / "data" / name for name in ("consep", "glas", "seed_labels"))


@pytest.mark.skipif(not CONSEP.is_dir(), reason="no CoNSeP tiles beside the clone")
def test_real_labels_by_index():
    source = Source(tiles=CONSEP / "tiles", labels=CONSEP / "labels")
    (error,) = examine(source, load_schema("prostate-3")).errors
    assert error.what == "values outside the schema"
    assert error.where[0].startswith("4: 1,325,598 pixels in 25 label maps")
    proposed = examine(source)
    assert len(proposed.schema) == 5
    (ink,) = proposed.findings
    assert ink.where == ("train_02: 19% of it", "train_12: 9% of it")
    assert proposed.class_tiles == (27, 17, 25, 13, 25)


@pytest.mark.skipif(not GLAS.is_dir(), reason="no GlaS tiles beside the clone")
def test_real_labels_by_colour():
    source = Source(tiles=GLAS / "tiles", labels=GLAS / "labels", groups=GLAS / "patients.csv")
    diagnosis = examine(source)
    assert diagnosis.schema == load_schema("prostate-3")
    assert diagnosis.proposal.notes == ()
    assert [item.what for item in diagnosis.findings] == ["different tile sizes"]
    assert diagnosis.class_tiles == (120, 120, 120, 120)


@pytest.mark.skipif(not SEEDS.is_dir(), reason="no example label maps beside the clone")
@pytest.mark.parametrize(
    ("folder", "name"),
    [("2-class-prostate", "prostate-2"), ("3-class-prostate", "prostate-3"),
     ("10-class-colon", "colon-10")],
)  # fmt: skip
def test_real_labels_a_little_off_the_palette(empty, folder, name):
    for path in sorted((SEEDS / folder).glob("*.png")):
        with Image.open(path) as image:
            empty.put_label(path.stem, np.asarray(image))
            empty.put_tile(path.stem, empty.rng.integers(0, 200, (image.height, image.width, 3),
                                                         dtype=np.uint8))  # fmt: skip
    diagnosis = empty.examined(schema=None)
    assert diagnosis.schema.name == name
    assert diagnosis.errors == ()
    assert empty.examined(schema=load_schema(name)).class_pixels == diagnosis.class_pixels
