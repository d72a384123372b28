"""Which schema packing goes by if none is named, and what it refuses to take for granted."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tissue import SCHEMA, write_folders

from histosyn.labels.label_map import label_png_bytes
from histosyn.packing.pack import PackConfig
from histosyn.packing.schema_choice import settle_schema
from hpc.errors import ConfigError, DatasetError, LabelError

Folders = tuple[Path, Path]


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    return write_folders(tmp_path, count=6, size=32)


def relabel(folders: Folders, *maps: np.ndarray) -> None:
    for number, path in enumerate(sorted(folders[1].iterdir())):
        Image.fromarray(maps[number % len(maps)].astype(np.uint8)).save(path)


def objects(count: int) -> np.ndarray:
    values = np.zeros((32, 32), dtype=np.uint8)
    for number in range(count):
        y, x = divmod(number, 6)
        values[5 * y : 5 * y + 4, 5 * x : 5 * x + 4] = number + 1
    return values


NUMBERED = [objects(count) for count in (3, 7, 2, 9, 5, 4)]
INDICES = np.arange(1024).reshape(32, 32) % 3


def test_a_named_schema_is_taken(folders: Folders) -> None:
    settled = settle_schema(*folders, PackConfig(), SCHEMA)
    assert settled.schema is SCHEMA
    assert settled.proposal is None


def test_colours_of_a_built_in_schema_name_it(folders: Folders) -> None:
    settled = settle_schema(*folders, PackConfig(), None)
    assert settled.schema == SCHEMA
    assert settled.proposal is not None
    assert settled.proposal.built_in


@pytest.mark.parametrize("classes", [2, 3, 4, 11])
def test_indices_never_get_the_names_of_a_built_in_schema(folders: Folders, classes: int) -> None:
    relabel(folders, np.arange(1024).reshape(32, 32) % classes)
    settled = settle_schema(*folders, PackConfig(), None)
    names = [item.name for item in settled.schema.classes]
    assert names == [f"class-{index}" for index in range(classes)]


def test_masks_of_0_and_255_are_two_classes(folders: Folders) -> None:
    relabel(folders, INDICES // 2 * 255)
    schema = settle_schema(*folders, PackConfig(), None).schema
    assert [item.value for item in schema.classes] == [(), (255,)]


@pytest.mark.parametrize("named", [SCHEMA, None], ids=["named", "proposed"])
def test_numbered_objects_are_asked_about(folders: Folders, named: object) -> None:
    relabel(folders, *NUMBERED)
    with pytest.raises(LabelError, match=r"number objects .*30 of 30 .*--objects-are CLASS"):
        settle_schema(*folders, PackConfig(), named)  # type: ignore[arg-type]


def test_numbers_that_are_classes_can_be_said_to_be(folders: Folders) -> None:
    relabel(folders, *NUMBERED)
    assert settle_schema(*folders, PackConfig(), SCHEMA, objects_none=True).schema is SCHEMA
    assert len(settle_schema(*folders, PackConfig(), None, objects_none=True).schema) == 10


def test_objects_of_a_named_class(folders: Folders) -> None:
    relabel(folders, *NUMBERED)
    config = PackConfig(objects_are="epithelium")
    assert settle_schema(*folders, config, SCHEMA).schema is SCHEMA
    schema = settle_schema(*folders, config, None).schema
    assert [item.name for item in schema.classes] == ["background", "epithelium"]
    with pytest.raises(ConfigError, match="no such class"):
        settle_schema(*folders, PackConfig(objects_are="gland"), SCHEMA)


@pytest.mark.parametrize(
    ("values", "doubt"),
    [
        (np.zeros((32, 32)), "All pixels are of one class"),
        (INDICES * 4, "3 occur: 0, 4, 8"),
        (np.arange(1024).reshape(32, 32) % 50, "50 classes are many"),
    ],
)
def test_doubts_stop_packing_without_a_named_schema(
    folders: Folders, values: np.ndarray, doubt: str
) -> None:
    relabel(folders, values)
    with pytest.raises(LabelError, match=rf"No schema was named .*{doubt}.*histosyn doctor"):
        settle_schema(*folders, PackConfig(), None)


def test_a_damaged_label_map_is_named(folders: Folders) -> None:
    path = folders[1] / "tile-03.png"
    path.write_bytes(label_png_bytes(np.zeros((32, 32), np.uint8), SCHEMA)[:60])
    with pytest.raises(LabelError, match=f"{path} cannot be read"):
        settle_schema(*folders, PackConfig(), None)


def test_pairs_are_looked_at_first(folders: Folders) -> None:
    (folders[1] / "tile-03.png").unlink()
    with pytest.raises(DatasetError, match=r"tile-03\.png has no label map"):
        settle_schema(*folders, PackConfig(), None)
