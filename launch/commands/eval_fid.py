"""`histosyn eval fid`: how far synthetic tiles are from real ones; and `histosyn eval merge`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter
from cyclopts.validators import Number as InRange

from hpc.errors import InputError, PartialFailureError
from hpc.job_array import Part, parse_part
from launch.argument_types import Processes
from launch.input_checks import check_inputs
from launch.output_checks import check_output_file, check_output_folder
from launch.terminal.console import console
from launch.terminal.fid import show

if TYPE_CHECKING:
    from eval.distances.comparison_file import Comparison
    from eval.distances.report import StoredSide
    from eval.features.extractor import Extractor
    from eval.statistics.result import Result


def _require_extractor(_: Any, value: str | Path) -> None:
    if isinstance(value, Path) and not value.exists():
        raise ValueError("There is no such name, file or folder.")


def fid(
    real: Path,
    synthetic: Path,
    /,
    *,
    extractor: Annotated[
        Literal[
            "inception", "inception-clean", "efficientnet-lite0", "efficientnet-lite2", "random"
        ]
        | Path,
        Parameter(validator=_require_extractor),
    ] = "inception",
    inception_weights: Path | None = None,
    run_extractor_code: bool = False,
    resize: Annotated[int | None, Parameter(validator=InRange(gte=16))] = None,
    groups: Path | None = None,
    group_column: str = "patient",
    on_bad_tile: Literal["error", "skip"] = "error",
    batch_size: Annotated[int, Parameter(validator=InRange(gte=1))] = 32,
    seed: int = 0,
    device: Literal["auto", "cpu", "cuda"] = "auto",
    cache: bool = True,
    processes: Processes = None,
    part: str | None = None,
    parts_folder: Path | None = None,
    save_statistics: Path | None = None,
    json: Path | None = None,
) -> None:
    """Distances between two folders of tiles, each with an interval and a real-versus-real floor.

    Fréchet distance, kernel distance (KID), precision, recall, density, coverage; energy by
    frequency, and of the weave that a generator's grid prints: docs/distances.md says what each
    tells. In place of tiles a statistics file will do, also one written by
    pytorch-fid; then there is the Fréchet distance alone.

    On several GPUs, or CPU cores: histosyn eval fid --processes 4 ...

    Parameters
    ----------
    real
        Folder of real tiles (png, jpg, tif, bmp, webp, gif; sub-folders too) or of shards, or a
        statistics
        file (.npz).
    synthetic
        Folder of synthetic tiles or of shards, or a statistics file (.npz).
    extractor
        The network that sees the tiles. `inception` is the FID's, with pytorch-fid's preprocessing;
        `inception-clean` resizes with antialiasing. `efficientnet-lite0` and `-lite2` come with
        the extra `pretrained` and need no file. The folder of a segmenter from
        `histosyn eval segmenter train`, a file of weights with their architecture and
        preprocessing in NAME.toml, or a TorchScript file, which is a program and needs
        --run-extractor-code. `random` needs no weights, and
        its distances are comparable within one run only.
    inception_weights
        Weights file of pytorch-fid's Inception. Without it: the file that the environment variable
        HISTOSYN_INCEPTION_WEIGHTS names, or the one in torch's hub folder. Nothing is downloaded.
    run_extractor_code
        Run the program that a TorchScript extractor is: it can write files and run for ever, so
        give this only for files of people you trust.
    resize
        Bring every tile to this many pixels a side (bicubic). Needed where sizes are mixed.
    groups
        CSV with the columns `tile` and `patient`: the floor then compares halves that have no
        patient in common. A packed data set knows its groups.
    group_column
        Column of the CSV to group by.
    on_bad_tile
        `skip` measures without tiles that cannot be read, names and counts them, and ends with exit
        code 1; `error` names them and ends with 2.
    batch_size
        Tiles a pass through the network on a GPU; on a CPU each is computed alone. It changes speed
        and memory only, but all parts must have the same.
    seed
        Seed of the random extractor, and of the halves that the floor compares.
    device
        Where the network computes; `auto` takes a GPU if there is one.
    cache
        Keep features in $XDG_CACHE_HOME/histosyn/features (~/.cache/...), and use those that are
        there. They are found by the content of the tiles, the weights and the preprocessing.
    processes
        Start so many processes on this machine, one a GPU where there are GPUs; they share the
        tiles, and the numbers are those of one process.
    part
        Measure one part of the tiles only, such as 3/16, into --parts-folder, while other jobs
        measure the others; then `histosyn eval merge`. `histosyn submit eval fid --parts 16` does
        it all.
    parts_folder
        Folder for what parts measure. Without --part: compare what all parts have measured; the
        result is the same as that of one process. --json and --save-statistics come with it.
    save_statistics
        Folder for `real.npz` and `synthetic.npz`: statistics that spare the next run a side.
    json
        File for the result with all that made it: settings, hashes, versions, warnings.
    """
    chosen = _chosen_part(part, parts_folder)
    check_output_file(json, "--json")
    check_output_folder(save_statistics, "--save-statistics")
    check_inputs(
        paths={"real tiles": real, "synthetic tiles": synthetic},
        files={"--inception-weights": inception_weights, "--groups": groups},
    )
    from eval.distances.comparison_file import Comparison

    comparison = Comparison(
        real=real,
        synthetic=synthetic,
        resize=resize,
        on_bad_tile=on_bad_tile,
        groups=groups,
        group_column=group_column,
        seed=seed,
    )
    if parts_folder is not None and chosen is None:
        _compare_parts(comparison, parts_folder, save_statistics, json)
        return
    network = {
        "name": str(extractor),
        "inception_weights": inception_weights,
        "seed": seed,
        "run_code": run_extractor_code,
        "device": device,
    }
    if chosen is not None and parts_folder is not None:
        _measure_parts(comparison, network, chosen, parts_folder, batch_size)
        return
    _measure_and_compare(comparison, network, batch_size, cache, save_statistics, json)


def merge(
    parts_folder: Path,
    /,
    *,
    save_statistics: Path | None = None,
    json: Path | None = None,
) -> None:
    """Compare what all parts of `histosyn eval fid --part I/N --parts-folder FOLDER` measured.

    The numbers are those that one process gives. The tiles are read once more: they must still be
    what they were when the parts were measured.

    Parameters
    ----------
    parts_folder
        The folder that the parts were measured into.
    save_statistics
        Folder for `real.npz` and `synthetic.npz`: statistics that spare the next run a side.
    json
        File for the result with all that made it: settings, hashes, versions, warnings.
    """
    from eval.distances.comparison_file import read_comparison

    _compare_parts(read_comparison(parts_folder), parts_folder, save_statistics, json)


def _compare_parts(
    comparison: Comparison, folder: Path, save_statistics: Path | None, json: Path | None
) -> None:
    from eval.distances.report import distance_of_parts
    from hpc.log import set_up_logging
    from hpc.topology import detect

    set_up_logging(detect())
    check_output_file(json, "--json")
    check_output_folder(save_statistics, "--save-statistics")
    settings = replace(comparison.settings, save_statistics=save_statistics)
    sides = comparison.open_sides()
    _hand_over(distance_of_parts(sides["real"], sides["synthetic"], folder, settings), json)


def _measure_and_compare(
    comparison: Comparison,
    network: dict[str, Any],
    batch_size: int,
    cache: bool,
    save_statistics: Path | None,
    json: Path | None,
) -> None:
    from eval.distances.feature_cache import FeatureCache, default_folder
    from eval.distances.report import distance_between
    from hpc.log import set_up_logging
    from hpc.process_group import device_of, one_error_per_node, process_group
    from hpc.topology import detect

    topology = detect()
    set_up_logging(topology)
    with one_error_per_node(topology):
        sides = comparison.open_sides()
        here = device_of(topology, network["device"])
        extractor = _extractor(sides, network | {"device": here})
    settings = replace(
        comparison.settings,
        batch_size=batch_size,
        save_statistics=save_statistics,
        cache=FeatureCache(folder=default_folder()) if cache else None,
        show_progress=True,
    )
    with process_group(topology, here):
        result = distance_between(sides["real"], sides["synthetic"], extractor, settings)
    if topology.is_first:
        _hand_over(result, json)


def _measure_parts(
    comparison: Comparison,
    network: dict[str, Any],
    part: Part,
    folder: Path,
    batch_size: int,
) -> None:
    from eval.distances.comparison_file import write_comparison
    from eval.distances.feature_set import FeatureSet
    from eval.distances.part_file import part_path, write_part
    from eval.distances.parts import measure_part
    from eval.distances.spectrum import extractors_of
    from hpc.log import set_up_logging
    from hpc.process_group import device_of
    from hpc.topology import detect

    topology = detect()
    if topology.world_size > 1:
        raise InputError("--part is for jobs of one process. Start it without torchrun.")
    set_up_logging(topology)
    sides = comparison.open_sides()
    extractor = _extractor(sides, network | {"device": device_of(topology, network["device"])})
    write_comparison(folder, comparison)
    for role, side in sides.items():
        if isinstance(side, FeatureSet):
            continue
        for left, each in extractors_of(role, sides, extractor).items():
            measured = measure_part(side, each, part, batch_size=batch_size, progress=left)
            path, n = part_path(folder, left, measured), measured.features.n
            write_part(path, measured)
            told = f"part {part}: {n} of {measured.total} {role} tiles measured, in {path}"
            console().print(told)


def _chosen_part(part: str | None, folder: Path | None) -> Part | None:
    if part is None:
        return None
    if folder is None:
        raise InputError("--part measures into --parts-folder. Name one, the same for all parts.")
    return parse_part(part)


def _extractor(sides: Mapping[str, StoredSide], network: dict[str, Any]) -> Extractor | None:
    from eval.distances.feature_set import FeatureSet
    from eval.extractors.choice import open_extractor

    if all(isinstance(side, FeatureSet) for side in sides.values()):
        return None
    return open_extractor(**network)


def _hand_over(result: Result, json: Path | None) -> None:
    # First, because whoever reads the table may close the pipe.
    if json is not None:
        result.save(json)
    show(result)
    bad = sum(len(side["bad_tiles"]) for side in result.inputs.values())
    if bad:
        raise PartialFailureError(
            f"{bad} tiles cannot be measured; the numbers are those of the others. "
            f"{'--json lists' if json is None else f'{json} lists'} them all."
        )
