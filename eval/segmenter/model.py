"""A trained segmenter: its model folder, and the segmentation of tiles with it."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from eval.features.extractor import reproducible_inference
from eval.segmenter.config import NetworkConfig
from eval.segmenter.unet import UNet
from histosyn.config.file import from_dict
from histosyn.labels.label_map import LabelSchema, schema_from_dict
from histosyn.models.files import (
    ModelRecord,
    class_table,
    damaged_model,
    model_record,
    model_records,
    read_model_files,
    write_model_files,
)
from histosyn.models.path import CONFIG, SEGMENTER, WEIGHTS, segmenter_folder
from hpc.errors import DamagedFileError, DatasetError, InputError
from hpc.paths import as_path

FORMAT_VERSION = 1


@dataclass(frozen=True, kw_only=True)
class SegmenterRecord(ModelRecord):
    """What a segmenter's `config.json` says."""

    network: dict[str, Any]


SEGMENTERS = model_records(SegmenterRecord)


@dataclass(frozen=True, kw_only=True)
class SegmenterFacts:
    """What must be known of a segmenter to use it: everything in `config.json`."""

    network: NetworkConfig
    schema: LabelSchema
    tile_size: tuple[int, int]
    mpp: float | None
    training: dict[str, Any]

    def as_dict(self) -> dict[str, Any]:
        """Plain data, as in `config.json` and in checkpoints."""
        return {
            "format_version": FORMAT_VERSION,
            "kind": SEGMENTER,
            "network": asdict(self.network),
            "schema": self.schema.as_dict(),
            "tile_size": list(self.tile_size),
            "mpp": self.mpp,
            "training": self.training,
        }


@dataclass(frozen=True, kw_only=True)
class Segmenter:
    """A U-Net ready to read tiles; `sha256` is that of its weights file."""

    network: UNet
    facts: SegmenterFacts
    sha256: str
    device: torch.device

    def logits(self, tiles_NCHW: torch.Tensor) -> torch.Tensor:
        """Logits (N, K, H, W), float32, of tiles (N, 3, H, W) in [-1, 1] of any size."""
        with reproducible_inference():
            return self.network(tiles_NCHW.to(self.device, torch.float32))

    def features(self, tiles_NCHW: torch.Tensor) -> torch.Tensor:
        """Features (N, D), float32: bottleneck and decoder channels, averaged over the tile."""
        with reproducible_inference():
            return self.network.features(tiles_NCHW.to(self.device, torch.float32))

    def predict(self, tiles_NHWC: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """The most probable class of each pixel, (N, H, W), of RGB tiles.

        Raises DatasetError if logits are not finite.
        """
        tiles_NCHW = torch.from_numpy(np.ascontiguousarray(tiles_NHWC)).permute(0, 3, 1, 2)
        logits_NKHW = self.logits(tiles_NCHW.to(self.device).float() / 127.5 - 1)
        if not torch.isfinite(logits_NKHW).all():
            raise DatasetError(
                f"The segmenter {self.sha256[:12]} makes numbers that are not finite, so that its "
                "predictions mean nothing. Train it again with another optimizer.lr."
            )
        return logits_NKHW.argmax(dim=1).to(torch.uint8).cpu().numpy()


def save_segmenter(folder: Path, network: UNet, facts: SegmenterFacts) -> None:
    """Write a model folder, replacing an older model; InputError if something else is there."""
    state = {name: tensor.float() for name, tensor in network.state_dict().items()}
    write_model_files(folder, state, facts.as_dict(), partial(_model_card, facts))


def load_segmenter(path: str | os.PathLike[str], device: torch.device | str = "cpu") -> Segmenter:
    """Load a segmenter from its model folder, or from the run folder that holds one in `model/`.

    Raises InputError if `path` is neither, DamagedFileError if a file of it is damaged.
    """
    folder = segmenter_folder(as_path(path, "segmenter"))
    files = read_model_files(folder)
    facts = facts_from_dict(files.config, str(folder / CONFIG))
    # First weights would be drawn in vain, and as many as a strange file asks for.
    with torch.device("meta"):
        network = UNet(facts.network, len(facts.schema))
    try:
        network.load_state_dict(files.state, assign=True)
    except RuntimeError as error:
        raise damaged_model(folder, error) from error
    where = torch.device(device)
    ready = network.to(where).eval().requires_grad_(False)
    return Segmenter(network=ready, facts=facts, sha256=files.sha256, device=where)


def facts_from_dict(data: dict[str, Any], source: str) -> SegmenterFacts:
    """Read back `SegmenterFacts.as_dict`; `source` is what errors call it."""
    if isinstance(data, dict) and data.get("kind") != SEGMENTER:
        raise InputError(
            f"{source} describes no segmenter{_instead(data)}. Give the folder of a model that "
            "`histosyn eval segmenter train` made."
        )
    record = model_record(SEGMENTERS, data, source, FORMAT_VERSION, SEGMENTER)
    try:
        return SegmenterFacts(
            network=from_dict(NetworkConfig, record.network, source, "network."),
            schema=schema_from_dict(record.schema, source),
            tile_size=record.tile_size,
            mpp=record.mpp,
            training=record.training,
        )
    except InputError as error:
        raise DamagedFileError(f"{source} is damaged: {error} Copy it again.") from error


def _instead(data: dict[str, Any]) -> str:
    return ", but a generator, which makes tissue and reads none" if "generator" in data else ""


def _model_card(facts: SegmenterFacts, sha256: str) -> str:
    training = "\n".join(f"- {name}: {value}" for name, value in facts.training.items())
    height, width = facts.tile_size
    mpp = f"{facts.mpp} microns per pixel" if facts.mpp else "unknown resolution"
    return f"""# A histosyn segmenter

Reads which tissue is where in an H&E tile, to measure synthetic tiles by. Not for diagnosis.

- trained on tiles of {width}x{height} pixels, {mpp}; reads any size at this resolution
- weights: {WEIGHTS}, sha256 {sha256}
- made by histosyn {version("histosyn")}

{class_table(facts.schema)}
## Training

{training}

Use it: `histosyn eval faithfulness THIS_FOLDER SYNTHETIC LABELS`
"""
