"""A folder of new label maps: what is missing is made, whole files, the same on any processes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from histosyn.labels.label_map import LabelSchema, read_label_map
from histosyn.manifests.manifest import Entries, out_lock, read_manifest, write_manifest
from histosyn.new_labels.checks import FAULTS
from histosyn.new_labels.making import Made, Work, file_of, make_map
from histosyn.new_labels.records import mark_of, marked_png_bytes, pixels_sha256
from histosyn.new_labels.settings import NewLabelSettings
from histosyn.new_labels.sources import Sources, read_sources
from histosyn.new_labels.symmetries import ALL, KEEPING_SHAPE
from histosyn.new_labels.weights import objects_to_add, source_weights
from hpc.errors import HistosynError, InputError
from hpc.files import sha256_of_bytes, write_bytes
from hpc.job_array import WHOLE, Part
from hpc.parallel import map_in_order
from hpc.temporary_names import remove_leftovers

Track = Callable[[Iterable[dict[str, Any]], int], Iterable[dict[str, Any]]]


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a run did: maps made and there already, attempts refused, by what was impossible.

    `failed` are the numbers for which no attempt was possible.
    """

    made: int
    present: int
    refused: dict[str, int]
    failed: tuple[int, ...]
    sources: int


def write_new_labels(
    labels: Path,
    out: Path,
    schema: LabelSchema | None,
    count: int,
    settings: NewLabelSettings | None = None,
    *,
    processes: int | None = None,
    part: Part = WHOLE,
    objects: bool = True,
    overwrite: bool = False,
    track: Track = lambda lines, total: lines,
) -> Outcome:
    """Write new maps 0 to `count` - 1 of the label maps below `labels` into `out`, if missing.

    Map n is a function of the sources, the settings and n alone. `track` sees what is made go by.

    Raises InputError, before anything is made, for what is no folder of label maps of the schema,
    for a count that cannot be reached, and if `out` holds other files.
    """
    settings = settings or NewLabelSettings()
    if count < 1:
        raise InputError(f"count is {count}: there is nothing to make. Give 1 or more.")
    if out.resolve().is_relative_to(labels.resolve()):
        raise InputError(
            f"{out} lies in the folder of label maps, {labels}. Choose an OUT folder beside it."
        )
    work = planned_work(read_sources(labels, schema, processes, objects=objects), settings)
    _refuse_too_many(work.sources, settings, count)
    numbers = list(part.share(count))
    share = ("", "") if part == WHOLE else (f"{work.recipe} {count} {part.count}", str(part))
    with out_lock(out, work=share[0], share=share[1]):
        remove_leftovers(out)
        present = _present(out, work, numbers, overwrite=overwrite)
        missing = [number for number in numbers if file_of(number) not in present]
        lines = map_in_order(partial(_write, work=work, out=out), missing, processes, batch=4)
        made: Entries = {}
        failed, refused = [], Counter[str]()
        for line in track(lines, len(missing)):
            refused.update(line["refused"])
            if "file" in line:
                made[line["file"]] = line
            else:
                failed.append(int(line["number"]))
        write_manifest(out, present | made, part)
    return Outcome(
        made=len(made), present=len(present), refused=dict(refused), failed=tuple(failed),
        sources=len(work.sources.maps),
    )  # fmt: skip


def planned_work(sources: Sources, settings: NewLabelSettings) -> Work:
    """What is made of the sources: InputError if no choice of them has so much of a class."""
    names = [each.name for each in sources.schema.classes]
    weights_N = source_weights(sources.shares, settings.boost, names, sources.kinds)
    recipe = settings.digest(
        {one.name: one.sha256 for one in sources.maps},
        sources.schema.as_dict() | {"objects": list(sources.kinds)},
    )
    return Work(
        sources=sources,
        settings=settings,
        weights_N=weights_N,
        more=objects_to_add(sources.shares, weights_N, settings.boost),
        recipe=recipe,
    )


def refusals_text(refused: dict[str, int]) -> str:
    """What was impossible, the commonest first: "12 times classes touch that ..."."""
    order = sorted(refused.items(), key=lambda item: (-item[1], item[0]))
    return "; ".join(f"{times} times {FAULTS[what]}" for what, times in order)


def _refuse_too_many(sources: Sources, settings: NewLabelSettings, count: int) -> None:
    """Flips alone give so many maps and no more."""
    if settings.bends:
        return
    ways = [(ALL if h == w else KEEPING_SHAPE) - 1 for h, w in sources.sizes]
    most = sum(ways) if settings.flips else 0
    if count > most:
        raise InputError(
            f"--count {count} is more than can be made: flips alone give at most {most} maps that "
            "are not there yet. Ask for fewer, or give other operations a range."
        )


def _present(out: Path, work: Work, numbers: Sequence[int], *, overwrite: bool) -> Entries:
    """The lines of maps that are done; InputError for what must not be replaced."""
    present: Entries = {}
    ours = read_manifest(out)
    for number in numbers:
        path = out / file_of(number)
        if not path.exists():
            continue
        mark = mark_of(path)
        if mark is None and path.name in ours:
            continue  # it was damaged since
        if mark is None:
            raise InputError(
                f"{path} is no label map that histosyn labels made. Choose another OUT folder."
            )
        if mark.recipe != work.recipe or mark.number != number:
            if overwrite:
                continue
            raise InputError(
                f"{path} was made with other settings, or of other label maps. Choose another OUT "
                "folder, or pass --overwrite to replace."
            )
        # What is damaged is made again.
        with suppress(HistosynError):
            if pixels_sha256(read_label_map(path, work.sources.schema)) == mark.pixels_sha256:
                present[mark.file] = _line(asdict(mark), path.read_bytes())
    return present


def _write(number: int, *, work: Work, out: Path) -> dict[str, Any]:
    made = make_map(work, number)
    return _written(made, out, work.sources.schema) or {"number": number, "refused": made.refused}


def _written(made: Made, out: Path, schema: LabelSchema) -> dict[str, Any] | None:
    if made.labels_HW is None or made.record is None:
        return None
    data = marked_png_bytes(made.labels_HW, schema, made.record)
    write_bytes(out / made.record.file, data)
    return _line(asdict(made.record), data)


def _line(record: dict[str, Any], data: bytes) -> dict[str, Any]:
    """A line of the manifest."""
    return record | {"output_sha256": sha256_of_bytes(data)}
