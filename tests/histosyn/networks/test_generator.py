from __future__ import annotations

import copy
from dataclasses import replace
from types import ModuleType
from typing import Any

import pytest
import torch
from tissue import SCHEMA
from torch.nn import functional

from histosyn.config.networks import GeneratorConfig
from histosyn.networks import levels as levels_module
from histosyn.networks import pixel_blocks
from histosyn.networks.batch_moments import measure
from histosyn.networks.generator import Generator, Noise, block_widths, draw_noise
from histosyn.networks.inference import Precision, made_ready
from histosyn.networks.levels import LabelPyramid
from histosyn.networks.modulation import Spade
from histosyn.networks.patterns import one_hot, shrink
from hpc.errors import InputError

CONFIG = GeneratorConfig(
    base_channels=4, upsamplings=3, label_channels=8, noise_channels=6, stain=False
)


@pytest.fixture
def generator() -> Generator:
    torch.manual_seed(0)
    return Generator(CONFIG, len(SCHEMA)).eval()


def tissue(generator: Generator, labels: torch.Tensor, key: int = 1) -> torch.Tensor:
    noise = draw_noise([key] * len(labels), CONFIG, *labels.shape[1:], torch.device("cpu"))
    with torch.no_grad():
        return generator(labels, noise)


@pytest.mark.parametrize("shape", [(64, 64), (40, 96), (33, 61), (8, 8), (1, 1)])
def test_any_height_and_width(generator: Generator, shape: tuple[int, int]) -> None:
    labels = torch.randint(0, 4, (2, *shape))
    tiles = tissue(generator, labels)
    assert tiles.shape == (2, 3, *shape)
    assert tiles.abs().max() <= 1


def plain_modulation(
    spade: Spade, x: torch.Tensor, segments: torch.Tensor, slope: float = 0.2
) -> torch.Tensor:
    """Park et al. 2019, eq. 1 and the activation after it, from PyTorch's own operations."""
    gamma, beta = spade.gamma_beta(functional.relu(spade.embed(segments))).chunk(2, dim=1)
    normalized = functional.batch_norm(x, None, None, training=True)
    return functional.leaky_relu(normalized * (1 + gamma) + beta, slope)


def plainly(generator: Generator, labels: torch.Tensor, noise: Noise) -> torch.Tensor:
    """The generator as its papers describe it: each layer resizes the label map for itself.

    Noise at each resolution is that of Karras et al. 2019.
    """
    height, width = labels.shape[1:]
    stride = CONFIG.stride
    bottom, right = -height % stride, -width % stride
    padded = functional.pad(labels[:, None].double(), (0, right, 0, bottom), mode="replicate")
    whole = functional.one_hot(padded[:, 0].long(), len(SCHEMA)).permute(0, 3, 1, 2).double()
    x = generator.entry(torch.cat([noise.entry, whole[..., ::stride, ::stride]], dim=1))
    for number, block in enumerate(generator.blocks):
        if number:
            x = functional.interpolate(x, scale_factor=2, mode=generator.config.upsampling)
        if noise.pixels:
            x = x + noise.pixels[number] * generator.noise_strengths[number][:, None, None]
        if generator.stain is not None:
            mean, spread = generator.stain.mean_S, generator.stain.spread_S
            x = x + generator.stain.shifts[number]((noise.stain - mean) / spread)[..., None, None]
        factor = stride >> number
        segments = whole[..., ::factor, ::factor]
        y = block.conv_0(plain_modulation(block.norm_0, x, segments))
        y = block.conv_1(plain_modulation(block.norm_1, y, segments))
        if block.norm_s is not None:
            x = block.shortcut(plain_modulation(block.norm_s, x, segments, slope=1.0))
        x = x + y
    return torch.tanh(generator.exit(functional.leaky_relu(x, 0.2)))[..., :height, :width]


FORMS = {
    "noise at each resolution": {},
    "noise on the coarsest grid": {"pixel_noise": False},
    "filtered": {"upsampling": "bilinear", "pixel_noise": False, "border": "reflect"},
    "stain": {"upsampling": "bilinear", "border": "replicate", "stain": True},
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("repeats", [True, False])
def test_the_whole_generator_is_the_plain_one(
    repeats: bool, form: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tiles and gradients in training, sides that the stride does not divide."""
    monkeypatch.setattr(Spade, "repeats_enough", lambda *_: repeats)
    torch.manual_seed(0)
    config = replace(CONFIG, **FORMS[form])  # type: ignore[arg-type]
    ours = Generator(config, len(SCHEMA)).double()
    for strength in ours.noise_strengths:
        torch.nn.init.normal_(strength)
    theirs = copy.deepcopy(ours)
    coarse = torch.randint(0, len(SCHEMA), (2, 6, 9))
    labels = coarse.repeat_interleave(6, 1).repeat_interleave(7, 2)[:, :33, :61]
    noise = draw_noise([1, 2], config, 33, 61, torch.device("cpu")).to(torch.float64)
    if ours.stain is not None:
        ours.stain.mean_S.uniform_()
        theirs.stain.load_state_dict(ours.stain.state_dict())
        noise = replace(noise, stain=torch.rand(2, 7, dtype=torch.float64))
    found, wanted = ours(labels, noise), plainly(theirs, labels, noise)
    torch.testing.assert_close(found, wanted, rtol=1e-12, atol=1e-12)
    probe = torch.cos(torch.arange(found.numel(), dtype=torch.float64)).view(found.shape)
    for one, other in zip(
        torch.autograd.grad((found * probe).sum(), list(ours.parameters())),
        torch.autograd.grad((wanted * probe).sum(), list(theirs.parameters())),
        strict=True,
    ):
        assert (one - other).abs().max() <= 1e-12 * max(1, other.abs().max())


def test_follows_labels_and_noise(generator: Generator) -> None:
    labels = torch.zeros(1, 32, 32, dtype=torch.long)
    other = labels.clone()
    other[:, 8:16] = 2
    assert not torch.equal(tissue(generator, labels), tissue(generator, other))
    assert not torch.equal(tissue(generator, labels, 1), tissue(generator, labels, 2))
    assert torch.equal(tissue(generator, labels, 1), tissue(generator, labels, 1))


def test_widths_double_towards_the_coarse_end() -> None:
    assert block_widths(GeneratorConfig(base_channels=8, upsamplings=5, max_multiplier=8)) == [
        64, 64, 64, 32, 16, 8,
    ]  # fmt: skip


def test_noise_of_a_small_image_is_a_corner_of_a_large_one() -> None:
    cpu = torch.device("cpu")
    large = draw_noise([5], CONFIG, 64, 64, cpu).entry
    small = draw_noise([5], CONFIG, 24, 40, cpu).entry
    assert torch.equal(small, large[:, :, :3, :5])


def test_half_of_the_noise_is_the_same_all_over_the_image() -> None:
    noise = draw_noise([7], CONFIG, 64, 64, torch.device("cpu")).entry[0]
    assert (noise[:3] == noise[:3, :1, :1]).all()
    assert (noise[3:].flatten(1).std(dim=1) > 0.5).all()


def test_one_hot_leaves_ignored_pixels_empty() -> None:
    segments = one_hot(torch.tensor([[[0, 3, 255]]]), 4, torch.float32)
    assert segments[0, :, 0].T.tolist() == [[1, 0, 0, 0], [0, 0, 0, 1], [0, 0, 0, 0]]


def test_shrink_takes_the_same_pixels_in_a_window() -> None:
    labels = torch.arange(64 * 64).reshape(1, 64, 64)
    assert torch.equal(shrink(labels, 8)[:, 2:5, 1:4], shrink(labels[:, 16:40, 8:32], 8))


def test_spade_is_normalization_times_scale_plus_shift() -> None:
    """Park et al. 2019, eq. 1, written out with dense convolutions."""
    torch.manual_seed(1)
    spade = Spade(3, 4, 8).double()
    x, labels = torch.randn(2, 3, 9, 7, dtype=torch.float64), torch.randint(0, 4, (2, 9, 7))
    segments = torch.nn.functional.one_hot(labels, 4).permute(0, 3, 1, 2).double()
    modulation = spade.gamma_beta(spade.embed(segments).clamp(min=0))
    mean, var = x.mean((0, 2, 3), keepdim=True), x.var((0, 2, 3), correction=0, keepdim=True)
    normalized = (x - mean) / (var + 1e-5).sqrt()
    expected = normalized * (1 + modulation[:, :3]) + modulation[:, 3:]
    (level,) = LabelPyramid(labels, 1, 4).levels
    torch.testing.assert_close(spade(x, level, measure(x)), expected)


def one_step(config: GeneratorConfig) -> tuple[list[torch.Tensor], dict[str, torch.Tensor]]:
    """Gradients of all weights after two forwards, and what the network kept of them."""
    torch.manual_seed(2)
    generator = Generator(config, len(SCHEMA)).double()
    labels = torch.randint(0, 4, (2, 4, 5)).repeat_interleave(8, 1).repeat_interleave(8, 2)
    noise = draw_noise([1, 2], config, 32, 40, torch.device("cpu")).to(torch.float64)
    generator(labels, noise)
    tiles = generator(labels, noise)
    gradients = torch.autograd.grad(tiles.square().sum(), list(generator.parameters()))
    return list(gradients), generator.state_dict()


@pytest.mark.parametrize("changes", [{}, {"pixel_noise": False}, {"modulation": "class_table"}])
def test_recomputing_changes_nothing(changes: dict[str, Any]) -> None:
    """Neither gradients nor running statistics nor estimates of spectral norms."""
    kept = one_step(replace(CONFIG, **changes))
    again = one_step(replace(CONFIG, recompute=True, **changes))
    torch.testing.assert_close(again, kept, rtol=1e-12, atol=1e-12)


def kept_bytes(config: GeneratorConfig) -> int:
    """What a forward keeps in memory for the way back, besides the weights."""
    torch.manual_seed(2)
    generator = Generator(config, len(SCHEMA))
    own = {weight.untyped_storage().data_ptr() for weight in generator.parameters()}
    kept = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    labels = torch.randint(0, 4, (2, 4, 5)).repeat_interleave(8, 1).repeat_interleave(8, 2)
    noise = draw_noise([1, 2], config, 32, 40, torch.device("cpu"))
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        tiles = generator(labels, noise)
    assert tiles.requires_grad
    return sum(size for pointer, size in kept.items() if pointer not in own)


@pytest.mark.parametrize("changes", [{}, {"modulation": "class_table"}])
def test_recomputing_keeps_less(changes: dict[str, Any]) -> None:
    """It keeps 0.08 of what there is with SPADE, and 0.21 with class tables."""
    less = kept_bytes(replace(CONFIG, recompute=True, **changes))
    assert 0 < less < 0.4 * kept_bytes(replace(CONFIG, **changes))


def counted(monkeypatch: pytest.MonkeyPatch, owner: ModuleType, name: str) -> list[object]:
    """What each call of the function or class is given, as they come."""
    calls, original = [], getattr(owner, name)

    def call(*given: Any, **named: Any) -> Any:
        calls.append(given)
        return original(*given, **named)

    monkeypatch.setattr(owner, name, call)
    return calls


@pytest.mark.parametrize(
    ("modulation", "owner", "name"),
    [
        ("spade", levels_module, "find_patterns"),
        ("class_table", levels_module, "Pixels"),
        ("spade", pixel_blocks, "Summation"),
        ("class_table", pixel_blocks, "Summation"),
    ],
)
@pytest.mark.parametrize("recompute", [False, True])
def test_layers_of_a_resolution_share_what_they_know_of_its_labels(
    modulation: str, owner: ModuleType, name: str, recompute: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once a resolution there and back, however many layers, and forwards that share the levels."""
    monkeypatch.setattr(Spade, "repeats_enough", lambda *_: True)
    calls = counted(monkeypatch, owner, name)
    config = replace(CONFIG, modulation=modulation, recompute=recompute)
    generator = Generator(config, len(SCHEMA))
    labels = torch.randint(0, 4, (2, 32, 40))
    noise = draw_noise([1, 2], config, 32, 40, torch.device("cpu"))
    levels = generator.levels_of(labels)
    for _ in range(2):
        generator(labels, noise, levels).sum().backward()
    assert len(calls) == len(levels) == 4


def test_pixel_noise_starts_silent_and_is_the_same_in_a_window() -> None:
    cpu, config = torch.device("cpu"), CONFIG
    torch.manual_seed(0)
    generator = Generator(config, len(SCHEMA)).eval()
    labels = torch.zeros(1, 32, 32, dtype=torch.long)
    noise = draw_noise([5], config, 32, 32, cpu)
    other = replace(noise, pixels=draw_noise([6], config, 32, 32, cpu).pixels)
    assert [layer.shape[-1] for layer in noise.pixels] == [4, 8, 16, 32]
    assert torch.equal(generator(labels, noise), generator(labels, other))
    with torch.no_grad():
        for strength in generator.noise_strengths:
            strength.fill_(0.5)
    assert not torch.allclose(generator(labels, noise), generator(labels, other))
    window = draw_noise([5], config, 16, 24, cpu)
    for small, large in zip(window.pixels, noise.pixels, strict=True):
        assert torch.equal(small, large[..., : small.shape[2], : small.shape[3]])


def test_a_linear_entry_makes_tiles_of_one_size() -> None:
    config = replace(CONFIG, entry="linear", grid_size=3)
    torch.manual_seed(0)
    generator = Generator(config, len(SCHEMA)).eval()
    noise = draw_noise([5, 6], config, 24, 24, torch.device("cpu"))
    assert noise.entry.shape == (2, 6)
    assert generator(torch.zeros(2, 24, 24, dtype=torch.long), noise).shape == (2, 3, 24, 24)
    with pytest.raises(InputError, match="24x24 pixels only"):
        generator(torch.zeros(2, 32, 24, dtype=torch.long), noise)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_network_made_ready_computes_the_same(precision: Precision) -> None:
    labels = torch.randint(0, 4, (1, 6, 7)).repeat_interleave(7, 1).repeat_interleave(7, 2)
    torch.manual_seed(0)
    generator = Generator(CONFIG, len(SCHEMA)).eval()
    expected = tissue(generator, labels)
    ready = made_ready(copy.deepcopy(generator), precision)
    found = tissue(ready, labels)
    assert found.dtype == torch.float32
    torch.testing.assert_close(
        found, expected, rtol=0, atol=1e-5 if precision == "float32" else 5e-2
    )
