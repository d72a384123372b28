"""Stain codes, against numpy and against what they are to notice."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from histosyn.stain.code import TISSUE_DENSITY, as_floats, stain_code
from histosyn.stain.names import NAMES
from histosyn.stain.vectors import EOSIN, HEMATOXYLIN, unmixing


def stained(hematoxylin, eosin):
    """uint8 (H, W, 3) of tissue with these concentrations (H, W), in natural units."""
    density = np.multiply.outer(hematoxylin, HEMATOXYLIN) + np.multiply.outer(eosin, EOSIN)
    return np.clip(np.rint(256 * np.exp(-density) - 1), 0, 255).astype(np.uint8)


def code_of(tile):
    return dict(zip(NAMES, stain_code(as_floats(tile))[0].tolist(), strict=True))


def test_it_finds_what_was_put_in():
    random = np.random.default_rng(0)
    hematoxylin, eosin = random.uniform(0.3, 0.9, (2, 64, 64))
    found = code_of(stained(hematoxylin, eosin))
    assert found["hematoxylin"] == pytest.approx(hematoxylin.mean(), abs=0.01)
    assert found["eosin"] == pytest.approx(eosin.mean(), abs=0.01)
    assert found["residual"] == pytest.approx(0, abs=0.01)
    assert found["hematoxylin_spread"] == pytest.approx(hematoxylin.std(), abs=0.01)
    assert found["eosin_spread"] == pytest.approx(eosin.std(), abs=0.01)
    assert np.isnan(found["glass"])


def test_glass_does_not_change_what_is_said_of_tissue():
    random = np.random.default_rng(0)
    tile = stained(*random.uniform(0.3, 0.9, (2, 64, 64)))
    glass = np.full((64, 64, 3), 243, np.uint8)
    alone, beside = code_of(tile), code_of(np.hstack([tile, glass]))
    assert beside["glass"] == pytest.approx(-np.log(244 / 256), abs=1e-6)
    for name in NAMES[:-1]:
        assert beside[name] == pytest.approx(alone[name], abs=1e-6)
    empty = code_of(glass)
    assert all(np.isnan(empty[name]) for name in NAMES[:-1])


@settings(max_examples=25)
@given(st.integers(0, 1 << 30))
def test_it_is_what_numpy_computes(seed):
    tile = np.random.default_rng(seed).integers(0, 256, (24, 16, 3)).astype(np.uint8)
    density = -np.log((tile.reshape(-1, 3) + 1.0) / 256)
    tissue = density.mean(1) > TISSUE_DENSITY
    stains = density[tissue] @ unmixing()
    expected = [*stains.mean(0), *np.sqrt(stains.var(0) + 1e-6)]
    np.testing.assert_allclose(stain_code(as_floats(tile))[0][:6], expected, rtol=2e-5, atol=2e-5)


def test_its_gradient_is_that_of_finite_differences():
    tiles = torch.rand(2, 3, 12, 12, dtype=torch.float64) * 1.2 - 0.9
    tiles.requires_grad_()
    assert torch.autograd.gradcheck(lambda x: stain_code(x)[:, :6], tiles)


def test_a_tile_of_glass_has_no_stain_and_no_gradient():
    tiles = torch.full((2, 3, 16, 16), 0.95)
    tiles[1, :, :8] = -0.2
    tiles.requires_grad_()
    code = stain_code(tiles)
    assert code[0, :6].isnan().all() and not code[1].isnan().any()
    code.nan_to_num(nan=0.0).sum().backward()
    assert tiles.grad.isfinite().all()
    assert tiles.grad[0].abs().sum() > 0, "of its glass"
