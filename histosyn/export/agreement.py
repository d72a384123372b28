"""Whether onnxruntime makes of a file what the generator makes, at several sizes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from histosyn.models.folder import Model
from histosyn.networks.noise import Noise, draw_noise
from hpc.determinism import deterministic
from hpc.errors import HistosynError
from hpc.extras import missing_extra

# The largest difference of a value in [-1, 1]; half a shade of 256 is 4e-3.
TOLERANCE = 1e-3


def disagreement(data: bytes, model: Model, sizes: Sequence[tuple[int, int]]) -> float:
    """The largest difference of a value in [-1, 1], of random label maps of these sizes (H, W).

    InputError without onnxruntime, HistosynError if it is beyond `TOLERANCE`.
    """
    try:
        import onnxruntime
    except ImportError as error:
        raise missing_extra("Checking", "onnxruntime", "onnx", error) from error
    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    found = max(_difference(session, model, size) for size in sizes)
    if not found <= TOLERANCE:
        raise HistosynError(
            f"onnxruntime makes other tiles of the exported file, off by {found:.1e} of a range of "
            f"2; {TOLERANCE:.0e} is allowed. Nothing was written. Try another version of it."
        )
    return found


@torch.inference_mode()
def _difference(session: Any, model: Model, size: tuple[int, int]) -> float:
    random = np.random.default_rng(0)
    rows, columns = (-(-side // 16) for side in size)
    coarse = random.integers(0, len(model.facts.schema), (1, rows, columns))
    labels = np.kron(coarse, np.ones((1, 16, 16), np.int64))[:, : size[0], : size[1]]
    noise = draw_noise([7], model.facts.generator, *size, torch.device("cpu"))
    if model.network.stain is not None:
        code = model.network.stain.mean_S + model.network.stain.spread_S
        noise = Noise(entry=noise.entry, pixels=noise.pixels, stain=code[None])
    with deterministic():
        ours = model.network(torch.from_numpy(labels), noise).numpy()
    (theirs,) = session.run(None, onnx_inputs(labels, noise))
    return float(np.abs(ours - theirs).max())


def onnx_inputs(labels_NHW: np.ndarray, noise: Noise) -> dict[str, np.ndarray]:
    """What an exported file is to be given."""
    named = {"labels": labels_NHW.astype(np.int64), "noise_entry": noise.entry.numpy()}
    named |= {f"noise_{number}": each.numpy() for number, each in enumerate(noise.pixels)}
    if noise.stain is not None:
        named["stain"] = noise.stain.numpy().astype(np.float32)
    return named
