"""Agreement of label maps: annotators with each other, or a segmenter with an annotator.

Pixels are what is rated, but tiles (or patients) are what was sampled: neighbouring pixels say the
same, so intervals come from drawing tiles, or whole groups of them, never pixels.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from eval.agreement_statistics import Statistic, measure, statistic_of
from eval.bootstrap import percentile_interval, resamples
from eval.label_facts import Units, label_warnings, rater_facts, units_of
from eval.label_scores import METHODS, UNDEFINED, confusion_of, scores_of
from eval.label_tally import LabelTally, open_raters, tally
from eval.rating_sample import MISSING, Floats, Sample
from eval.result import Number, Result
from histosyn.labels import LabelSchema
from hpc.files import sha256_of_file

INTERVAL_LEVEL = 0.95
_NOMINAL = ("percent_agreement", "fleiss_kappa", "gwet_ac1", "brennan_prediger")


@dataclass(frozen=True, kw_only=True)
class _Drawn:
    """The data as they are and their replicates, with the settings of the intervals."""

    data: Sample
    replicates: Sample
    interval_method: str


def report_label_agreement(
    folders: Sequence[Path],
    schema: LabelSchema,
    *,
    groups: Path | None = None,
    replicates: int,
    seed: int,
) -> Result:
    """Pixel-wise and per-class agreement of two folders of label maps or more.

    `groups` is a CSV tile,patient: whole patients are then drawn. Raises DatasetError for maps that
    cannot be read or differ in size, all of them named, and for a tile that `groups` leaves out.
    """
    counted = tally(open_raters(folders), schema)
    units = units_of(counted, groups)
    drawn = _draw(counted, units, len(schema), replicates=replicates, seed=seed)
    pairs = list(combinations(range(len(counted.raters)), 2))
    numbers = list(_all_raters(counted, drawn, schema))
    for pair in pairs:
        numbers += _pair(counted, pair, drawn, schema)
    return Result(
        kind="label agreement",
        inputs={
            "schema": schema.as_dict(),
            "groups": None if groups is None else str(groups),
            "groups_sha256": None if groups is None else sha256_of_file(groups),
            "raters": [rater_facts(counted, index) for index in range(len(counted.raters))],
        },
        settings={
            "replicates": replicates,
            "seed": seed,
            "resampled": units.name,
            "units": int(units.of_tile.max()) + 1,
            "interval_level": INTERVAL_LEVEL,
            "missing_labels": "pixels to ignore and maps that are not there count as missing",
        },
        numbers=tuple(numbers),
        warnings=tuple(label_warnings(counted, units)),
        tables={"confusion": [_confusion_table(counted, pair, drawn.data) for pair in pairs]},
    )


def _draw(
    counted: LabelTally, units: Units, n_classes: int, *, replicates: int, seed: int
) -> _Drawn:
    pixels_GU = units.summed(counted.pixels_TU)
    blocks = resamples(len(pixels_GU), replicates=replicates, key=(seed, 0))
    times_BU = np.concatenate([times_BG @ pixels_GU for times_BG in blocks])
    data, drawn = (
        Sample(codes_IR=counted.codes_UR, n_categories=n_classes, times_BI=times)
        for times in (pixels_GU.sum(axis=0)[None], times_BU)
    )
    method = f"percentile bootstrap over {units.name}"
    return _Drawn(data=data, replicates=drawn, interval_method=method)


def _all_raters(counted: LabelTally, drawn: _Drawn, schema: LabelSchema) -> Iterator[Number]:
    names = [item.name for item in schema.classes]
    statistics = [statistic_of(name, names) for name in _NOMINAL]
    statistics.append(statistic_of("krippendorff_alpha", names, level="nominal"))
    everyone = tuple(range(len(counted.raters)))
    for statistic in statistics:
        yield _number_of_statistic(statistic, drawn, _about(counted, everyone, "all raters"))
    if len(everyone) > 2:
        for index, name in enumerate(names):
            one, rest = (_against_rest(s, index) for s in (drawn.data, drawn.replicates))
            binary = _Drawn(data=one, replicates=rest, interval_method=drawn.interval_method)
            alpha = statistic_of("krippendorff_alpha", ("rest", name), level="nominal")
            yield _number_of_statistic(alpha, binary, _about(counted, everyone, "all raters", name))


def _against_rest(sample: Sample, index: int) -> Sample:
    codes_UR = np.where(sample.codes_IR == MISSING, MISSING, sample.codes_IR == index)
    return Sample(codes_IR=codes_UR, n_categories=2, times_BI=sample.times_BI)


def _number_of_statistic(statistic: Statistic, drawn: _Drawn, about: dict[str, Any]) -> Number:
    value, reason = measure(statistic, drawn.data)
    values_B = statistic.values(drawn.replicates)
    return _number(statistic.name, value, reason, statistic.method, values_B, drawn, about)


def _pair(
    counted: LabelTally, pair: tuple[int, int], drawn: _Drawn, schema: LabelSchema
) -> Iterator[Number]:
    scores = scores_of(confusion_of(drawn.data.of_raters(pair)))
    replicates = scores_of(confusion_of(drawn.replicates.of_raters(pair)))
    for name, values in scores.items():
        if values.ndim == 1:
            yield _score(
                name, values[0], replicates[name], drawn, _about(counted, pair, "pair of raters")
            )
            continue
        for index, item in enumerate(schema.classes):
            about = _about(counted, pair, "pair of raters", item.name)
            yield _score(name, values[0, index], replicates[name][:, index], drawn, about)


def _score(
    name: str, value: float, values_B: Floats, drawn: _Drawn, about: dict[str, Any]
) -> Number:
    undefined = bool(np.isnan(value))
    return _number(
        name,
        None if undefined else float(value),
        UNDEFINED[name] if undefined else None,
        METHODS[name],
        values_B,
        drawn,
        about,
    )


def _number(
    name: str,
    value: float | None,
    reason: str | None,
    method: str,
    values_B: Floats,
    drawn: _Drawn,
    about: dict[str, Any],
) -> Number:
    interval = None if value is None else percentile_interval(values_B, INTERVAL_LEVEL)
    # One tile drawn again is always itself: an interval of width zero would claim certainty.
    alike = interval is not None and interval[0] == interval[1]
    interval = None if alike else interval
    return Number(
        name=name,
        value=value,
        n=about["tiles"],
        method=method,
        interval=interval,
        interval_level=INTERVAL_LEVEL if interval else None,
        interval_method=drawn.interval_method if interval else None,
        reason=reason,
        details=about
        | {
            "replicates": len(values_B),
            "undefined_replicates": int(np.isnan(values_B).sum()),
            "interval_note": "all replicates alike, so no interval" if alike else None,
        },
    )


def _about(
    counted: LabelTally, raters: tuple[int, ...], compared: str, class_name: str | None = None
) -> dict[str, Any]:
    """Who is compared, on how many tiles that two of them labelled, of which class."""
    labelled_T = counted.labelled_TR[:, list(raters)].sum(axis=1)
    return {
        "compared": compared,
        "raters": [counted.raters[index].name for index in raters],
        "class": class_name,
        "tiles": int((labelled_T > 1).sum()),
    }


def _confusion_table(counted: LabelTally, pair: tuple[int, int], data: Sample) -> dict[str, Any]:
    confusion_KK = confusion_of(data.of_raters(pair))[0]
    return {
        "raters": [counted.raters[index].name for index in pair],
        "pixels": confusion_KK.astype(np.int64).tolist(),
    }
