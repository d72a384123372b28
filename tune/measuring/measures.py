"""The measures of an objective at work: what `histosyn eval` computes, of tiles in memory."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from eval.distances.feature_set import FeatureSet, distance, measure
from eval.distances.report import real_floor
from eval.extractors.choice import open_extractor
from eval.faithfulness.scores import scores, statistics_of
from eval.features.content import Content
from eval.features.extractor import Extractor
from eval.features.tile_sources import TileArray
from eval.segmenter.confusion import confusions_of_tiles
from eval.segmenter.model import load_segmenter
from eval.statistics.result import Number
from eval.two_samples.areas import auc_number
from eval.two_samples.classifiers import out_of_fold
from eval.two_samples.folds import folds_of
from eval.two_samples.scaled import NETWORK, SMALLEST_TILE, averaged, fits
from eval.two_samples.textures import texture
from histosyn.labels.label_map import LabelSchema
from hpc.errors import InputError
from tune.plan.objective import C2stConfig, DistanceConfig, FaithfulnessConfig, Measure

# Tiles a pass through a network; it changes speed and memory only.
_BATCH = 32


@dataclass(frozen=True, kw_only=True, eq=False)
class RealTiles:
    """What trials are measured against: tiles (N, H, W, 3), their label maps, and whose they are.

    A tile whose group is not known is a group of its own.
    """

    name: str
    tiles_NHWC: NDArray[np.uint8]
    labels_NHW: NDArray[np.uint8]
    groups: tuple[str | None, ...]
    schema: LabelSchema

    @property
    def group_names(self) -> list[str]:
        """The group of each tile."""
        return [f"tile {row}" if name is None else f"group {name}"
                for row, name in enumerate(self.groups)]  # fmt: skip


class Measuring(Protocol):
    """One measure, ready for the tiles of any generator."""

    def value(self, tiles_NHWC: NDArray[np.uint8], batch_size: int) -> float:
        """Of synthetic tiles, one for each of the real ones, `batch_size` a pass."""

    def facts(self) -> dict[str, Any]:
        """What it measures by: names and hashes."""

    def yardstick(self) -> Number:
        """What real tiles reach."""

    def caveat(self) -> str | None:
        """What to beware of."""


class Distance:
    """Squared Fréchet distance in an extractor."""

    def __init__(
        self, config: DistanceConfig, real: RealTiles, seed: int, device: torch.device
    ) -> None:
        self.extractor = _open(config, seed, device)
        self.seed = seed
        tiles = TileArray(name=real.name, tiles_NHWC=real.tiles_NHWC)
        self.real: FeatureSet = measure(tiles, self.extractor, batch_size=_BATCH)

    def value(self, tiles_NHWC: NDArray[np.uint8], batch_size: int) -> float:
        """The distance from the real tiles."""
        tiles = TileArray(name="synthetic tiles", tiles_NHWC=tiles_NHWC)
        return distance(self.real, measure(tiles, self.extractor, batch_size=batch_size))

    def facts(self) -> dict[str, Any]:
        """The extractor."""
        return _facts_of(self.extractor)

    def yardstick(self) -> Number:
        """Real tiles to each other."""
        return real_floor(self.real, seed=self.seed)

    def caveat(self) -> str | None:
        """The extractor's."""
        return self.extractor.identity.caveat


@dataclass(kw_only=True, eq=False)
class _Asked:
    """Tiles and the label maps that they were asked to show, as a segmenter's test set."""

    of: RealTiles
    tiles_NHWC: NDArray[np.uint8]
    name: str
    bad: tuple[str, ...] = ()

    @property
    def schema(self) -> LabelSchema:
        return self.of.schema

    def __len__(self) -> int:
        return len(self.tiles_NHWC)

    def read(self, row: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        return self.tiles_NHWC[row], self.of.labels_NHW[row]

    def label_key(self, row: int) -> str:
        return str(row)

    def group(self, row: int) -> str | None:
        return self.of.groups[row]

    def content(self) -> dict[str, Content]:
        return {}


class Faithfulness:
    """What a segmenter finds of the label maps that were asked for."""

    def __init__(
        self, config: FaithfulnessConfig, real: RealTiles, seed: int, device: torch.device
    ) -> None:
        self.segmenter = load_segmenter(config.segmenter, device)
        self.config, self.real = config, real
        self._real_value = self._score(real.tiles_NHWC, real.name, _BATCH)

    def value(self, tiles_NHWC: NDArray[np.uint8], batch_size: int) -> float:
        """The score of the synthetic tiles."""
        return self._score(tiles_NHWC, "synthetic tiles", batch_size)

    def facts(self) -> dict[str, Any]:
        """The segmenter."""
        return {"segmenter": str(self.config.segmenter), "weights_sha256": self.segmenter.sha256}

    def yardstick(self) -> Number:
        """The segmenter's score of the real tiles."""
        return Number(
            name="segmenter_on_real_tiles",
            value=self._real_value,
            n=len(self.real.tiles_NHWC),
            method=f"{self.config.score}, pixels of all tiles together",
        )

    def caveat(self) -> str | None:
        """None: what it is worth, the score of real tiles tells."""
        return None

    def _score(self, tiles_NHWC: NDArray[np.uint8], name: str, batch_size: int) -> float:
        asked = _Asked(of=self.real, tiles_NHWC=tiles_NHWC, name=name)
        confusions = confusions_of_tiles(self.segmenter, asked, batch_size=batch_size)
        names = [statistic.name for statistic in statistics_of(self.segmenter.facts.schema)]
        values = scores(confusions.confusion_TKK.sum(axis=0))
        return float(values[names.index(self.config.score)])


class C2st:
    """The AUC of a classifier between real and synthetic tiles, groups kept apart."""

    def __init__(
        self, config: C2stConfig, real: RealTiles, seed: int, device: torch.device
    ) -> None:
        size = real.tiles_NHWC.shape[1:3]
        if not fits(size, config.scale):
            raise InputError(
                f"objective.c2st.scale = {config.scale}: tiles of {size[1]}x{size[0]} pixels are "
                f"narrower than {SMALLEST_TILE} at this scale. Lower it."
            )
        self.config = config
        self.extractor = _open(config, seed, device) if config.features == NETWORK else None
        self._real_ND = self._features(real.tiles_NHWC, _BATCH)
        # A synthetic tile is kept with the group of the real one of the same label map.
        self._groups = real.group_names * 2
        self._synthetic_N = np.repeat([False, True], len(real.tiles_NHWC))
        self._fold_N = folds_of(self._groups, self._synthetic_N, seed)
        # Before the first trial: whether there is the library that classifies.
        out_of_fold(
            config.features, np.zeros((len(self._fold_N), 1)), self._synthetic_N, self._fold_N
        )

    def value(self, tiles_NHWC: NDArray[np.uint8], batch_size: int) -> float:
        """The AUC: 0.5 if the tiles cannot be told from real ones."""
        features_ND = np.concatenate([self._real_ND, self._features(tiles_NHWC, batch_size)])
        found = out_of_fold(
            self.config.features, features_ND.astype(np.float64), self._synthetic_N, self._fold_N
        )
        number = auc_number(
            "auc", found.scores_N, self._synthetic_N, self._fold_N, self._groups
        )  # fmt: skip
        assert number.value is not None, "both sides have tiles in each fold"
        return number.value

    def facts(self) -> dict[str, Any]:
        """The network, if any."""
        return {} if self.extractor is None else _facts_of(self.extractor)

    def yardstick(self) -> Number:
        """What cannot be told apart."""
        return Number(name="chance", value=0.5, n=len(self._real_ND), method="by definition")

    def caveat(self) -> str | None:
        """What an AUC near 1 hides."""
        return (
            "An AUC near 1 in all trials tells none from another: choose a coarser "
            "objective.c2st.scale, or a distance."
        )

    def _features(self, tiles_NHWC: NDArray[np.uint8], batch_size: int) -> NDArray[np.floating]:
        reduced = averaged(tiles_NHWC, self.config.scale)
        if self.extractor is None:
            return np.stack([texture(tile_HWC) for tile_HWC in reduced])
        tiles = TileArray(name="tiles", tiles_NHWC=reduced)
        found = measure(tiles, self.extractor, batch_size=batch_size).features_ND
        assert found is not None, "features of so few tiles are kept"
        return found


_KINDS: Mapping[type, Callable[..., Measuring]] = {
    DistanceConfig: Distance,
    FaithfulnessConfig: Faithfulness,
    C2stConfig: C2st,
}


def open_measure(config: Measure, real: RealTiles, seed: int, device: torch.device) -> Measuring:
    """Ready a measure: real tiles are measured here.

    Raises InputError for an extractor, a segmenter or a library that is not there, or does not fit.
    """
    return _KINDS[type(config)](config, real, seed, device)


def yardstick_of(name: str, measuring: Measuring) -> Number:
    """What real tiles reach, told as that of a measure."""
    number = measuring.yardstick()
    return replace(number, details=number.details | {"measure": name})


def _open(config: DistanceConfig | C2stConfig, seed: int, device: torch.device) -> Extractor:
    return open_extractor(config.extractor, seed=seed, run_code=config.runs_code, device=device)


def _facts_of(extractor: Extractor) -> dict[str, Any]:
    identity = asdict(extractor.identity)
    named = {"extractor": identity.pop("name")}
    identity.pop("caveat")
    return named | identity
