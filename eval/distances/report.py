"""Distances between real and synthetic tiles, and all that belongs beside the numbers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from eval.distances.feature_cache import FeatureCache
from eval.distances.feature_set import FeatureSet, measure, require_same_identity
from eval.distances.measures import FRECHET, all_numbers, floors_of
from eval.distances.part_file import merge_parts
from eval.distances.parts import MeasuredPart, as_feature_set, content_of, measure_together
from eval.distances.spectrum import extractors_of, spectrum_between, spectrum_role
from eval.distances.statistics_file import SUFFIX, read_statistics, write_statistics
from eval.features.content import Content
from eval.features.extractor import Extractor
from eval.features.tile_batches import OnBadTile
from eval.features.tile_sources import StoredTiles, TileFolder, TileShards, TileSource, open_tiles
from eval.file_history.comparison import FileHistory
from eval.file_history.tile_sources import history_between
from eval.statistics.result import Number, Result
from hpc.collectives import run_on_rank_0
from hpc.errors import InputError
from hpc.file_fingerprint import FileFingerprint
from hpc.paths import AnyPath, as_path

FEWEST_TILES = 2048
Side = TileSource | FeatureSet
StoredSide = StoredTiles | FeatureSet


@dataclass(frozen=True, kw_only=True)
class Grouping:
    """Where the groups (patients, slides) of real tiles stand: column `column` of a CSV `file`.

    Packed data sets know their groups themselves.
    """

    file: Path
    column: str = "patient"
    _fingerprint: FileFingerprint = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        # Before it is read; what is recorded of it must be what was read.
        object.__setattr__(self, "_fingerprint", FileFingerprint(self.file))

    def as_dict(self) -> dict[str, str]:
        """For the provenance: the file's name and contents, and the column."""
        return {"groups_file": str(self.file), "groups_sha256": self._fingerprint.sha256(),
                "group_column": self.column}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How sides are measured and compared; none but `seed` and `grouping` changes a number."""

    seed: int = 0
    batch_size: int = 32
    grouping: Grouping | None = None
    save_statistics: Path | None = None
    cache: FeatureCache | None = None
    show_progress: bool = False


def open_side(
    path: AnyPath, *, resize: int | None = None, on_bad_tile: OnBadTile = "error"
) -> StoredSide:
    """A folder of tiles or of shards, or a statistics file if `path` ends in .npz.

    Raises InputError if it is missing, empty or unreadable.
    """
    path = as_path(path, "tiles")
    if path.suffix.lower() == SUFFIX:
        return read_statistics(path)
    return open_tiles(path, resize=resize, on_bad_tile=on_bad_tile)


def distance_between(
    real: Side, synthetic: Side, extractor: Extractor | None, settings: Settings = Settings()
) -> Result:
    """Measure the sides that are tiles and compare; `extractor` is None if neither is.

    All ranks measure, the first compares, and every rank returns the result. With
    `save_statistics`, the sides measured are written to `real.npz` and `synthetic.npz` in that
    folder. Raises InputError if the sides do not fit together.
    """
    sides = {"real": real, "synthetic": synthetic}
    if extractor is not None:
        for side in sides.values():
            if isinstance(side, FeatureSet):
                require_same_identity(side, extractor.identity, "the extractor asked for")
    measured: dict[str, _Measured] = {}
    for role, side in sides.items():
        measured |= _measured(role, side, extractors_of(role, sides, extractor), settings)
    return run_on_rank_0(lambda: _finished(sides, measured, settings, {}))


def distance_of_parts(
    real: StoredSide, synthetic: StoredSide, folder: Path, settings: Settings = Settings()
) -> Result:
    """Compare the sides, those that are tiles as their parts in `folder` have measured them.

    Raises InputError if parts are missing or do not fit together.
    """
    sides: dict[str, Side] = {"real": real, "synthetic": synthetic}
    measured, more = {}, {}
    for role, side in {"real": real, "synthetic": synthetic}.items():
        if isinstance(side, FeatureSet):
            measured[role] = _Measured(feature_set=side)
            continue
        for left in _roles_of_parts(role, sides):
            part, count = merge_parts(side, left, folder)
            measured[left] = _of_part(side, part)
        more = {"parts": count}
    return _finished(sides, measured, settings, more)


@dataclass(frozen=True, kw_only=True)
class _Measured:
    """A side, and which settings were those of its measuring."""

    feature_set: FeatureSet
    settings: Mapping[str, Any] = field(default_factory=dict)


def _roles_of_parts(role: str, sides: Mapping[str, Side]) -> list[str]:
    with_statistics = any(isinstance(side, FeatureSet) for side in sides.values())
    return [role] if with_statistics else [role, spectrum_role(role)]


def _measured(
    role: str, side: Side, extractors: Mapping[str, Extractor], settings: Settings
) -> dict[str, _Measured]:
    """A side by each of the extractors, by their roles."""
    if isinstance(side, FeatureSet):
        return {role: _Measured(feature_set=side)}
    if not extractors:
        raise InputError(f"{side.name} holds tiles: an extractor is needed to measure them.")
    if isinstance(side, (TileFolder, TileShards)):
        content = None if settings.cache is None else content_of(side)[0]
        return {
            each: _stored(side, extractor, settings, each, content)
            for each, extractor in extractors.items()
        }
    made = {"batch_size": settings.batch_size}
    return {
        each: _Measured(
            feature_set=measure(
                side, extractor, batch_size=settings.batch_size, progress=_shown(each, settings)
            ),
            settings=made | {"device": str(extractor.device)},
        )
        for each, extractor in extractors.items()
    }


def _shown(role: str, settings: Settings) -> str | None:
    return role if settings.show_progress else None


def _stored(
    side: StoredTiles, extractor: Extractor, settings: Settings, role: str, content: Content | None
) -> _Measured:
    cache, shown = settings.cache, _shown(role, settings)
    if cache is None or content is None:
        part = measure_together(side, extractor, batch_size=settings.batch_size, progress=shown)
        return _of_part(side, part)
    path = cache.path(side, extractor.identity, content)
    found = run_on_rank_0(lambda: cache.load(path, extractor.identity))
    if found is None:
        found = measure_together(side, extractor, batch_size=settings.batch_size, progress=shown)
        run_on_rank_0(lambda: cache.store(path, found))
    return _of_part(side, found)


def _of_part(side: StoredTiles, part: MeasuredPart) -> _Measured:
    return _Measured(
        feature_set=as_feature_set(side, part),
        settings={"batch_size": part.batch_size, "device": part.device},
    )


def _finished(
    sides: Mapping[str, Side],
    measured: Mapping[str, _Measured],
    settings: Settings,
    more: Mapping[str, Any],
) -> Result:
    made: dict[str, Any] = {}
    for role in sides:
        one = measured[role]
        made |= one.settings
        is_new = not isinstance(sides[role], FeatureSet)
        if settings.save_statistics is not None and is_new:
            write_statistics(settings.save_statistics / f"{role}{SUFFIX}", one.feature_set)
    real, synthetic = measured["real"].feature_set, measured["synthetic"].feature_set
    result = compare(
        real,
        synthetic,
        groups=groups_of_side(sides["real"], real, settings.grouping),
        seed=settings.seed,
    )
    spectra = [measured[spectrum_role(role)].feature_set for role in sides
               if spectrum_role(role) in measured]  # fmt: skip
    if spectra:
        groups = groups_of_side(sides["real"], spectra[0], settings.grouping)
        numbers = spectrum_between(*spectra, groups=groups, seed=settings.seed)
        result = replace(result, numbers=(*result.numbers, *numbers))
    if settings.grouping is not None:
        made |= settings.grouping.as_dict()
    history = history_of_sides(sides, settings.seed)
    return with_history(replace(result, settings=result.settings | made | dict(more)), history)


def history_of_sides(sides: Mapping[str, Side], seed: int) -> FileHistory | None:
    """What tells the sides apart besides tissue; None of sides that are no files."""
    real, synthetic = sides["real"], sides["synthetic"]
    if not isinstance(real, StoredTiles) or not isinstance(synthetic, StoredTiles):
        return None
    return history_between(real, synthetic, seed=seed)


def with_history(result: Result, history: FileHistory | None) -> Result:
    """The result with what the files tell: all of it in a table, a difference as a warning."""
    if history is None:
        return result
    warnings = () if history.warning is None else (history.warning,)
    return replace(
        result,
        warnings=(*result.warnings, *warnings),
        tables=result.tables | {"file_history": history.as_dict()},
    )


def groups_of_side(
    side: Side, measured: FeatureSet, grouping: Grouping | None
) -> Sequence[str] | None:
    """The groups of the tiles whose features are kept, from shards or a table; None if unknown."""
    if isinstance(side, TileShards) and grouping is None:
        return side.groups(measured.tile_names)
    if grouping is None:
        return None
    if isinstance(side, TileFolder):
        return side.groups(measured.tile_names, grouping.file, grouping.column)
    raise InputError(
        f"{measured.name} is no folder of tiles: shards know their groups, statistics have none. "
        "Leave --groups out."
    )


def compare(
    real: FeatureSet,
    synthetic: FeatureSet,
    *,
    groups: Sequence[str] | None = None,
    seed: int = 0,
) -> Result:
    """The numbers between two feature sets with their floors, provenance and warnings.

    `groups` are those of the real tiles whose features are kept, for the floors.
    """
    identity = real.identity or synthetic.identity
    return Result(
        kind="fid",
        inputs={"real": _described(real), "synthetic": _described(synthetic)},
        settings={
            "extractor": identity.name if identity else None,
            "weights_sha256": identity.weights_sha256 if identity else None,
            "preprocessing": identity.preprocessing if identity else None,
            "groups": None if groups is None else len(set(groups)),
            "seed": seed,
        },
        numbers=all_numbers(real, synthetic, groups=groups, seed=seed),
        warnings=(*_warnings(real, synthetic), *_group_warnings(real, groups)),
    )


def real_floor(real: FeatureSet, *, seed: int = 0) -> Number:
    """The Fréchet distance between random halves of the real tiles (see `floors_of`)."""
    return floors_of(FRECHET, real, seed=seed)[0]


def _described(feature_set: FeatureSet) -> dict[str, Any]:
    return {
        "name": feature_set.name,
        "n": feature_set.n,
        "tile_size": feature_set.tile_size,
        "preparation": feature_set.preparation,
        "content": asdict(feature_set.content) if feature_set.content else None,
        "bad_tiles": list(feature_set.bad),
    }


def _group_warnings(real: FeatureSet, groups: Sequence[str] | None) -> Iterator[str]:
    if groups is not None:
        yield (
            "Intervals take tiles as independent, which those of one patient or slide are not: "
            f"with {len(set(groups))} groups they are too narrow. The floor keeps groups whole."
        )
    elif real.tile_names and real.content is not None:
        yield (
            "The floor takes tiles as independent. If several are of one patient or slide it lies "
            "far too low: --groups keeps patients whole."
        )


def _warnings(real: FeatureSet, synthetic: FeatureSet) -> Iterator[str]:
    identity = real.identity or synthetic.identity
    if identity is not None and identity.caveat is not None:
        yield identity.caveat
    for side in (real, synthetic):
        if side.identity is None:
            yield (
                f"{side.name} does not say which extractor made it, nor from how many tiles: that "
                "it fits the other side is taken on trust."
            )
    for side in (real, synthetic):
        if side.bad:
            yield (
                f"{len(side.bad)} tiles of {side.name} were left out because they cannot be "
                f"measured, first: {side.bad[0]}"
            )
    if any(side.n is not None and side.n < FEWEST_TILES for side in (real, synthetic)):
        yield (
            f"Fewer than {FEWEST_TILES} tiles on a side (real {real.n}, synthetic {synthetic.n}): "
            "the estimate is biased upward. Compare it only with values from as many tiles, and "
            "with the floor."
        )
    if real.tile_size and synthetic.tile_size and real.tile_size != synthetic.tile_size:
        (real_height, real_width), (height, width) = real.tile_size, synthetic.tile_size
        yield (
            f"Real tiles are {real_width}x{real_height} pixels, synthetic ones {width}x{height}: "
            "part of the distance is scale or sharpness, not tissue."
        )
