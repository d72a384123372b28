"""`histosyn synth`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter
from cyclopts.validators import Number as InRange

from histosyn.synthesis.resolution import SaidResolution
from launch.argument_types import Processes
from launch.input_checks import check_inputs
from launch.terminal.console import say


def synth(
    model: Path,
    labels: Path,
    out: Path,
    *,
    seed: int = 0,
    variants: int = 1,
    overwrite: bool = False,
    source_mpp: Annotated[float | None, Parameter(validator=InRange(gt=0))] = None,
    base_mpp: Annotated[float | None, Parameter(validator=InRange(gt=0))] = None,
    resolutions: Path | None = None,
    stain: Path | None = None,
    stain_group: str | None = None,
    output: Literal["auto", "png", "tiff"] = "auto",
    compression: Literal["jpeg", "deflate"] = "jpeg",
    memory: Annotated[float, Parameter(validator=InRange(gt=0))] = 2.0,
    extent: str | None = None,
    unannotated: str | None = None,
    least_region: Annotated[int, Parameter(validator=InRange(gte=0))] = 0,
    like: Path | None = None,
    edited: bool = False,
    reroll: str | None = None,
    reroll_seed: int = 1,
    keep_if_read: Path | None = None,
    least_dice: Annotated[float, Parameter(validator=InRange(gt=0, lte=1))] = 0.8,
    most_tries: Annotated[int, Parameter(validator=InRange(gte=1))] = 8,
    part: str | None = None,
    device: Literal["auto", "cpu", "cuda"] = "auto",
    precision: Literal["auto", "float32", "bfloat16"] = "float32",
    processes: Processes = None,
) -> None:
    """Turn a folder of label maps into a folder of tissue.

    NAME.png (or NAME.v1.png, NAME.v2.png, ... with variants) depends on the label map, the model,
    the seed and the name alone. A second run makes only what is missing. OUT/manifest.jsonl and a
    text chunk in every PNG say how it was made.

    Example: histosyn synth runs/first labels tissue --variants 3

    On several GPUs, or CPU cores: histosyn synth --processes 4 ...

    Parameters
    ----------
    model
        A model folder, a checkpoint, or a run folder (its newest checkpoint).
    labels
        Folder of label maps in the model's schema: class indices or colours, of any size; or
        GeoJSON annotations with its classes (docs/slides.md); or shards, such as packed/val, whose
        label maps are then written to OUT-labels first.
    out
        Folder for the tiles.
    seed
        Decides the noise.
    variants
        Tiles for each label map.
    overwrite
        Replace tiles in OUT that were made with another model, seed or label map.
    source_mpp
        Microns per pixel of the label maps. If they are not the model's, the label maps are
        resampled, and the tiles have another size than they: nuclei keep their size in microns.
    base_mpp
        Microns per pixel of the slides, for label maps that QuPath named, such as
        `slide [d=2,x=0,y=0,w=512,h=512].png`: d times as much.
    resolutions
        CSV with the columns tile and mpp: microns per pixel of each label map. It goes before
        --base-mpp, that before --source-mpp, and these before a tag in the file.
    stain
        A tile whose stain all get, or a folder of tiles with one of each label map's name. Without
        it, each gets that of some training tile, drawn by seed, name and variant.
    stain_group
        Draw among the training tiles of this group only, such as a patient or a slide.
    output
        auto makes a pyramidal TIFF, NAME.tif, of what has more than 4096 x 4096 pixels, and beside
        it NAME.geojson, the label map as annotations; OpenSlide and QuPath read both. tiff and png
        make all outputs so.
    compression
        Of the tiles of a TIFF: jpeg as slides have it, or deflate, which loses nothing.
    memory
        GiB that making an image may take, whatever its size, beside a PNG itself.
    extent
        WIDTHxHEIGHT in pixels of the images that GeoJSON annotations belong to; otherwise their
        "bbox" says it.
    unannotated
        The class where GeoJSON has no annotation; otherwise what the schema ignores.
    least_region
        Pixels of the smallest regions that NAME.geojson outlines; by default all, which is exact. 8
        leaves out specks, up to a third of all regions, and no nuclei.
    like
        A manifest.jsonl, of `synth` or of `histosyn paint`: make the tiles that it tells of again,
        with their seeds, variants, resampling and re-rolled areas. The same model is needed.
    edited
        LABELS holds edited label maps of the tiles of --like: they are made again with the same
        noise. OUT-changes gets a picture for each: before, after, and the changed pixels; the
        manifest has their share.
    reroll
        Give parts of the tiles other noise, and leave the rest as it is: a class of the schema, or
        a mask (what is not black), or GeoJSON, or a folder of these with the names of the label
        maps. Pictures and shares as with --edited.
    reroll_seed
        Decides the noise there.
    keep_if_read
        A segmenter (`histosyn eval segmenter train`): each tile is tried with other noise until it
        reads what the label map asks for, and the best is kept. The manifest says what was tried
        and kept. Selected tiles are easier to read than others, which biases what is measured.
    least_dice
        Mean Dice of the classes in the label map that is well enough.
    most_tries
        Tries for a tile.
    part
        Make one part only, such as 3/16, while other processes make the others. Then run the
        command without it: it makes what is missing and writes one manifest. `histosyn submit
        synth --parts 16` does all that.
    device
        Where to compute; auto takes the GPU if there is one.
    precision
        bfloat16 takes about half the time and memory where the device computes it natively, and
        many times the time where it does not; its tiles differ a little from float32's. auto takes
        what the tiles in OUT were made in, else bfloat16 where it is native, else float32.
    processes
        Start so many processes on this machine, one a GPU where there are GPUs; they share the
        tiles, which are the same for any number.
    """
    said = SaidResolution(source_mpp=source_mpp, base_mpp=base_mpp, table=resolutions)
    check_inputs(
        model=model,
        segmenter=keep_if_read,
        folders={"folder of label maps": labels},
        files={"--like": like, "--resolutions": resolutions},
        paths={"--stain": stain},
    )
    # Imported only here, so that help and wrong paths do not wait for torch.
    from histosyn.models.folder import load_model
    from histosyn.synthesis.folder import SynthesisConfig, synthesize_folder
    from histosyn.synthesis.precision import precision_of_tiles
    from histosyn.synthesis.reroll_choice import RerollChoice
    from histosyn.synthesis.slide_config import SlideConfig, parse_extent
    from histosyn.synthesis.stain_choice import StainChoice
    from hpc.errors import PartialFailureError
    from hpc.job_array import WHOLE, parse_part
    from hpc.log import set_up_logging, track
    from hpc.process_group import device_of, process_group
    from hpc.topology import detect
    from launch.label_folder import label_folder
    from launch.reading import Reading

    topology = detect()
    set_up_logging(topology)
    config = SynthesisConfig(
        seed=seed,
        variants=variants,
        overwrite=overwrite,
        resolution=said,
        stain=StainChoice(reference=stain, group=stain_group),
        output=SlideConfig(
            output=output,
            codec=compression,
            memory_gib=memory,
            extent=None if extent is None else parse_extent(extent),
            unannotated=unannotated,
            least_region=least_region,
        ),
        like=like,
        edited=edited,
        reroll=None if reroll is None else RerollChoice(what=reroll, seed=reroll_seed),
        part=WHOLE if part is None else parse_part(part),
    )
    here = device_of(topology, device)
    with process_group(topology, here):
        chosen = precision_of_tiles(precision, here, out, like=like, part=config.part)
        ready = load_model(model, here, chosen)
        if keep_if_read is not None:
            reading = Reading(segmenter=keep_if_read, least_dice=least_dice, most_tries=most_tries)
            config = replace(config, selection=reading.selection(ready.facts.schema, here))
        maps = label_folder(labels, out, lambda jobs, total: track(jobs, total=total, what="maps"))
        if maps.mpp and ready.facts.mpp and like is None and not said.given:
            config = replace(config, resolution=SaidResolution(source_mpp=maps.mpp))
        outcome = synthesize_folder(
            ready,
            maps.path,
            out,
            config,
            topology,
            (lambda units: track(units, total=len(units), what="synth"))
            if topology.is_first
            else iter,
        )
    if not topology.is_first:
        return
    say(f"{len(outcome.made)} made, {len(outcome.present)} already there, in {out}")
    if outcome.selected is not None:
        say(outcome.selected)
    if outcome.failed:
        raise PartialFailureError(
            "\n".join(outcome.failed.values())
            + f"\n{_counted(len(outcome.failed), 'label map')} failed, the others are done. "
            "Correct them and run the same command again: it makes what is missing."
        )


def _counted(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
