"""The perceptual loss, with networks as users save them."""

from dataclasses import replace

import pytest
import torch
from scripted import saved
from torch import nn

from histosyn.config.learning import LossConfig
from histosyn.config.networks import DiscriminatorConfig
from histosyn.training.losses import DiscriminatorOutputs
from histosyn.training.objectives import make_objective
from histosyn.training.perceptual import perceptual
from hpc.errors import InputError

CPU = torch.device("cpu")
GRAY = torch.zeros(1, 3, 64, 64)


class Twice(nn.Module):
    def forward(self, x):
        return [2 * x, x.mean(dim=(2, 3))]


class Four(nn.Module):
    def __init__(self):
        super().__init__()
        self.convolution = nn.Conv2d(4, 2, 3)

    def forward(self, x):
        return self.convolution(x)


class Scalar(nn.Module):
    def forward(self, x):
        return x.mean()


class Rank(nn.Module):
    def forward(self, x):
        return x.argmax(dim=1)


class Words(nn.Module):
    def forward(self, x):
        return {"features": x}


class Broken(nn.Module):
    def forward(self, x):
        return x / x.abs().sum()


def outputs(tiles, synthetic):
    return DiscriminatorOutputs(
        labels_NHW=torch.zeros(1, 64, 64, dtype=torch.long),
        tiles_NCHW=tiles,
        synthetic_NCHW=synthetic,
        real=[],
        synthetic=[],
    )


@pytest.fixture
def network(tmp_path):
    return saved(Twice(), tmp_path / "features.pt")


def test_it_is_the_mean_distance_over_outputs_and_moves_synthetic_tiles_only(network):
    tiles, synthetic = GRAY.clone().requires_grad_(), (GRAY + 0.5).requires_grad_()
    loss = perceptual(network, CPU, run_code=True)(outputs(tiles, synthetic))
    assert loss.item() == pytest.approx((1.0 + 0.5) / 2)
    loss.backward()
    assert tiles.grad is None
    assert (synthetic.grad != 0).all()


def test_mixed_precision_leaves_the_network_as_it_is(network):
    with torch.autocast("cpu", torch.bfloat16):
        loss = perceptual(network, CPU, run_code=True)(outputs(GRAY, (GRAY + 0.3).bfloat16()))
    assert loss.dtype == torch.float32


def test_a_term_with_its_weight(network):
    loss = LossConfig(perceptual=3.0, perceptual_network=network, perceptual_runs_code=True)
    for kind in ("patch", "unet"):
        objective = make_objective(loss, DiscriminatorConfig(kind=kind), CPU)
        assert objective.generator[-1].name == "perceptual"
        assert objective.generator[-1].weight == 3.0
    unused = make_objective(replace(loss, perceptual=0.0), DiscriminatorConfig(), CPU)
    assert "perceptual" not in [term.name for term in unused.generator]


@pytest.mark.parametrize(
    "network, told",
    [
        (Four(), "does not take tiles"),
        (Scalar(), r"output 0 is torch.float32 of shape \(\)"),
        (Rank(), "output 0 is torch.int64"),
        (Words(), "gives dict for tiles"),
        (Broken(), "output 0 is not finite"),
    ],
)
def test_what_is_no_feature_network_is_refused(network, told, tmp_path):
    path = saved(network, tmp_path / "wrong.pt")
    with pytest.raises(InputError, match=told) as error:
        perceptual(path, CPU, run_code=True)
    assert str(path) in str(error.value)
    assert "in [-1, 1] into a tensor of features" in str(error.value)


def test_files_that_are_missing_or_something_else(tmp_path):
    with pytest.raises(InputError, match=r"features\.pt does not exist"):
        perceptual(tmp_path / "features.pt", CPU, run_code=True)
    (tmp_path / "other.pt").write_text("weights")
    with pytest.raises(InputError, match=r"other\.pt is no TorchScript file"):
        perceptual(tmp_path / "other.pt", CPU, run_code=True)
    torch.save({"weight": torch.zeros(2)}, tmp_path / "state.pt")
    with pytest.raises(InputError, match=r"state\.pt is no TorchScript file"):
        perceptual(tmp_path / "state.pt", CPU, run_code=True)


def test_its_code_is_run_only_where_the_configuration_says_so(network):
    loss = LossConfig(perceptual=3.0, perceptual_network=network)
    with pytest.raises(InputError, match=r"not opened: .*by --loss\.perceptual-runs-code"):
        make_objective(loss, DiscriminatorConfig(), CPU)
