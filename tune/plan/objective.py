"""What a sweep looks for: the measures that its trials are compared by. Table [objective].

[objective.distance]                    # alone, and the default
extractor = "efficientnet-lite2"

[objective.faithfulness]                # with others: trials are compared by weighted ranks
segmenter = "runs/segmenter"
weight = 2
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any, ClassVar, Literal, get_args

from histosyn.config.bounds import require_at_most
from histosyn.config.file import as_plain, from_dict
from histosyn.config.train import TrainConfig
from hpc.errors import ConfigError
from hpc.paths import settle_paths

Direction = Literal["lower", "higher"]
# No other network whose weights come in a package has no part in training as it usually is.
USUAL_EXTRACTOR = "efficientnet-lite2"


def _check_weight(measure: Any, name: str) -> None:
    require_at_most(measure, weight=1e6)
    if not measure.weight > 0:
        raise ConfigError(f"objective.{name}.weight = {measure.weight} must be above 0.")


@dataclass(frozen=True, kw_only=True)
class DistanceConfig:
    """Squared Fréchet distance of synthetic tiles from the real ones of the same label maps."""

    better: ClassVar[Direction] = "lower"

    extractor: str = USUAL_EXTRACTOR
    """As `histosyn eval fid` has them: a name, a file of weights, a TorchScript file, the folder of
    a segmenter. A network that trains the generator is refused: it flatters its tiles."""
    runs_code: bool = False
    """Run a TorchScript extractor, which is a program. Only for files of people you trust."""
    weight: float = 1.0
    """How much its rank counts beside those of other measures."""

    def __post_init__(self) -> None:
        _check_weight(self, "distance")


@dataclass(frozen=True, kw_only=True)
class FaithfulnessConfig:
    """How well a trained segmenter finds the label maps in the tiles that were made of them."""

    better: ClassVar[Direction] = "higher"

    segmenter: Path
    """What `histosyn eval segmenter train` made."""
    score: Literal["mean_dice", "mean_iou", "pixel_accuracy"] = "mean_dice"
    """Over all pixels of the tiles together."""
    weight: float = 1.0
    """How much its rank counts beside those of other measures."""

    def __post_init__(self) -> None:
        settle_paths(self, "objective.faithfulness")
        _check_weight(self, "faithfulness")


@dataclass(frozen=True, kw_only=True)
class C2stConfig:
    """How well a classifier tells synthetic tiles from real ones: an AUC, 0.5 if not at all."""

    better: ClassVar[Direction] = "lower"

    features: Literal["network", "texture"] = "network"
    """Of an extractor; or hand-made textures."""
    extractor: str = USUAL_EXTRACTOR
    """With network: which one, as for the distance."""
    runs_code: bool = False
    """Run a TorchScript extractor, which is a program. Only for files of people you trust."""
    scale: Literal[1, 2, 4, 8] = 4
    """Tiles are averaged over so many pixels a side: at full resolution all tiles are told apart,
    and all trials are alike."""
    weight: float = 1.0
    """How much its rank counts beside those of other measures."""

    def __post_init__(self) -> None:
        _check_weight(self, "c2st")


Measure = DistanceConfig | FaithfulnessConfig | C2stConfig
KINDS: dict[str, type[Measure]] = {
    "distance": DistanceConfig,
    "faithfulness": FaithfulnessConfig,
    "c2st": C2stConfig,
}


@dataclass(frozen=True, kw_only=True)
class Objective:
    """One measure, or several of which trials have a weighted rank."""

    measures: Mapping[str, Measure] = field(default_factory=lambda: {"distance": DistanceConfig()})

    def costs(self, measured: Sequence[Mapping[str, float]]) -> list[float]:
        """What measurements of several trials cost, the less the better; infinite for no number.

        With one measure it is the value, or its negative. With several it depends on who is
        compared: the weighted mean of the ranks by each, from 0 for the best of all to 1.
        """
        by_measure = {
            name: [_cost(values.get(name, math.nan), measure) for values in measured]
            for name, measure in self.measures.items()
        }
        if len(by_measure) == 1:
            return next(iter(by_measure.values()))
        # Here, because it takes long to import, and a plan is shown without it.
        from scipy.stats import rankdata

        ranked = [
            [measure.weight * (rank - 1) / max(len(measured) - 1, 1)
             for rank in rankdata(by_measure[name])]
            for name, measure in self.measures.items()
        ]  # fmt: skip
        total = sum(measure.weight for measure in self.measures.values())
        return [float(sum(ranks) / total) for ranks in zip(*ranked, strict=True)]

    def value(self, values: Mapping[str, float]) -> float | None:
        """The value of the one measure; None with several, whose ranks depend on other trials."""
        return values.get(next(iter(self.measures))) if len(self.measures) == 1 else None

    def as_plain(self) -> dict[str, Any]:
        """The table [objective]."""
        return {name: as_plain(measure) for name, measure in self.measures.items()}

    def told(self) -> str:
        """What it is, in a few words."""
        words = [f"{_words(name, measure)}" for name, measure in self.measures.items()]
        return words[0] if len(words) == 1 else f"weighted rank of {', '.join(words)}"

    def require_no_part_in(self, training: TrainConfig, source: str) -> None:
        """ConfigError if a network of a measure trains the generator: it flatters its tiles."""
        used = {
            "discriminator.pretrained": training.discriminator.frozen_network,
            "loss.perceptual_pretrained": training.loss.frozen_network,
            "loss.perceptual_network": training.loss.perceptual
            and training.loss.perceptual_network
            and str(training.loss.perceptual_network.absolute()),
        }
        for name, measure in self.measures.items():
            extractor = _extractor_of(measure)
            for setting, network in used.items():
                if extractor is not None and network == extractor:
                    raise ConfigError(
                        f"{source}: objective.{name}.extractor = {extractor} takes part in "
                        f"training ({setting}): what it sees is what the generator learns to "
                        "please. Choose another, such as "
                        f"{'inception' if extractor == USUAL_EXTRACTOR else USUAL_EXTRACTOR}."
                    )


# What sweeps looked for before they could say it.
EARLIER = Objective(measures={"distance": DistanceConfig(extractor="random")})


def parse_objective(tables: Any, source: str) -> Objective:
    """The objective that the table [objective] declares; an empty one is the default.

    Raises ConfigError naming `source` and the key: an unknown measure (with the nearest name), an
    unknown key, a value out of range.
    """
    if not isinstance(tables, dict):
        raise ConfigError(f"{source}: objective must be a table, not {tables!r}.")
    for name, table in tables.items():
        if name not in KINDS:
            near = get_close_matches(name, KINDS, n=1)
            hint = f"did you mean {near[0]}?" if near else f"known: {', '.join(KINDS)}."
            raise ConfigError(f"{source}: unknown measure objective.{name}; {hint}")
        if not isinstance(table, dict):
            raise ConfigError(
                f"{source}: objective.{name} = {table!r} must be a table: [objective.{name}]."
            )
    measures = {
        name: _absolute(from_dict(KINDS[name], table, source, f"objective.{name}."))
        for name, table in tables.items()
    }
    return Objective(measures=measures) if measures else Objective()


def _absolute(measure: Measure) -> Measure:
    """Trials run in other folders, on other nodes."""
    if isinstance(measure, FaithfulnessConfig):
        return replace(measure, segmenter=measure.segmenter.absolute())
    path = Path(measure.extractor)
    if path.name == measure.extractor and not path.exists():
        return measure
    # Here, because it imports torch: seldom is an extractor a file.
    from eval.extractors.choice import ExtractorName

    named = measure.extractor in get_args(ExtractorName)
    return measure if named else replace(measure, extractor=str(path.absolute()))


def _extractor_of(measure: Measure) -> str | None:
    if isinstance(measure, FaithfulnessConfig):
        return None
    unused = isinstance(measure, C2stConfig) and measure.features == "texture"
    return None if unused else measure.extractor


def _cost(value: float, measure: Measure) -> float:
    if math.isnan(value):
        return math.inf
    return value if measure.better == "lower" else -value


def _words(name: str, measure: Measure) -> str:
    if isinstance(measure, DistanceConfig):
        return f"Fréchet distance ({Path(measure.extractor).name})"
    if isinstance(measure, FaithfulnessConfig):
        return f"{measure.score.replace('_', ' ')} by a segmenter"
    what = "textures" if measure.features == "texture" else Path(measure.extractor).name
    return f"C2ST AUC ({what}, scale {measure.scale})"
