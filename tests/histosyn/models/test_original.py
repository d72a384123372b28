"""The original's weights in a model of ours: the same tissue, and a sentence where that fails."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from original_weights import filled, tissue
from tissue import SCHEMA, SHARED

from histosyn.labels.label_map import load_schema, read_label_map
from histosyn.labels.schema import LabelClass, LabelSchema
from histosyn.models.folder import load_model, save_weights
from histosyn.models.original import import_original
from histosyn.models.original_layout import Layout, rows, shapes
from histosyn.networks.noise import Noise
from hpc.errors import InputError
from hpc.files import sha256_of_file

CPU = torch.device("cpu")
REFERENCE = SHARED / "reference" / "original_checkpoint"
# The same network, narrow: tiles of 128 pixels from 2x2 cells.
NARROW = Layout(base_channels=2, noise_channels=6, embedding_channels=8, grid_size=2)
State = dict[str, torch.Tensor]


@pytest.fixture(scope="module")
def state() -> State:
    return filled(shapes(NARROW))


@pytest.fixture
def file(tmp_path: Path, state: State) -> Path:
    return saved(tmp_path, state)


def saved(folder: Path, state: State, **how: object) -> Path:
    torch.save(state, folder / "latest_net_G.pth", **how)
    return folder / "latest_net_G.pth"


def imported(file: Path, schema: LabelSchema = SCHEMA) -> torch.nn.Module:
    """The network of the model folder that the file becomes."""
    save_weights(file.with_suffix(""), *import_original(file, schema))
    return load_model(file.with_suffix(""), CPU).network


def inputs(classes: int, cell: int = 4) -> tuple[torch.Tensor, torch.Tensor]:
    """Label maps (2, 128, 128) of squares of `cell` pixels, and noise vectors (2, Z)."""
    random = torch.Generator().manual_seed(1)
    labels = torch.randint(0, classes, (2, 128 // cell, 128 // cell), generator=random)
    labels = labels.repeat_interleave(cell, 1).repeat_interleave(cell, 2)
    return labels, torch.randn(2, NARROW.noise_channels, generator=random)


def test_the_table_has_every_key_and_shape_of_the_original() -> None:
    if not REFERENCE.is_dir():
        pytest.skip(f"{REFERENCE} is not here")
    keys = json.loads((REFERENCE / "keys.json").read_text())
    assert shapes(Layout()) == {key: tuple(shape) for key, (shape, _) in keys.items()}


def test_the_table_uses_every_key_once() -> None:
    used = [key for row in rows(NARROW) for key, _ in row.theirs]
    assert len(used) == len(set(used)) == 234
    assert len({row.ours for row in rows(NARROW)}) == len(list(rows(NARROW)))


@pytest.mark.parametrize("prefix", ["", "module."])
@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "before PyTorch 1.6"])
def test_the_imported_model_makes_the_same_tissue(
    tmp_path: Path, state: State, prefix: str, zipped: bool
) -> None:
    file = saved(
        tmp_path,
        {prefix + key: value for key, value in state.items()},
        _use_new_zipfile_serialization=zipped,
    )
    labels, z = inputs(len(SCHEMA))
    network = imported(file).double()
    with torch.no_grad():
        ours, theirs = network(labels, Noise(entry=z.double())), tissue(state, labels, z.double())
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-5)  # weights are float32
    assert theirs.std() > 0.01


@pytest.mark.parametrize("cell", [1, 32], ids=["of single pixels", "of large regions"])
def test_the_same_tissue_for_label_maps(file: Path, state: State, cell: int) -> None:
    """Where γ and β are computed for pixels, and where for distinct neighbourhoods."""
    labels, z = inputs(len(SCHEMA), cell)
    network = imported(file).double()
    with torch.no_grad():
        ours = network(labels, Noise(entry=z.double()))
    torch.testing.assert_close(ours, tissue(state, labels, z.double()), rtol=0, atol=1e-5)


def test_half_precision_becomes_float32(tmp_path: Path, state: State) -> None:
    halved = {k: v.half() if v.is_floating_point() else v for k, v in state.items()}
    weights, _ = import_original(saved(tmp_path, halved), SCHEMA)
    assert {weight.dtype for weight in weights.values()} == {torch.float32, torch.int64}


def test_an_unused_label_channel_is_left_out(file: Path, state: State) -> None:
    schema = load_schema("prostate-2")
    network = imported(file, schema)
    labels, z = inputs(len(schema))
    assert network.classes == 3
    with torch.no_grad():
        torch.testing.assert_close(network(labels, Noise(entry=z)), tissue(state, labels, z))


@pytest.mark.parametrize(
    ("classes", "channels"),
    [("prostate-2", 3), ("prostate-2", 4), ("prostate-3", 4), ("colon-10", 11)],
)
def test_label_channels_that_fit_the_classes(tmp_path: Path, classes: str, channels: int) -> None:
    layout = Layout(
        base_channels=1, noise_channels=2, embedding_channels=2, label_channels=channels,
        grid_size=1,
    )  # fmt: skip
    schema = load_schema(classes)
    weights, facts = import_original(saved(tmp_path, filled(shapes(layout))), schema)
    assert weights["blocks.0.norm_0.embed.weight"].shape == (2, len(schema), 3, 3)
    assert facts.schema == schema
    assert facts.training["source_label_channels"] == channels


@pytest.mark.parametrize(
    ("classes", "channels", "message"),
    [
        ("colon-10", 4, "for 4 label channels, and colon-10 has 11.*prostate-2 or prostate-3"),
        ("prostate-2", 11, "for 11 label channels, and prostate-2 has 3 or 4.*--classes colon-10"),
        ("prostate-3", 3, "for 3 label channels, and prostate-3 has 4.*--classes prostate-2,"),
        ("prostate-3", 5, "for 5 label channels, and prostate-3 has 4.*a schema file"),
    ],
)
def test_another_number_of_classes_is_named(
    tmp_path: Path, classes: str, channels: int, message: str
) -> None:
    layout = Layout(base_channels=1, embedding_channels=2, label_channels=channels, grid_size=1)
    file = saved(tmp_path, filled(shapes(layout)))
    with pytest.raises(InputError, match=message):
        import_original(file, load_schema(classes))


def test_own_classes_need_as_many_channels(file: Path) -> None:
    classes = tuple(LabelClass(name=f"c{i}", color=f"#00000{i}") for i in range(4))
    _, facts = import_original(file, LabelSchema(name="own", classes=classes))
    assert len(facts.schema) == 4
    with pytest.raises(InputError, match="4 label channels, and own has 3"):
        import_original(file, LabelSchema(name="own", classes=classes[:3]))


def test_the_facts_say_where_it_comes_from(file: Path) -> None:
    _, facts = import_original(file, SCHEMA)
    assert facts.tile_size == (128, 128)
    assert facts.training["source_file"] == "latest_net_G.pth"
    assert facts.training["source_sha256"] == sha256_of_file(file)
    assert "Falahkheirkhah" in facts.training["imported_from"]
    generator = facts.generator
    assert (generator.entry, generator.grid_size, generator.fixed_side) == ("linear", 2, 128)
    assert (generator.base_channels, generator.noise_channels) == (2, 6)


def missing(state: State) -> None:
    del state["fc.bias"], state["up_3.conv_s.weight_u"]


def extra(state: State) -> None:
    state["up_4.conv_0.bias"] = torch.zeros(3)


def misshapen(state: State) -> None:
    state["conv_img.weight"] = torch.zeros(3, 7, 3, 3)
    state["up_2.conv_1.bias"] = torch.zeros(5)


def linear_of_another_shape(state: State) -> None:
    state["fc.weight"] = torch.zeros(32 * 5, 6)  # 5 cells are no square


def convolution_in_place_of_the_linear_layer(state: State) -> None:
    state["fc.weight"] = torch.zeros(32, 4, 3, 3)


def no_scalar(state: State) -> None:
    state["head_0.conv_0.bias"] = torch.tensor(1.0)


def without_prefix_for_one(state: State) -> None:
    for key in list(state)[1:]:
        state[f"module.{key}"] = state.pop(key)


def infinite(state: State) -> None:
    state["up_1.conv_0.weight_orig"][0, 0, 0, 0] = torch.nan
    state["conv_img.bias"][0] = torch.inf


def norm_of_zero(state: State) -> None:
    state["up_1.conv_s.weight_orig"].zero_()


@pytest.mark.parametrize(
    ("change", "parts"),
    [
        (missing, ["fc.bias is missing; expected (128,)", "up_3.conv_s.weight_u is missing"]),
        (extra, ["up_4.conv_0.bias (3,) is unknown"]),
        (
            misshapen,
            [
                "conv_img.weight has the shape (3, 7, 3, 3); expected (3, 2, 3, 3)",
                "up_2.conv_1.bias has the shape (5,); expected (4,)",
            ],
        ),
        (linear_of_another_shape, ["fc.weight has the shape (160, 6); expected (128, 6)"]),
        (convolution_in_place_of_the_linear_layer, ["fc.weight has the shape (32, 4, 3, 3)"]),
        (no_scalar, ["head_0.conv_0.bias has the shape (); expected (32,)"]),
        (without_prefix_for_one, ["fc.bias is missing", "and 457 more"]),
        (infinite, ["infinite or no numbers", "blocks.4.conv_0.weight", "exit.bias"]),
        (norm_of_zero, ["infinite or no numbers", "blocks.4.shortcut.weight"]),
    ],
)
def test_what_is_wrong_is_named(
    tmp_path: Path, state: State, change: Callable[[State], None], parts: list[str]
) -> None:
    changed = {key: value.clone() for key, value in state.items()}
    change(changed)
    file = saved(tmp_path, changed)
    with pytest.raises(InputError) as caught:
        import_original(file, SCHEMA)
    for part in [str(file), *parts]:
        assert part in str(caught.value)


def test_ten_of_many_wrong_keys_are_named(tmp_path: Path, state: State) -> None:
    file = saved(tmp_path, {key: state[key] for key in state if not key.startswith("up")})
    with pytest.raises(InputError) as caught:
        import_original(file, SCHEMA)
    assert len(re.findall("is missing", str(caught.value))) == 10
    gone = sum(key.startswith("up") for key in state)
    assert f"and {gone - 10} more" in str(caught.value)


def test_many_missing_keys_do_not_hide_others(tmp_path: Path, state: State) -> None:
    changed = {key: state[key] for key in state if not key.startswith("up")}
    changed |= {"fc.bias": torch.zeros(5), "fc.scale": torch.zeros(2)}
    with pytest.raises(InputError) as caught:
        import_original(saved(tmp_path, changed), SCHEMA)
    for part in ("is missing", "fc.bias has the shape (5,)", "fc.scale (2,) is unknown"):
        assert part in str(caught.value)


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        (["discriminator_0.model0.0.weight"], "holds a discriminator and no generator"),
        (["module.discriminator_0.model0.0.weight"], "holds a discriminator and no generator"),
        (["layer1.0.weight", "layer1.0.bias"], r"no generator.*\(2 keys: layer1.0.weight, "),
        ([], "no generator"),
    ],
)
def test_another_network_is_told(tmp_path: Path, keys: list[str], message: str) -> None:
    file = saved(tmp_path, {key: torch.zeros(2) for key in keys})
    with pytest.raises(InputError, match=message):
        import_original(file, SCHEMA)


@pytest.fixture(scope="module")
def reference() -> dict[str, np.ndarray]:
    """A label map, a noise vector, and what the original's own network makes of them."""
    if not REFERENCE.is_dir():
        pytest.skip(f"{REFERENCE} is not here")
    with np.load(REFERENCE / "3-class-prostate.npz") as arrays:
        return dict(arrays)


@pytest.mark.slow
def test_agrees_with_the_original(reference: dict[str, np.ndarray], tmp_path: Path) -> None:
    """Saved with DataParallel's prefix; without it, the very same weights."""
    whole = filled(shapes(Layout()))
    (tmp_path / "bare").mkdir()
    bare, _ = import_original(saved(tmp_path / "bare", whole), SCHEMA)
    file = saved(tmp_path, {f"module.{key}": whole.pop(key) for key in list(whole)})
    prefixed, facts = import_original(file, SCHEMA)
    assert bare.keys() == prefixed.keys()
    assert all(torch.equal(bare.pop(key), weight) for key, weight in prefixed.items())
    save_weights(tmp_path / "model", prefixed, facts)
    network = load_model(tmp_path / "model", CPU).network
    with torch.inference_mode():
        labels = torch.from_numpy(reference["labels"]).long()[None]
        ours = network(labels, Noise(entry=torch.from_numpy(reference["z"])))[0].numpy()
    difference = np.abs(ours - reference["image"].astype(np.float32))
    assert difference.mean() <= 1e-3
    assert difference.max() <= 5e-3


def test_its_label_map_is_read_as_the_original_read_it(reference: dict[str, np.ndarray]) -> None:
    labels = SHARED / "data" / "seed_labels" / "3-class-prostate" / "3.png"
    assert np.array_equal(read_label_map(labels, SCHEMA), reference["labels"])
