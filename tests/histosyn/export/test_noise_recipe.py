"""The noise recipe of docs/export.md is the noise that tiles are made with."""

import re
from pathlib import Path

import numpy as np
import torch

from histosyn.config.networks import GeneratorConfig
from histosyn.networks.noise import draw_noise
from hpc.randomness import key_of

DOCS = Path(__file__).parents[3] / "docs" / "export.md"


def test_the_recipe_on_the_page_makes_our_noise():
    (code,) = (
        block
        for block in re.findall(r"```python\n(.*?)```", DOCS.read_text("utf-8"), re.DOTALL)
        if "def noise(" in block
    )
    recipe: dict = {}
    exec(code, recipe)
    config = GeneratorConfig(noise_channels=6, upsamplings=3)
    ours = draw_noise([key_of(5, "synthesis", "a/b", 2)], config, 40, 64, torch.device("cpu"))
    with np.errstate(over="ignore"):
        entry, pixels = recipe["noise"](recipe["key"](5, "a/b", 2), 6, 3, 40, 64)
    np.testing.assert_allclose(entry, ours.entry.numpy(), rtol=1e-6, atol=1e-7)
    assert len(pixels) == len(ours.pixels)
    for theirs, mine in zip(pixels, ours.pixels, strict=True):
        np.testing.assert_allclose(theirs, mine.numpy(), rtol=1e-6, atol=1e-7)
