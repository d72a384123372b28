"""`histosyn study make`: a blinded reader study, one file for each reader."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter
from cyclopts.validators import Number as InRange

from eval.study.design import Primary, Statistic, Task
from hpc.errors import InputError
from launch.input_checks import check_inputs
from launch.output_checks import check_output_folder
from launch.terminal.study import show_made

_MOST_BYTES = 20_000


def make(
    real: Path,
    synthetic: Path,
    out: Path,
    /,
    *,
    task: Task = "discriminate",
    readers: Annotated[int, Parameter(validator=InRange(gte=1, lte=99))] = 5,
    images: Annotated[int, Parameter(validator=InRange(gte=4))] = 100,
    margin: Annotated[float, Parameter(validator=InRange(gt=0, lt=2))],
    primary: Primary | None = None,
    statistic: Statistic = "krippendorff_alpha_ordinal",
    categories: str | None = None,
    levels: Annotated[int, Parameter(validator=InRange(gte=1, lte=3))] = 3,
    repeats: Annotated[float, Parameter(validator=InRange(gte=0, lte=0.3))] = 0.1,
    practice: Annotated[int, Parameter(validator=InRange(gte=0))] = 6,
    informed: Annotated[int, Parameter(validator=InRange(gte=0))] = 0,
    feedback: Annotated[int, Parameter(validator=InRange(gte=2))] = 20,
    facts: Path | None = None,
    size: Annotated[int | None, Parameter(validator=InRange(gte=32))] = None,
    format: Literal["jpeg", "png"] = "jpeg",
    quality: Annotated[int, Parameter(validator=InRange(gte=50, lte=100))] = 92,
    even_if_separable: Annotated[bool, Parameter(negative=())] = False,
    title: str = "Reader study",
    instructions: Path | None = None,
    seed: Annotated[int, Parameter(validator=InRange(gte=0))] = 0,
) -> None:
    """A blinded study: one self-contained file for each reader, for any browser, without a network.

    OUT/readers has a file for each reader: give nothing else away. OUT/coordinator has the protocol
    and the sealed key, which `histosyn study read` opens when the answers are back.

    Example: histosyn study make real tissue study --images 100 --readers 5 --margin 0.1

    Example: histosyn study make real tissue study --task both --categories 1,2,3,4,5 --margin 0.1

    Example: histosyn study make real tissue study --task pairs --images 60 --margin 0.1

    Parameters
    ----------
    real
        Folder of real tiles, or of shards.
    synthetic
        Folder of synthetic tiles, or of shards.
    out
        Folder to make; there must be nothing of that name.
    task
        `grade`: a grade of --categories; `discriminate`: real or synthetic, and how sure; `both`;
        `pairs`: which of two images is synthetic (two-alternative forced choice).
    readers
        Number of readers: R1, R2, ...
    images
        Images (of `pairs`: pairs) that each reader sees in a block, half of each arm; repeats and
        practice come on top. All readers see the same ones, each in an order of their own.
    margin
        The largest distance from chance (0.5; of d' and of a difference in agreement: 0) that
        would not matter. It is the claim of the study: set it before anybody reads.
    primary
        The outcome that the claim is about. Default: auc; of `pairs`: pairs; of `grade`: agreement.
    statistic
        Which agreement the claim is about, where --primary is agreement.
    categories
        The grades in their order, for instance 1,2,3,4,5 or none,mild,severe.
    levels
        Levels of confidence on each side; 1: only real or synthetic.
    repeats
        Share of the images that comes twice, for agreement of readers with themselves.
    practice
        Images to get used to the page with; they do not count.
    informed
        Images of a second part, read after feedback. Its files and the feedback are apart: hand
        them out when the first answers are back. 0: no second part.
    feedback
        Images in OUT/coordinator/feedback.html, with their arms, where there is a second part.
    facts
        CSV with the column `tile` and `patient` or `class` or both: images are drawn evenly over
        them. Synthetic tiles have those of the label map of their name.
    size
        Cut so many pixels a side out of the middle of each tile. Needed where sizes differ.
    format
        How all pictures are encoded; `png` keeps every pixel and makes large files.
    quality
        JPEG quality of all pictures.
    even_if_separable
        Make the study although something simple (colour of glass, borders, sharpness, JPEG grid)
        gives the arm away.
    title
        What the page is called.
    instructions
        Text file to show at the beginning, in place of ours.
    seed
        Decides which tiles are shown, and their orders.
    """
    check_output_folder(out.parent, "OUT")
    check_inputs(
        paths={"real tiles": real, "synthetic tiles": synthetic},
        files={"--facts": facts, "--instructions": instructions},
    )
    from eval.features.tile_sources import open_tiles
    from eval.study.design import Design, default_primary
    from eval.study.making import make_study
    from hpc.log import set_up_logging
    from hpc.topology import detect

    set_up_logging(detect())
    chosen: Primary = primary or default_primary(task)
    design = Design(
        task=task,
        readers=readers,
        images=images,
        margin=margin,
        primary=chosen,
        statistic=statistic,
        repeats=repeats,
        practice=practice,
        informed=informed,
        feedback=feedback,
        levels=levels,
        categories=() if categories is None else _listed(categories),
        seed=seed,
        size=size,
        quality=quality if format == "jpeg" else None,
        title=title,
        instructions="" if instructions is None else _text(instructions),
    )
    if out.exists():
        raise InputError(f"{out} exists already: a study is never made again. Choose another name.")
    made = make_study(open_tiles(real), open_tiles(synthetic), out, design, facts=facts,
                      even_if_separable=even_if_separable)  # fmt: skip
    show_made(made, design)


def _listed(option: str) -> tuple[str, ...]:
    return tuple(text.strip() for text in option.split(","))


def _text(path: Path) -> str:
    data = path.read_bytes()
    if len(data) > _MOST_BYTES:
        raise InputError(f"{path} has more than {_MOST_BYTES} bytes. Readers want it shorter.")
    try:
        return data.decode("utf-8-sig").strip()
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is no text in UTF-8 ({error}). Save it as such.") from error
