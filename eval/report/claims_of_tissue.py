"""Claims about tiles: distances, classifiers, stain, diversity, copies, faithfulness, utility."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from eval.report.numbers import digits, interval, words
from eval.report.one_claim import (
    Claim,
    Verdict,
    against_one,
    against_range,
    claim_of,
    not_below_one,
)
from eval.report.results_files import Finding
from eval.statistics.result import Number

_FLOOR = "real_versus_real_floor"
_DISTANCES = {"frechet_distance": (_FLOOR, "Fréchet distance"),
              "kid": (f"kid_{_FLOOR}", "kernel distance (KID)")}  # fmt: skip

_ALONE = "real tiles alone"


def fid_claims(one: Finding) -> Iterator[Claim]:
    """Distances against their floor; the weave against what real halves have."""
    for name, (floor_name, title) in _DISTANCES.items():
        number, floor = one.named(name), one.named(floor_name)
        if number is None:
            continue
        ends = range_of(floor)
        yield claim_of(
            number,
            claim="Synthetic tiles lie as near to real ones as real ones do to each other",
            found=f"{title}, {_features(one)}: {digits(number.value)}",
            reference=_floor_words(ends),
            verdict=_judged(one, against_range(number.value, ends)),
            source=one.file,
        )
    yield from _weave(one)


def _judged(one: Finding, verdict: Verdict) -> Verdict:
    """A random network knows no tissue: what it finds near or far supports no claim."""
    return "described" if one.settings.get("extractor") == "random" else verdict


def _weave(one: Finding) -> Iterator[Claim]:
    found = [number for number in one.numbers
             if number.name.startswith("weave_") and not number.name.endswith(_FLOOR)
             and number.value is not None]  # fmt: skip
    if not found:
        return
    worst = max(found, key=lambda number: number.value or 0)
    ends = range_of(one.named(f"{worst.name}_{_FLOOR}"))
    yield claim_of(
        worst,
        claim="No grid of the generator is woven into the tissue",
        found=f"energy at its worst period, {worst.name.removeprefix('weave_')} pixels, synthetic "
        f"over real: {digits(worst.value)}",
        reference=_floor_words(ends),
        verdict=against_range(worst.value, ends),
        source=one.file,
    )


def c2st_claims(one: Finding) -> Iterator[Claim]:
    """Each classifier at its hardest scale."""
    for kind in ("network", "texture"):
        found = [
            number
            for number in one.numbers
            if number.name.startswith(f"auc_{kind}_") and number.value is not None
        ]
        if not found:
            continue
        worst = max(found, key=lambda number: number.value or 0)
        scale = worst.name.rsplit("_", 1)[-1]
        told_apart = worst.interval is not None and worst.interval[0] > 0.5
        verdict: Verdict = "against" if told_apart or worst.value == 1 else "not shown"
        yield claim_of(
            worst,
            claim="A classifier cannot tell synthetic tiles from real ones",
            found=f"{kind} features, easiest at scale {'1' if scale == '1' else f'1/{scale}'}: AUC "
            f"{digits(worst.value)}",
            reference="0.5: cannot tell",
            verdict=verdict,
            source=one.file,
        )


def stain_claims(one: Finding) -> Iterator[Claim]:
    """Hematoxylin and eosin against what real patients have among themselves."""
    for name in ("hematoxylin", "eosin"):
        number = one.named(f"distance_{name}")
        if number is not None:
            ends = _ends(number.details.get("floor"))
            yield claim_of(
                number,
                claim=f"Tissue takes up as much {name} as real tissue does",
                found=f"distance of tile means {digits(number.value)} OD (real "
                f"{digits(number.details.get('real'))}, synthetic "
                f"{digits(number.details.get('synthetic'))})",
                reference=_floor_words(ends),
                verdict=against_range(number.value, ends),
                source=one.file,
            )
        spread = one.named(f"spread_{name}")
        if spread is not None:
            yield _ratio(spread, f"{name.capitalize()} varies as much as between real patients",
                         f"standard deviation, synthetic over real: {digits(spread.value)}",
                         one.file)  # fmt: skip


def diversity_claims(one: Finding) -> Iterator[Claim]:
    """Ratios that should be 1."""
    for number in one.numbers:
        if number.name.startswith("drift"):
            continue
        title = {"variant_diversity": "Variants of a label map differ as real tiles do",
                 "stain_spread": "Stain varies over tiles as in real tissue"}.get(
            number.name, words(number.name))  # fmt: skip
        yield _ratio(number, title, f"synthetic over real: {digits(number.value)}", one.file)


def memorization_claims(one: Finding) -> Iterator[Claim]:
    """Nearer than unseen tissue, and single tiles that are nearer than all of it."""
    for space in ("features", "pixels"):
        ratio, nearer = one.named(f"distance_ratio_{space}"), one.named(f"nearer_than_all_{space}")
        if ratio is not None:
            yield claim_of(
                ratio,
                claim="Synthetic tiles are no nearer to training tiles than unseen tissue is",
                found=f"mean distance by {space}, synthetic over held-out: {digits(ratio.value)}",
                reference="1: as far; below 1: nearer",
                verdict=_judged(one, not_below_one(ratio.interval))
                if space == "features"
                else not_below_one(ratio.interval),
                source=one.file,
            )
        if nearer is not None:
            chance = nearer.details.get("by_chance", 0.0)
            low = nearer.interval[0] if nearer.interval else 0.0
            yield claim_of(
                nearer,
                claim="No synthetic tile is nearer to a training tile than unseen tissue can be",
                found=f"by {space}, {nearer.details.get('count')} of {nearer.n} tiles are nearer "
                "to a training tile than every held-out tile is",
                reference=f"{digits(chance)} by chance",
                verdict="against" if low > chance else "not shown",
                source=one.file,
            )


def label_claims(one: Finding) -> Iterator[Claim]:
    """Each distance against its floor; and whether new maps are new."""
    for number in one.numbers:
        floor = _ends(number.details.get("floor"))
        if floor is None and number.name != "nearest_agreement":
            continue
        if number.name == "nearest_agreement":
            above = number.details.get("more_than_any_real", 0)
            yield claim_of(
                number,
                claim="New label maps are no copies of real ones",
                found=f"agreement with the nearest real map, over that of real maps with those of "
                f"other patients: {digits(number.value)}; {above} of {number.n} agree more than "
                "any real map",
                reference="1: as much",
                verdict="not shown" if above == 0 else "against",
                source=one.file,
            )
            continue
        what, _, of = number.name.partition(" ")
        yield claim_of(
            number,
            claim="New label maps are as real ones" + f": {words(what)} {of}".rstrip(),
            found=f"distance {digits(number.value)} {number.details.get('unit', '')}".rstrip(),
            reference=_floor_words(floor),
            verdict=against_range(number.value, floor),
            source=one.file,
        )


def faithfulness_claims(one: Finding) -> Iterator[Claim]:
    """The mean Dice of the sides, and their difference."""
    for number in one.numbers:
        if number.name != "mean_dice":
            continue
        side = str(number.details.get("side", ""))
        ends = number.interval
        difference = " - " in side
        verdict: Verdict = "described"
        if difference and ends is not None:
            verdict = "against" if ends[1] < 0 else "not shown"
        yield claim_of(
            number,
            claim="A segmenter finds the tissue that the label maps asked for"
            + (" as well as in real tiles" if difference else ""),
            found=f"mean Dice, {side}: {digits(number.value)}",
            reference="0: as in real tiles" if difference else "",
            verdict=verdict,
            source=one.file,
        )


def utility_claims(one: Finding) -> Iterator[Claim]:
    """Differences of mean Dice against the margin that was set before."""
    margin = one.settings.get("margin")
    for number in one.numbers:
        if number.name != "mean_dice_difference":
            continue
        synthetic = learns_from_synthetic(number)
        yield claim_of(
            number,
            claim=f"A segmenter learns as much from {'synthetic tiles' if synthetic else _ALONE}",
            found=str(number.details.get("statement", words(number.name))),
            reference="" if margin is None else f"margin ±{digits(margin)}, set beforehand",
            verdict=_equivalence(number.details.get("equivalence")),
            source=one.file,
        )
        if (number.details.get("conclusions") or {}).get("superior"):
            least = number.details.get("superiority_margin")
            yield claim_of(
                number,
                claim="A segmenter learns more "
                + ("with synthetic tiles" if synthetic else f"from {_ALONE}"),
                found=str(number.details.get("statement")),
                reference=f"more than {digits(least)}, set beforehand",
                verdict="shown",
                source=one.file,
            )


def learns_from_synthetic(number: Number) -> bool:
    """Not so a share of the real tiles, more augmentation, nor the control."""
    details = number.details
    return details.get("schedule", "unknown") is not None and not details.get("is_control")


def _equivalence(test: Any) -> Verdict:
    if not isinstance(test, dict):
        return "described"
    return "shown" if test.get("equivalent") else "not shown"


def _ratio(number: Number, title: str, found: str, source: str) -> Claim:
    return claim_of(number, claim=title, found=found, reference="1: as much",
                    verdict=against_one(number.interval), source=source)  # fmt: skip


def _features(one: Finding) -> str:
    name = one.settings.get("extractor")
    return {"random": "features of a random network", None: "features from files"}.get(
        name, f"features of {name}"
    )


def range_of(floor: Number | None) -> tuple[float, float] | None:
    """The smallest and the largest value among splits of the real tiles."""
    values = (
        [] if floor is None else [v for v in floor.details.get("values") or () if v is not None]
    )
    return (min(values), max(values)) if values else None


def _ends(floor: Any) -> tuple[float, float] | None:
    ends = floor.get("range") if isinstance(floor, dict) else None
    return (float(ends[0]), float(ends[1])) if ends else None


def _floor_words(ends: tuple[float, float] | None) -> str:
    return "" if ends is None else f"real to real: {interval(ends)}"
