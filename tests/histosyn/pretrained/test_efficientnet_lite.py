"""The network alone: its shapes, its padding, its names. None of this needs the weights."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional

from histosyn.pretrained.efficientnet_lite import (
    LITE0,
    LITE2,
    EfficientNetLite,
    _SameConv,
    published_names,
    renamed,
    same_padding,
)


@pytest.mark.parametrize(("size", "channels"), [(LITE0, 40), (LITE2, 48)])
def test_features_lie_at_strides_2_4_8_16(size, channels):
    network = EfficientNetLite(size).eval()
    with torch.no_grad():
        found = network.features(torch.zeros(2, 3, 50, 64))
        assert network(torch.zeros(2, 3, 50, 64)).shape == (2, 1000)
    assert [layer.shape[2:] for layer in found] == [(25, 32), (13, 16), (7, 8), (4, 4)]
    assert found[2].shape[1] == channels
    assert [len(mean) for mean, _ in network.expected_moments()] == [
        layer.shape[1] for layer in found
    ]


@given(side=st.integers(1, 300), kernel=st.sampled_from([1, 3, 5]), stride=st.sampled_from([1, 2]))
def test_padding_is_tensorflows(side, kernel, stride):
    before, behind = same_padding(side, kernel, stride)
    assert 0 <= before <= behind <= before + 1
    positions = (side + before + behind - kernel) // stride + 1
    assert positions == -(-side // stride)


def test_the_odd_zero_comes_last():
    # TensorFlow: on an even side, a kernel of 3 with stride 2 sees a zero behind, none before.
    convolution = _SameConv(1, 1, 3, stride=2)
    with torch.no_grad():
        convolution.weight.fill_(1)
        found = convolution(torch.arange(1.0, 17.0).reshape(1, 1, 4, 4))
    whole = functional.pad(torch.arange(1.0, 17.0).reshape(4, 4), (0, 1, 0, 1))
    assert found[0, 0].tolist() == [
        [float(whole[0:3, 0:3].sum()), float(whole[0:3, 2:5].sum())],
        [float(whole[2:5, 0:3].sum()), float(whole[2:5, 2:5].sum())],
    ]


@pytest.mark.parametrize("size", [LITE0, LITE2])
def test_every_tensor_has_a_published_name(size):
    network = EfficientNetLite(size)
    names = published_names(size)
    state = network.state_dict()
    published = {
        names[f"{name.rpartition('.')[0]}."] + name.rpartition(".")[2]: tensor
        for name, tensor in state.items()
    }
    assert len(published) == len(state)
    assert "_blocks.0._expand_conv.weight" not in published
    assert f"_blocks.{sum(size.blocks) - 1}._bn2.running_var" in published
    network.load_state_dict(renamed(published, size))


def test_what_is_unknown_keeps_its_name_and_is_refused():
    network = EfficientNetLite(LITE0)
    strange = renamed({"_blocks.99._bn2.weight": torch.zeros(1)}, LITE0)
    assert list(strange) == ["_blocks.99._bn2.weight"]
    with pytest.raises(RuntimeError, match="Unexpected key"):
        network.load_state_dict(network.state_dict() | strange)
