"""`histosyn labels`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter
from cyclopts.validators import Number as InRange

from hpc.errors import InputError, PartialFailureError
from launch.input_checks import check_inputs
from launch.terminal.console import say

if TYPE_CHECKING:
    from histosyn.labels.schema import LabelSchema

_Share = Annotated[float, Parameter(validator=InRange(gte=0, lte=1))]


def labels(
    labels: Path,
    out: Path | None = None,
    /,
    *,
    count: int,
    like: Path | None = None,
    schema: str | None = None,
    seed: int = 0,
    size: str | None = None,
    boost: Annotated[tuple[str, ...], Parameter(negative=())] = (),
    objects: bool = True,
    flips: bool = True,
    join: _Share = 0.3,
    turn: str = "-15:15",
    zoom: str = "0.9:1.1",
    bend: str = "0:12",
    thin: str = "0:0.2",
    move: str = "0:0.4",
    reach: Annotated[float, Parameter(validator=InRange(gte=0))] = 48.0,
    crowd: str = "0:0.2",
    object_turn: Annotated[float, Parameter(validator=InRange(gte=0, lte=180))] = 180.0,
    object_scale: str = "0.9:1.1",
    roughen: str = "0:1",
    slack: Annotated[float, Parameter(validator=InRange(gte=0))] = 0.25,
    check: bool = True,
    tries: Annotated[int, Parameter(validator=InRange(gte=1))] = 20,
    overwrite: bool = False,
    part: str | None = None,
    processes: Annotated[int | None, Parameter(validator=InRange(gte=1))] = None,
) -> None:
    """Make label maps that nobody drew, out of those there are.

    Maps are bent, turned and joined, their objects moved, thinned out and crowded. Map n depends on
    LABELS, the options and n alone; a second run makes what is missing. OUT/manifest.jsonl and a
    text in each PNG say of which maps and how it was made. Ranges are LOW:HIGH; each map gets a
    value of its own.

    Example: histosyn labels labels new --schema prostate-3 --count 500

    Example: histosyn labels new --like labels --schema prostate-3 --count 500

    Parameters
    ----------
    labels
        Folder of label maps, or of shards such as packed/train, whose label maps are then taken.
        Give those of training patients only.
        With --like there is OUT alone.
    out
        Folder for new-000000.png, new-000001.png, ...
    count
        Number of maps; more are the same ones and more.
    like
        Draw maps from nothing, like those of this folder, instead of out of parts of them: density,
        size, shape, spacing and direction of objects, and the ground below, are measured in one of
        them for each. --size, --boost, --slack and --tries count; the operations do not.
    schema
        prostate-2, prostate-3, colon-10, or a TOML file; a class with `objects = true` is one whose
        connected regions are objects, such as nuclei or glands (docs/labels.md). Of shards it is
        theirs.
    seed
        Decides the maps.
    size
        Side of the new maps in pixels, such as 512, or WIDTHxHEIGHT. Larger ones are put together
        of windows, smaller ones are windows. Without it each is as large as the map it began with.
    boost
        CLASS=2.0: a class is to have twice its usual share; may be given several times. Maps that
        have more of it are drawn more often; if that is not enough, more of its objects are put in.
    objects
        Whether objects are taken from their places at all.
    flips
        Whether maps are flipped, and square ones turned by quarters.
    join
        Share of the maps that are joined with a part of another.
    turn
        Degrees that a map is turned by.
    zoom
        Factor by which it is enlarged.
    bend
        Pixels by which it is bent.
    thin
        Share of the objects that are taken away, what was below being filled in.
    move
        Share of the objects that are moved.
    reach
        Pixels that an object is moved by at most, in each direction.
    crowd
        Share of the number of objects that are put in, from the map itself and another one.
    object_turn
        Degrees that a moved object is turned by at most.
    object_scale
        Factor by which it is enlarged.
    roughen
        Pixels by which boundaries tremble.
    slack
        How far borders between classes and areas of objects may be beyond what LABELS have, as a
        share of it; classes that never touch there do not touch here.
    check
        Whether that is checked. Maps that fail are refused, counted, and tried again.
    tries
        Attempts at a map before it is given up.
    overwrite
        Replace maps in OUT that were made with other settings or of other label maps.
    part
        Make one part only, such as 3/16, while other processes make the others. Then run the
        command without it, which writes one manifest.
    processes
        Processes on this machine; by default as many as the cores are good for. The maps are the
        same for any number.
    """
    labels, out = _folders(labels, out, like)
    check_inputs(folders={"folder of label maps": labels}, schema=schema)
    from histosyn.labels.schema import load_schema
    from histosyn.new_labels.folder import refusals_text, write_new_labels
    from histosyn.new_labels.settings import NewLabelSettings, parse_range
    from histosyn.shards.label_maps import stored_maps
    from hpc.job_array import WHOLE, parse_part
    from hpc.log import set_up_logging, track
    from hpc.topology import Topology

    set_up_logging(Topology())
    _, meaning = stored_maps(labels, None if schema is None else load_schema(schema))
    settings = NewLabelSettings(
        seed=seed,
        like=like is not None,
        size=None if size is None else _size(size),
        boost=dict(_boost(text, meaning) for text in boost),
        join=join,
        flips=flips,
        turn=parse_range(turn, "--turn", -180, 180),
        zoom=parse_range(zoom, "--zoom", 0.25, 4),
        bend=parse_range(bend, "--bend", 0, 1000),
        thin=parse_range(thin, "--thin", 0, 1),
        move=parse_range(move, "--move", 0, 1),
        reach=reach,
        crowd=parse_range(crowd, "--crowd", 0, 10),
        object_turn=object_turn,
        object_scale=parse_range(object_scale, "--object-scale", 0.25, 4),
        roughen=parse_range(roughen, "--roughen", 0, 10),
        slack=slack if check else None,
        tries=tries,
    )
    done = write_new_labels(
        labels,
        out,
        meaning,
        count,
        settings,
        processes=processes,
        part=WHOLE if part is None else parse_part(part),
        objects=objects,
        overwrite=overwrite,
        track=lambda lines, total: track(lines, total=total, what="maps"),
    )
    say(f"{done.made} made, {done.present} already there, of {done.sources} label maps, in {out}")
    if done.refused:
        attempts = sum(done.refused.values())
        say(f"{attempts} attempts were refused: {refusals_text(done.refused)}")
    if done.failed:
        raise PartialFailureError(
            f"{len(done.failed)} maps could not be made in {tries} attempts each, such as number "
            f"{done.failed[0]}: {refusals_text(done.refused)}. The others are done. Give more "
            "--slack, milder ranges, or more label maps."
        )


def _folders(first: Path, second: Path | None, like: Path | None) -> tuple[Path, Path]:
    """The folder of label maps and OUT."""
    if like is None and second is not None:
        return first, second
    if like is not None and second is None:
        return like, first
    raise InputError(
        "Give LABELS and OUT, or, to draw maps from nothing, OUT alone with --like LABELS."
    )


def _size(text: str) -> tuple[int, int]:
    """(H, W) of "512" or "640x480", width first."""
    sides = text.split("x")
    if len(sides) > 2 or not all(side.isascii() and side.isdigit() and 0 < int(side) <= 1 << 14
                                 for side in sides):  # fmt: skip
        raise InputError(f"--size {text} is no size. Write 512, or WIDTHxHEIGHT such as 640x480.")
    return int(sides[-1]), int(sides[0])


def _boost(text: str, schema: LabelSchema) -> tuple[int, float]:
    """Class index and factor of "nuclei=2.0"."""
    name, _, factor = text.rpartition("=")
    names = [item.name for item in schema.classes]
    try:
        times = float(factor)
    except ValueError:
        times = 0.0
    if name not in names or not 0 < times < float("inf"):
        raise InputError(
            f"--boost {text}: write CLASS=2.0 with a class of {schema.name}: {', '.join(names)}."
        )
    return names.index(name), times
