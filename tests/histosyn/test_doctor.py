import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from histosyn import doctor
from histosyn.doctor import KEPT_PLACES, PAIR_CHECKS, SET_CHECKS, examine
from histosyn.labels import label_png_bytes, load_schema
from hpc import parallel
from hpc.errors import DatasetError, InputError

SCHEMA = load_schema("prostate-3")
SHARED = Path(__file__).parents[2].parent / "shared"


class Folders:
    """A data set in two folders that is sound until a test damages it."""

    def __init__(self, root, count=4):
        self.root, self.tiles, self.labels = root, root / "tiles", root / "labels"
        self.rng = np.random.default_rng(0)
        for index in range(count):
            self.put(f"{index:04d}")

    def put(self, key, size=16):
        self.put_tile(key, self.rng.integers(0, 200, (size, size, 3), dtype=np.uint8))
        self.put_label(key, np.arange(size * size, dtype=np.uint8).reshape(size, size) % 4)

    def put_tile(self, key, pixels):
        self._save(self.tiles / f"{key}.png", Image.fromarray(pixels))

    def put_label(self, key, values):
        self._save(self.labels / f"{key}.png", Image.fromarray(values))

    def examined(self, **arguments):
        return examine(self.tiles, self.labels, SCHEMA, **arguments)

    def finding(self):
        (finding,) = self.examined().findings
        return finding

    @staticmethod
    def _save(path, image):
        path.parent.mkdir(parents=True, exist_ok=True)
        image.save(path)


@pytest.fixture
def folders(tmp_path):
    return Folders(tmp_path)


def test_a_sound_data_set_has_no_findings(folders):
    diagnosis = folders.examined()
    assert diagnosis.findings == ()
    assert diagnosis.errors == ()
    assert diagnosis.pairs == 4
    assert diagnosis.class_pixels == (256, 256, 256, 256)
    assert diagnosis.ignored_pixels == 0
    assert diagnosis.tile_sizes == {(16, 16): 4}


def _truncate_tile(folders):
    path = folders.tiles / "0001.png"
    path.write_bytes(path.read_bytes()[:60])


def _garble_label(folders):
    (folders.labels / "0001.png").write_bytes(b"no image at all")


def _shrink_label(folders):
    folders.put_label("0001", np.arange(128, dtype=np.uint8).reshape(8, 16) % 4)


def _drop(part):
    return lambda folders: (getattr(folders, part) / "0001.png").unlink()


def _tile(pixels):
    return lambda folders: folders.put_tile("0001", pixels)


def _label(values):
    return lambda folders: folders.put_label("0001", values)


GREEN = np.full((16, 16, 3), (0, 255, 0), dtype=np.uint8)
CLEAR = np.full((16, 16, 4), 100, dtype=np.uint8)
DEEP = np.full((16, 16), 40000, dtype=np.uint16)


@pytest.mark.parametrize(
    ("damage", "what", "where"),
    [
        (_truncate_tile, "tiles that cannot be used", "0001.png cannot be read"),
        (_tile(DEEP), "tiles that cannot be used", "0001.png has mode I;16"),
        (_tile(CLEAR), "tiles that cannot be used", "0001.png has transparent pixels"),
        (_tile(GREEN[..., 0]), "tiles that cannot be used", "0001.png has mode L"),
        (_garble_label, "label maps that cannot be read", "0001.png cannot be read"),
        (_label(np.full((16, 16), 7, np.uint8)), "label maps that do not fit", "value 7 (256 pix"),
        (_label(GREEN), "label maps that do not fit", "colour #00ff00 (256 pixels)"),
        (_label(DEEP), "label maps that do not fit", "0001.png has mode I;16"),
        (_shrink_label, "pairs of unequal size", "the tile has 16x16 pixels, its label map 16x8"),
        (_drop("labels"), "tiles without a label map", "tiles/0001.png"),
        (_drop("tiles"), "label maps without a tile", "labels/0001.png"),
    ],
)
def test_training_would_stop_at(folders, damage, what, where):
    damage(folders)
    finding = folders.finding()
    assert finding.severity == "error"
    assert finding.what.startswith(what)
    assert finding.count == 1
    assert where in finding.where[0]
    assert finding.remedy.endswith(".")
    assert folders.examined().errors == (finding,)


def _copy_tile(folders):
    """The same pixels in another file format."""
    with Image.open(folders.tiles / "0001.png") as image:
        image.save(folders.tiles / "0003.bmp")
    (folders.tiles / "0003.png").unlink()


def _forget_nuclei(folders):
    for path in folders.labels.iterdir():
        with Image.open(path) as image:
            values = np.asarray(image) % 3
        folders.put_label(path.stem, values)


@pytest.mark.parametrize(
    ("damage", "what", "where"),
    [
        (_tile(np.full((16, 16, 3), 240, np.uint8)), "tiles that are almost", "0001: 100.0%"),
        (_copy_tile, "tiles with the pixels of another", "0003 has the pixels of 0001"),
        (lambda folders: folders.put("big", size=32), "different tile sizes", "16x16: 4 tiles"),
        (_forget_nuclei, "classes that never occur", "3 nuclei"),
    ],
)
def test_training_would_suffer_from(folders, damage, what, where):
    damage(folders)
    finding = folders.finding()
    assert finding.severity == "warning"
    assert finding.what.startswith(what)
    assert where in finding.where[0]
    assert folders.examined().errors == ()


@pytest.mark.parametrize(
    ("sizes", "remedy"),
    [
        ((100, 70), "Pack with --tile-size 64, which cuts all tiles to 64x64."),
        ((32, 33), "Pack with --tile-size 32, which"),
        ((40, 31), "cut from 31x31: leave out the tiles smaller than 32."),
    ],
)
def test_different_sizes_are_packed_at_the_largest_that_fits_all(tmp_path, sizes, remedy):
    folders = Folders(tmp_path, count=0)
    for size in sizes:
        folders.put(f"of-{size}", size=size)
    finding = next(item for item in folders.examined().findings if "sizes" in item.what)
    assert finding.remedy.startswith("histosyn pack refuses them without --tile-size")
    assert remedy in finding.remedy


def test_one_pass_finds_everything_errors_first(folders):
    for damage in (_copy_tile, _forget_nuclei, _shrink_label, _drop("labels")):
        damage(folders)
    for key in ("0000", "0002"):
        folders.put_label(key, np.full((16, 16), 200, dtype=np.uint8))
    found = folders.examined().findings
    assert [item.what.split()[0] for item in found] == ["label", "tiles", "classes"]
    assert [item.severity for item in found] == ["error", "error", "warning"]
    assert [item.count for item in found] == [2, 1, 1]


def test_places_are_kept_up_to_a_number_and_counted_beyond(folders, monkeypatch):
    monkeypatch.setattr(doctor, "KEPT_PLACES", 2)
    for index in range(4):
        folders.put_label(f"{index:04d}", np.full((16, 16), 9, dtype=np.uint8))
    finding = folders.finding()
    assert finding.count == 4
    assert [place[:4] for place in finding.where] == ["0000", "0001"]
    assert KEPT_PLACES >= 100


def test_ignored_pixels_are_counted_apart(folders, tmp_path):
    values = np.full((16, 16), 255, dtype=np.uint8)
    folders.put_label("0001", values)
    schema = load_schema(_schema_with_ignore(tmp_path))
    diagnosis = examine(folders.tiles, folders.labels, schema)
    assert diagnosis.ignored_pixels == 256
    assert sum(diagnosis.class_pixels) == 3 * 256


def _schema_with_ignore(folder):
    lines = ["ignore = 255"]
    lines += [f'[[classes]]\nname = "{i.name}"\ncolor = "{i.color}"' for i in SCHEMA.classes]
    path = folder / "own.toml"
    path.write_text("\n".join(lines))
    return path


def test_a_diagnosis_is_plain_data(folders):
    _drop("tiles")(folders)
    data = json.loads(json.dumps(folders.examined().as_json()))
    assert data["ready"] is False
    assert data["pairs"] == 3
    assert data["class_pixels"]["nuclei"] == 192
    assert data["tile_sizes"] == [{"height": 16, "width": 16, "tiles": 3}]
    assert data["findings"][0]["count"] == 1


def test_the_number_of_processes_changes_nothing(tmp_path, monkeypatch):
    folders = Folders(tmp_path, count=70)
    _copy_tile(folders)
    (folders.tiles / "0060.png").write_bytes(b"no image at all")
    folders.put_label("0050", np.full((16, 16), 9, dtype=np.uint8))
    monkeypatch.setattr(parallel, "usable_cores", lambda: 1)
    alone = folders.examined()
    monkeypatch.setattr(parallel, "usable_cores", lambda: 2)
    assert folders.examined() == alone


def test_progress_sees_every_pair_in_order(folders):
    seen = []

    def track(looks, total):
        for look in looks:
            seen.append((look.pair.key, total))
            yield look

    folders.examined(track=track)
    assert seen == [(f"{index:04d}", 4) for index in range(4)]


def test_folders_that_hold_nothing_are_errors(tmp_path):
    with pytest.raises(InputError, match=r"folder of tiles: .* does not exist"):
        examine(tmp_path / "a", tmp_path / "b", SCHEMA)
    (tmp_path / "a").mkdir()
    with pytest.raises(DatasetError, match="holds no image"):
        examine(tmp_path / "a", tmp_path / "b", SCHEMA)


def test_every_check_says_what_to_do():
    checks = (*PAIR_CHECKS, *SET_CHECKS)
    assert len({check.what for check in checks}) == len(checks)
    fixed = [check.remedy for check in checks if isinstance(check.remedy, str)]
    assert all(remedy.endswith(".") for remedy in fixed)


@pytest.mark.skipif(
    not (SHARED / "data/consep").is_dir(), reason="no CoNSeP tiles beside the clone"
)
def test_the_wrong_schema_is_noticed_on_real_labels():
    consep = SHARED / "data/consep"
    diagnosis = examine(consep / "tiles", consep / "labels", SCHEMA)
    (error,) = diagnosis.errors
    assert error.what == "label maps that do not fit the schema"
    assert error.count == 25
    assert "value 4" in error.where[0]


def test_label_maps_that_histosyn_writes_are_fine(folders):
    values = np.arange(256, dtype=np.uint8).reshape(16, 16) % 4
    (folders.labels / "0001.png").write_bytes(label_png_bytes(values, SCHEMA))
    assert folders.examined().findings == ()
