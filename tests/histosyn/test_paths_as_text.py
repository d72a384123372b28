"""Every function that users call from Python takes paths as texts, and says what is none."""

import os
from dataclasses import fields
from pathlib import Path

import pytest
import torch
from painting import random_model
from tissue import SCHEMA, pack_blobs, tiny_config, write_folders

from eval.agreement.ratings.arms import read_ratings
from eval.distances.report import open_side
from eval.distances.statistics_file import read_statistics
from eval.features.tile_sources import open_tiles
from eval.segmenter.labelled_tiles import open_labels
from eval.segmenter.model import load_segmenter
from eval.utility.config import DataConfig as UtilityData
from histosyn.config.data import DataConfig
from histosyn.config.file import load_toml
from histosyn.config.run import RunConfig
from histosyn.images.tiles import read_tile
from histosyn.labels.label_map import load_schema, read_label_map
from histosyn.labels.schema import schema_toml
from histosyn.models.folder import load_model
from histosyn.models.original import import_original
from histosyn.packing.pack import PackConfig, pack
from histosyn.shards.dataset import ensure_index, open_shards
from histosyn.shards.index_file import load_index
from histosyn.shards.inspection import inspect_shards
from histosyn.synthesis.folder import synthesize_folder
from hpc.errors import HistosynError, InputError


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("texts")
    pack_blobs(folder)
    write_folders(folder / "plain", 2)
    random_model(folder / "model")
    (folder / "some.toml").write_text("a = 1\n")
    return folder


def as_text(path):
    return str(path)


class Named(os.PathLike):
    """What other libraries have for paths."""

    def __init__(self, path):
        self.path = str(path)

    def __fspath__(self):
        return self.path


@pytest.mark.parametrize("kind", [as_text, Named, Path])
def test_what_is_read(place, tmp_path, kind):
    tiles, labels = place / "plain" / "tiles", place / "plain" / "labels"
    train = kind(place / "packed" / "train")
    ensure_index(train)
    assert len(open_shards(train).index) == len(load_index(train)) == 12
    assert inspect_shards(train, samples=1).parts
    assert len(open_tiles(kind(tiles))) == len(open_side(kind(tiles))) == 2
    assert len(open_labels(kind(labels), SCHEMA, None, "patient").names()) == 2
    assert load_toml(kind(place / "some.toml")) == {"a": 1}
    assert read_tile(kind(tiles / "tile-00.png")).shape == (64, 64, 3)
    assert read_label_map(kind(labels / "tile-00.png"), SCHEMA).shape == (64, 64)
    model = load_model(kind(place / "model"), "cpu")
    assert len(synthesize_folder(model, kind(labels), kind(tmp_path / "out")).made) == 2
    packed = pack(kind(tiles), kind(labels), kind(tmp_path / "p"), SCHEMA, PackConfig())
    assert len(packed["train"]) == 2


@pytest.mark.parametrize(
    "function",
    [
        ensure_index, open_shards, load_index, inspect_shards, open_tiles, open_side, load_toml,
        load_model, load_segmenter, read_ratings, read_statistics,
        lambda path: import_original(path, SCHEMA),
        lambda path: open_labels(path, SCHEMA, None, ""),
    ],
)  # fmt: skip
def test_what_is_not_there_is_told(function, tmp_path):
    for kind in (as_text, Named, Path):
        with pytest.raises(HistosynError, match="does not exist"):
            function(kind(tmp_path / "none"))
    for other in (None, 3, b"bytes", ""):
        with pytest.raises(InputError, match="is no path"):
            function(other)


def test_a_schema_has_a_name_or_a_path(tmp_path):
    (tmp_path / "mine.toml").write_text(schema_toml(SCHEMA))
    for kind in (as_text, Named, Path):
        assert load_schema(kind(tmp_path / "mine.toml")).classes == SCHEMA.classes


def test_settings_that_are_paths_may_be_texts(place, tmp_path):
    settings = (
        DataConfig(shards="packed/train", stage_to="$TMPDIR"),
        RunConfig(folder="runs/a", fork="runs/b"),
        PackConfig(groups="groups.csv"),
        UtilityData(real="a", test="b", synthetic=["c", "d"]),
    )
    for each in settings:
        for item in fields(each):
            if "Path" in item.type and (value := getattr(each, item.name)) is not None:
                many = value if isinstance(value, tuple) else (value,)
                assert all(isinstance(one, Path) for one in many), item.name
    typed = tiny_config(place / "packed" / "train", tmp_path / "run")
    assert DataConfig(shards=str(typed.data.shards)).shards == typed.data.shards
    assert torch.device("cpu") == load_model(str(place / "model")).network.exit.weight.device
