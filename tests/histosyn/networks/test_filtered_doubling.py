"""Filtered doubling: PyTorch's bilinear interpolation, and the same bits in any window."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional

from histosyn.networks.filtered_doubling import filtered_doubling


@given(st.integers(1, 2), st.integers(1, 5), st.integers(1, 9), st.integers(1, 9))
def test_it_is_bilinear_interpolation(batch, channels, height, width):
    x = torch.randn(batch, channels, height, width, dtype=torch.float64)
    expected = functional.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
    torch.testing.assert_close(filtered_doubling(x), expected, rtol=1e-12, atol=1e-12)


def test_gradients_once_and_twice():
    x = torch.randn(2, 3, 4, 5, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(filtered_doubling, x)
    assert torch.autograd.gradgradcheck(lambda x: filtered_doubling(x).pow(3), x)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_window_has_the_bits_of_the_whole(dtype):
    x = torch.randn(1, 24, 40, 56).to(dtype)
    whole = filtered_doubling(x)
    for top, bottom, left, right in ((0, 17, 3, 56), (5, 40, 0, 29), (11, 19, 13, 22)):
        part = filtered_doubling(x[..., top:bottom, left:right])
        inner = part[..., 2:-2, 2:-2]
        expected = whole[..., 2 * top + 2 : 2 * bottom - 2, 2 * left + 2 : 2 * right - 2]
        assert torch.equal(inner, expected)


def test_it_stays_in_channels_last_and_in_its_type():
    x = torch.randn(1, 8, 4, 4, dtype=torch.bfloat16).to(memory_format=torch.channels_last)
    doubled = filtered_doubling(x)
    assert doubled.dtype == torch.bfloat16
    assert doubled.is_contiguous(memory_format=torch.channels_last)
