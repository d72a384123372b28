"""One new label map: attempts are planned, made and checked until one is possible."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import numpy as np

from histosyn.new_labels.boundaries import roughened
from histosyn.new_labels.checks import Fault, fault_of
from histosyn.new_labels.contacts import parted
from histosyn.new_labels.crumbs import without_crumbs
from histosyn.new_labels.growing import grown, window_of
from histosyn.new_labels.likeness import KindLikeness
from histosyn.new_labels.objects import rearranged
from histosyn.new_labels.plan import Plan, planned, random_of
from histosyn.new_labels.procedural import drawn
from histosyn.new_labels.records import Record, Source, pixels_sha256
from histosyn.new_labels.regions import taken_apart
from histosyn.new_labels.seams import joined
from histosyn.new_labels.seen import facts_of
from histosyn.new_labels.settings import NewLabelSettings
from histosyn.new_labels.sources import Sources
from histosyn.new_labels.symmetries import flipped
from histosyn.new_labels.warps import warped


@dataclass(frozen=True, kw_only=True, eq=False)
class Work:
    """What new maps are made of and how.

    `weights_N` are the probabilities of the sources, `more` the shares of objects to put in because
    a class is boosted. `recipe` is the digest of all that.
    """

    sources: Sources
    settings: NewLabelSettings
    weights_N: np.ndarray
    more: Mapping[int, float]
    recipe: str

    @cached_property
    def copies(self) -> frozenset[str]:
        """The digests of the sources, none of which is new."""
        return frozenset(one.pixels_sha256 for one in self.sources.maps)

    @cached_property
    def pools(self) -> dict[int, KindLikeness]:
        """By kind, a source that has most of its shapes, for those that have none."""
        measured = (self.sources.likeness(number) for number in range(len(self.sources.maps)))
        best: dict[int, KindLikeness] = {}
        for kind in (kind for one in measured for kind in one.kinds):
            if kind.kind not in best or _shapes(kind) > _shapes(best[kind.kind]):
                best[kind.kind] = kind
        return best


def _shapes(kind: KindLikeness) -> int:
    return sum(map(len, kind.shapes))


@dataclass(frozen=True, kw_only=True, eq=False)
class Made:
    """A new map, uint8 (H, W), and how it was made; or None and what was wrong with attempts."""

    labels_HW: np.ndarray | None
    record: Record | None
    refused: dict[str, int]


def file_of(number: int) -> str:
    """The name of map `number`."""
    return f"new-{number:06d}.png"


def make_map(work: Work, number: int) -> Made:
    """Make map `number`: the first attempt that is possible, of as many as the settings allow."""
    refused: Counter[str] = Counter()
    for attempt in range(work.settings.tries):
        labels_HW, told, used = _attempted(work, number, attempt)
        labels_HW = _cleared(work, labels_HW, told)
        digest = pixels_sha256(labels_HW)
        fault = _fault(work, labels_HW, digest)
        if fault is not None:
            refused[fault] += 1
            continue
        record = Record(
            file=file_of(number),
            number=number,
            seed=work.settings.seed,
            attempt=attempt,
            sources=used,
            operations=told,
            refused=dict(sorted(refused.items())),
            recipe=work.recipe,
            pixels_sha256=digest,
        )
        return Made(labels_HW=labels_HW, record=record, refused=record.refused)
    return Made(labels_HW=None, record=None, refused=dict(refused))


def _attempted(
    work: Work, number: int, attempt: int
) -> tuple[np.ndarray, dict[str, Any], tuple[Source, ...]]:
    """A map, its operations and sources as the manifest tells them."""
    if work.settings.like:
        return drawn_like(work, number, attempt)
    plan = planned(work.settings, work.weights_N, work.sources.sizes, number, attempt)
    labels_HW, told = carried_out(work, plan, number, attempt)
    return labels_HW, told, _sources(work.sources, plan)


def _cleared(work: Work, labels_HW: np.ndarray, told: dict[str, Any]) -> np.ndarray:
    """Without objects that are too small, which else would be refused."""
    slack, sources = work.settings.slack, work.sources
    if slack is None or not sources.kinds:
        return labels_HW
    least = sources.seen.least_area / (1 + slack)
    cleared_HW, crumbs = without_crumbs(labels_HW, sources.kinds, least.tolist(), sources.ignore)
    if crumbs:
        told["crumbs"] = crumbs
    return cleared_HW


def _fault(work: Work, labels_HW: np.ndarray, digest: str) -> Fault | None:
    if digest in work.copies:
        return "copy"
    slack = work.settings.slack
    if slack is None:
        return None
    facts = facts_of(labels_HW, len(work.sources.schema), work.sources.kinds)
    return fault_of(facts, work.sources.seen, slack)


def drawn_like(
    work: Work, number: int, attempt: int
) -> tuple[np.ndarray, dict[str, Any], tuple[Source, ...]]:
    """A map from nothing, uint8 (H, W), in the measures of one of the sources."""
    sources, settings = work.sources, work.settings

    def rng(purpose: str) -> np.random.Generator:
        return random_of(settings, number, attempt, f"like {purpose}")

    base = int(rng("choice").choice(len(work.weights_N), p=work.weights_N))
    size = settings.size or sources.sizes[base]
    labels_HW, counts = drawn(sources.likeness(base), work.pools, size, rng, work.more)
    if settings.slack is not None:
        labels_HW = parted(labels_HW, sources.seen, settings.slack)
    names = {sources.schema.classes[kind].name: count for kind, count in counts.items()}
    told = {"size": list(size), "drawn": names}
    return labels_HW, told, (_source(sources, base, "like"),)


def carried_out(
    work: Work, plan: Plan, number: int, attempt: int
) -> tuple[np.ndarray, dict[str, Any]]:
    """The map of a plan, uint8 (H, W), and its operations as the manifest tells them."""
    sources, settings = work.sources, work.settings

    def rng(purpose: str) -> np.random.Generator:
        return random_of(settings, number, attempt, purpose)

    size = settings.size or sources.sizes[plan.base]
    told: dict[str, Any] = {"size": list(size)}
    if plan.grown:
        maps = [sources.read(each) for each in (plan.base, *plan.grown)]
        labels_HW = grown(maps, size, sources.kinds, rng("grow"))
    else:
        labels_HW = _window(sources.read(plan.base), size, rng("window"))
    if plan.partner is not None:
        other_HW = _window(sources.read(plan.partner), size, rng("partner"))
        if plan.across:
            labels_HW = joined(labels_HW.T, other_HW.T, sources.kinds, plan.seam).T
        else:
            labels_HW = joined(labels_HW, other_HW, sources.kinds, plan.seam)
        told["join"] = {"seam": plan.seam, "across": plan.across}
    if plan.symmetry:
        labels_HW = flipped(labels_HW, plan.symmetry)
        told["symmetry"] = plan.symmetry
    if (plan.turn, plan.zoom, plan.bend) != (0, 1, 0):
        labels_HW = warped(labels_HW, rng("warp"), turn=plan.turn, zoom=plan.zoom, bend=plan.bend)
        told["warp"] = {"turn": plan.turn, "zoom": plan.zoom, "bend": plan.bend}
    if plan.changes is not None and sources.kinds:
        layers = taken_apart(labels_HW, sources.kinds, sources.ignore)
        labels_HW, moves = rearranged(
            layers, sources.apart(plan.donor), rng("objects"), plan.changes, work.more
        )
        told["objects"] = asdict(plan.changes) | moves.as_dict()
    if plan.roughen:
        labels_HW = roughened(labels_HW, rng("roughen"), most=plan.roughen, ignore=sources.ignore)
        told["roughen"] = plan.roughen
    return np.ascontiguousarray(labels_HW), told


def _window(labels_HW: np.ndarray, size: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    window = window_of(labels_HW, size, rng)
    assert window is not None, "the plan takes no smaller one"
    return window


def _sources(sources: Sources, plan: Plan) -> tuple[Source, ...]:
    used = [("base", plan.base), *(("grow", each) for each in plan.grown)]
    if plan.partner is not None:
        used.append(("join", plan.partner))
    if plan.changes is not None and plan.changes.crowd and sources.kinds:
        used.append(("objects", plan.donor))
    return tuple(_source(sources, number, what) for what, number in used)


def _source(sources: Sources, number: int, used: str) -> Source:
    one = sources.maps[number]
    return Source(file=one.name, sha256=one.sha256, used=used)
