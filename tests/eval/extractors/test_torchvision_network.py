"""Networks that are named, with weights from files of which nothing is run."""

import os

import numpy as np
import pytest
import safetensors.torch
import torch

from eval.extractors.choice import open_extractor
from eval.extractors.torchvision_import import import_torchvision
from hpc.errors import ConfigError, InputError

pytest.importorskip("pytorch_fid", reason="needs the extra `fid`")

STATED = """
name = "tiny"
size = 32
filter = "bicubic"
mean = [0.5, 0.5, 0.5]
std = [0.5, 0.5, 0.5]
architecture = "shufflenet_v2_x0_5"
"""
TILES = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return import_torchvision().models.get_model("shufflenet_v2_x0_5", weights=None).eval()


@pytest.fixture
def stated(tmp_path):
    (tmp_path / "n.toml").write_text(STATED)
    return tmp_path / "n.pth"


@pytest.mark.parametrize("kind", ["pth", "safetensors", "parallel"])
def test_its_features_are_those_before_the_last_layer(network, stated, kind):
    path = stated.with_suffix(".safetensors") if kind == "safetensors" else stated
    state = network.state_dict()
    if kind == "safetensors":
        safetensors.torch.save_file(state, path)
    else:
        prefix = "module." if kind == "parallel" else ""
        torch.save({prefix + name: tensor for name, tensor in state.items()}, path)

    extractor = open_extractor(str(path))

    seen = {}
    handle = network.fc.register_forward_pre_hook(lambda _, given: seen.update(it=given[0]))
    with torch.no_grad():
        network(torch.from_numpy(TILES).permute(0, 3, 1, 2) / 127.5 - 1)
    handle.remove()
    assert extractor.dimension == 1024
    assert extractor(TILES) == pytest.approx(seen["it"].numpy(), abs=1e-5)


def test_weights_of_something_else_are_refused(network, stated):
    state = network.state_dict()
    renamed = {f"x{name}": tensor for name, tensor in state.items()}
    infinite = state | {"conv5.1.weight": torch.full_like(state["conv5.1.weight"], torch.inf)}
    for content, told in (
        (renamed, "does not hold the weights of shufflenet_v2_x0_5"),
        ([1, 2], "does not hold the weights"),
        (infinite, r"conv5\.1\.weight holds numbers that are not finite"),
    ):
        torch.save(content, stated)
        with pytest.raises(InputError, match=told):
            open_extractor(str(stated))


class Touching:
    def __reduce__(self):
        return os.system, ("touch canary",)


def test_code_is_refused(stated, monkeypatch):
    monkeypatch.chdir(stated.parent)
    torch.save({"w": Touching()}, stated)
    with pytest.raises(InputError, match="could run any code"):
        open_extractor(str(stated))
    assert not (stated.parent / "canary").exists()


@pytest.mark.parametrize("name", ["resnet_of_mine", "fasterrcnn_resnet50_fpn", "", "os.system"])
def test_an_architecture_that_is_not_known_is_told(network, stated, name):
    stated.with_suffix(".toml").write_text(STATED.replace("shufflenet_v2_x0_5", name))
    torch.save(network.state_dict(), stated)
    with pytest.raises(ConfigError, match="no architecture is called"):
        open_extractor(str(stated))
