"""The model in the package: small, sound, named where its making is told, and able to paint."""

import json

import numpy as np
import pytest
from test_packaging import ROOT

from histosyn import load_model, load_schema, read_label_map, synthesize
from histosyn.phantom import SCHEMA
from hpc.files import sha256_of_file
from launch.demo.shipped import MODEL, shipped_labels

MEGABYTE = 1_000_000


def test_it_is_small_and_its_making_is_stated_with_its_hash():
    sizes = [path.stat().st_size for path in MODEL.parent.rglob("*") if path.suffix != ".pyc"]
    assert sum(sizes) < 3 * MEGABYTE
    sha256 = sha256_of_file(MODEL / "model.safetensors")
    config = json.loads((MODEL / "config.json").read_text())
    assert config["weights"]["sha256"] == sha256
    told = (ROOT / "docs/paint.md").read_text()
    assert sha256 in told
    assert f"--steps {config['training']['steps']}" in told


@pytest.mark.parametrize("key", shipped_labels())
def test_nuclei_are_dark_and_lumina_white_in_its_tissue(key):
    model = load_model(MODEL)
    assert (model.facts.schema.name, model.stored) == (SCHEMA, "bfloat16")
    labels_HW = read_label_map(shipped_labels()[key], model.facts.schema)[:128, :128]
    grey_HW = synthesize(model, labels_HW, 1).mean(axis=2)
    lumen, stroma, _, nuclei = (np.median(grey_HW[labels_HW == index]) for index in range(4))
    assert nuclei + 20 < stroma < lumen
    assert lumen > 200


def test_its_label_maps_are_of_its_schema():
    schema = load_schema(SCHEMA)
    labels = shipped_labels()
    assert len(labels) == 6
    for path in labels.values():
        assert read_label_map(path, schema).shape == (256, 256)
