"""Opening an extractor by its name or path."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, get_args

import torch

from eval.extractors.random_network import RandomExtractor
from eval.features.extractor import Extractor
from histosyn.pretrained.packages import PretrainedName
from hpc.errors import InputError

ExtractorName = Literal[
    "inception", "inception-clean", "efficientnet-lite0", "efficientnet-lite2", "random"
]


def open_extractor(
    name: str,
    *,
    inception_weights: Path | None = None,
    seed: int = 0,
    run_code: bool = False,
    device: torch.device | str = "cpu",
) -> Extractor:
    """The extractor called `name`, or that of the file or folder `name`.

    A file holds the weights of a named network, or one in TorchScript, whose code is run only if
    `run_code` allows it (see `eval.extractors.network_file`); a folder is a trained segmenter.
    `seed` is the random network's, the weights file Inception's. Raises InputError for an unknown
    name, for code that may not be run, and for weights that are missing or not what they claim.
    """
    if name in ("inception", "inception-clean"):
        # Here, because torchvision and pytorch-fid are needed by this extractor alone.
        from eval.extractors.inception import InceptionExtractor, find_weights

        weights = find_weights(inception_weights)
        return InceptionExtractor(weights, clean=name == "inception-clean", device=device)
    if name in get_args(PretrainedName):
        from eval.extractors.pretrained import PretrainedExtractor

        return PretrainedExtractor(name, device=device)
    if name == "random":
        return RandomExtractor(seed=seed, device=device)
    path = Path(name)
    if path.is_dir():
        from eval.extractors.segmenter import SegmenterExtractor

        return SegmenterExtractor(path, device=device)
    if path.is_file():
        from eval.extractors.network_file import FileExtractor

        return FileExtractor(path, run_code=run_code, device=device)
    raise InputError(
        f"No extractor is called {name!r}, nor is there a file or folder of that name. Choose: "
        f"{', '.join(get_args(ExtractorName))}, a file of weights, a TorchScript file, or "
        "the folder of a segmenter."
    )
