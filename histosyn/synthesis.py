"""Synthesis of folders: each label map becomes a tile, whatever else is in the folder.

Each image goes through the network alone: floating-point results of a convolution may depend on the
batch they are computed in, and here the same seed must give the same bytes. Every output carries a
record of how it was made, so a second run knows what is already there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch

from histosyn.fixed_size import require_sizes, sizes_that_matter
from histosyn.labels import read_label_map
from histosyn.manifest import read_manifest, write_manifest
from histosyn.model_folder import Model
from histosyn.naming import composed
from histosyn.networks.generator import draw_noise
from histosyn.pairs import images_by_key
from histosyn.provenance import Record, entry_of, mark_of, same_but_for_version, tile_png_bytes
from histosyn.repetition import repeated_records, rerolls_of
from histosyn.rerolls import Rerolls, paint_tissue
from histosyn.sample_grid import to_uint8
from histosyn.windows import Memory
from hpc import collectives
from hpc.errors import HistosynError, InputError
from hpc.files import sha256_of_file, write_bytes
from hpc.log import logger
from hpc.part import WHOLE, Part
from hpc.randomness import key_of
from hpc.rounding import one_way_of_computing
from hpc.topology import Topology

Track = Callable[[list["Job"]], Iterator["Job"]]


@dataclass(frozen=True, kw_only=True)
class SynthesisConfig:
    """How a folder is synthesized; `overwrite` replaces tiles of another seed or model.

    Of several processes that know nothing of each other, such as the tasks of a job array, each
    makes its `part`.
    """

    seed: int = 0
    variants: int = 1
    overwrite: bool = False
    part: Part = WHOLE
    # The manifest of tiles that are to be made again: it has seeds and variants of its own.
    like: Path | None = None

    def __post_init__(self) -> None:
        if self.variants < 1:
            raise InputError(f"variants = {self.variants} must be at least 1.")
        if self.like is not None and (self.seed, self.variants) != (0, 1):
            raise InputError(
                f"{self.like} has seeds and variants of its own. Leave out --seed and --variants."
            )


@dataclass(frozen=True, kw_only=True)
class Job:
    """One tile to make: `key` names the label map, `output` the file below the out folder."""

    key: str
    label: Path
    variant: int
    output: str

    @classmethod
    def of_record(cls, record: Record, labels: Path) -> Job:
        """The job that makes what a record tells of."""
        key = composed(Path(record.label).with_suffix("").as_posix())
        return cls(key=key, label=labels / record.label, variant=record.variant, output=record.file)


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a run did: outputs made, outputs that were there already, label maps that failed.

    `failed` maps label maps to what is wrong with them; the same on every rank.
    """

    made: tuple[str, ...]
    present: tuple[str, ...]
    failed: dict[str, str]


def synthesize_folder(
    model: Model,
    labels: Path,
    out: Path,
    config: SynthesisConfig,
    topology: Topology | None = None,
    track: Track = iter,
) -> Outcome:
    """Make the tiles of all label maps below `labels` that `out` lacks; ranks share the work.

    A label map that cannot be read is reported in the outcome, the others are done. Raises
    InputError, before anything is made, if `labels` holds none or some of a size that the model
    cannot make, lies over `out`, or `out` holds tiles of another seed, model or label map.
    """
    topology = topology or Topology()
    _keep_apart(labels, out)
    if config.like is None:
        planned, known = _jobs(labels, config), {}
    else:
        known = repeated_records(config.like, labels, model.sha256)
        _require_precision(known, config.like, model)
        planned = [Job.of_record(record, labels) for record in known.values()]
    jobs = _of_part(planned, config.part)[topology.rank :: topology.world_size]
    generator = model.facts.generator
    require_sizes(_merged(sizes_that_matter({job.label for job in jobs}, generator)), generator)
    manifest = collectives.decided_by_first(lambda: read_manifest(out))
    records = {
        job.output: known.get(job.output) or _record(job, labels, config, model) for job in jobs
    }
    states = {job.output: _state(out / job.output, records[job.output], manifest) for job in jobs}
    _refuse(out, states, "foreign", "was not made by histosyn. Choose another OUT folder.")
    if not config.overwrite:
        _refuse(out, states, "stranger", "was not made from this label map with this model and "
                "seed. Choose another OUT folder, or pass --overwrite to replace.")  # fmt: skip
    present = {name: records[name] for name, state in states.items() if state == "done"}
    made: dict[str, Record] = {}
    failed: dict[str, str] = {}
    for job in track([job for job in jobs if job.output not in present]):
        try:
            write_bytes(out / job.output, _made(model, job, records[job.output], config.like))
            made[job.output] = records[job.output]
        except HistosynError as error:
            failed[str(job.label)] = str(error)
        except OSError as error:
            failed[str(job.label)] = f"{out / job.output} cannot be written: {error.strerror}."
    entries = _merged({name: _entry(out, record) for name, record in (present | made).items()})
    if topology.is_first:
        write_manifest(out, entries, config.part)
    return Outcome(
        made=tuple(sorted(_merged(made))),
        present=tuple(sorted(_merged(present))),
        failed=_merged(failed),
    )


@torch.inference_mode()
def synthesize(model: Model, labels_HW: np.ndarray, noise_key: int) -> np.ndarray:
    """One tile, uint8 (H, W, 3), for one label map (H, W) of class indices.

    Raises LabelError if the model makes tiles of one size, and the label map has another one.
    """
    device = model.network.exit.weight.device
    height, width = labels_HW.shape
    require_sizes({"The label map": (height, width)}, model.facts.generator)
    labels = torch.from_numpy(labels_HW).long()[None].to(device)
    noise = draw_noise([noise_key], model.facts.generator, height, width, device)
    with one_way_of_computing():
        return to_uint8(model.network(labels, noise))[0]


@torch.inference_mode()
def synthesize_painted(
    model: Model,
    labels_HW: np.ndarray,
    seed: int,
    rerolls: Rerolls,
    told: Callable[[float], None] = lambda share: None,
    memory: Memory | None = None,
) -> tuple[np.ndarray, bool]:
    """One tile, uint8 (H, W, 3), with areas of noise of their own, and whether it is exact.

    `told` and `memory` as in `paint_tissue`; without a memory every tile is exact.
    """
    require_sizes({"The label map": labels_HW.shape}, model.facts.generator)
    with one_way_of_computing():
        made = paint_tissue(model.network, labels_HW, seed, rerolls, told, memory)
        return to_uint8(made.values)[0], made.exact


def _require_precision(known: dict[str, Record], like: Path, model: Model) -> None:
    others = {record.precision for record in known.values()} - {model.precision}
    if others:
        raise InputError(
            f"{like}: tiles were made in {others.pop()}, not {model.precision}. Pass --precision."
        )


def _keep_apart(labels: Path, out: Path) -> None:
    """Tiles must neither replace label maps nor be taken for such the next time."""
    if out.resolve().is_relative_to(labels.resolve()):
        raise InputError(
            f"{out} lies in the folder of label maps, {labels}. Choose an OUT folder beside it."
        )


def _jobs(labels: Path, config: SynthesisConfig) -> list[Job]:
    jobs: dict[str, Job] = {}
    for key, path in images_by_key(labels, "folder of label maps").items():
        for variant in range(1, config.variants + 1):
            output = f"{key}.png" if config.variants == 1 else f"{key}.v{variant}.png"
            if output in jobs:
                raise InputError(
                    f"{path} and {jobs[output].label} would both become {output}. Rename one."
                )
            jobs[output] = Job(key=key, label=path, variant=variant, output=output)
    return list(jobs.values())


def _of_part(jobs: list[Job], part: Part) -> list[Job]:
    share = part.share(len(jobs))
    return jobs[share.start : share.stop]


def _record(job: Job, labels: Path, config: SynthesisConfig, model: Model) -> Record:
    return Record(
        file=job.output,
        label=job.label.relative_to(labels).as_posix(),
        label_sha256=sha256_of_file(job.label),
        seed=config.seed,
        variant=job.variant,
        model_sha256=model.sha256,
        precision=model.precision,
    )


def _state(
    path: Path, record: Record, manifest: dict[str, dict[str, Any]]
) -> Literal["missing", "done", "stranger", "foreign"]:
    """What is at `path`: nothing (or an altered output), this very tile, another one of ours, or
    a file that isn't ours and that nothing may replace.
    """
    if not path.exists():
        return "missing"
    known = manifest.get(record.file, {}).get("output_sha256")
    if known is not None and known != sha256_of_file(path):
        logger.warning("%s was altered since it was made; it is made again.", path)
        return "missing"
    found = mark_of(path)
    if found is None:
        return "foreign"
    return "done" if same_but_for_version(found, record) else "stranger"


def _refuse(out: Path, states: Mapping[str, str], kind: str, why: str) -> None:
    """Raise on every rank if any rank found an output of this kind."""
    found = sorted(_merged({name: 1 for name, state in states.items() if state == kind}))
    if found:
        raise InputError(f"{out / found[0]} ({len(found)} such files) {why}")


def _made(model: Model, job: Job, record: Record, like: Path | None) -> bytes:
    labels_HW = read_label_map(job.label, model.facts.schema)
    if like is not None and record.painted is not None:
        rerolls = rerolls_of(record.painted, like, labels_HW.shape)
        tile, _ = synthesize_painted(model, labels_HW, record.seed, rerolls)
    else:
        tile = synthesize(model, labels_HW, key_of(record.seed, "synthesis", job.key, job.variant))
    return tile_png_bytes(tile, record)


def _entry(out: Path, record: Record) -> dict[str, Any]:
    """A line of the manifest."""
    return entry_of(record, (out / record.file).read_bytes())


def _merged(part: dict[str, Any]) -> dict[str, Any]:
    return {
        name: value
        for of_rank in collectives.gather_objects(part)
        for name, value in of_rank.items()
    }
