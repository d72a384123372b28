"""An exported file makes our tiles in another program, at any size."""

import numpy as np
import pytest
from painting import GENERATOR, random_model
from tissue import SCHEMA

from histosyn.config.networks import GeneratorConfig
from histosyn.models.folder import load_model
from hpc.errors import HistosynError

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

from histosyn.export.agreement import TOLERANCE, disagreement  # noqa: E402
from histosyn.export.onnx_generator import onnx_bytes  # noqa: E402

SMALL = {
    "base_channels": 4, "max_multiplier": 4, "upsamplings": 3, "label_channels": 8,
    "noise_channels": 8,
}  # fmt: skip


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"pixel_noise": False, "modulation": "class_table"},
        {"upsampling": "bilinear", "border": "replicate", "stain": True},
        {"border": "reflect", "upsampling": "bilinear"},
        {"entry": "linear", "grid_size": 4},
    ],
    ids=str,
)
def test_onnxruntime_makes_our_tiles(tmp_path, settings):
    config = GeneratorConfig(**SMALL | settings)
    model = load_model(random_model(tmp_path / "m", config))
    sizes = [(32, 32)] if config.fixed_side else [(64, 64), (40, 88), (8, 16)]
    if settings.get("border") == "reflect":
        sizes = sizes[:2]
    assert disagreement(onnx_bytes(model), model, sizes) < TOLERANCE / 10


def test_the_file_says_what_it_is_of(tmp_path):
    model = load_model(random_model(tmp_path / "m"))
    found = onnx.load_from_string(onnx_bytes(model))
    (said,) = found.metadata_props
    assert said.key == "histosyn"
    assert model.sha256 in said.value
    assert SCHEMA.classes[1].name in said.value
    assert [each.name for each in found.graph.input] == [
        "labels", "noise_entry", "noise_0", "noise_1", "noise_2", "noise_3",
    ]  # fmt: skip


def test_another_networks_file_is_not_taken_for_this_ones(tmp_path):
    model = load_model(random_model(tmp_path / "m"))
    data = onnx_bytes(model)
    model.network.exit.bias.data += 1
    with pytest.raises(HistosynError, match="onnxruntime makes other tiles"):
        disagreement(data, model, [(32, 32)])


def test_pixels_of_no_class_are_none_there_too(tmp_path, monkeypatch):
    model = load_model(random_model(tmp_path / "m", GENERATOR))
    real = np.kron

    def with_ignored(*given):
        labels = real(*given)
        labels[:, 10:20] = 255
        return labels

    monkeypatch.setattr(np, "kron", with_ignored)
    assert disagreement(onnx_bytes(model), model, [(32, 40)]) < TOLERANCE / 10
