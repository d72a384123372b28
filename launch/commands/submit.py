"""`histosyn submit`: jobs for SLURM. Each command's arguments are checked before it is queued."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter
from cyclopts.validators import Number as InRange

from histosyn.config.train import TrainConfig
from hpc.errors import ConfigError, InputError
from launch.jobs.job_file import (
    JOBS_FOLDER,
    Request,
    eval_job,
    pack_job,
    synth_job,
    train_job,
    tune_job,
    tune_join_job,
)
from launch.jobs.site import Site, load_site, seconds_of
from launch.jobs.submission import Submission, checked_arguments, warn_of_missing

if TYPE_CHECKING:
    from tune.plan.settings import SweepConfig

Arguments = Annotated[str, Parameter(allow_leading_hyphen=True)]
Count = Annotated[int, Parameter(validator=InRange(gte=1))]


def submit_train(
    *arguments: Arguments,
    site: Path | None = None,
    nodes: Count = 1,
    time: str | None = None,
    max_restarts: Annotated[int | None, Parameter(validator=InRange(gte=0))] = None,
    dry_run: bool = False,
    watch: bool = False,
) -> None:
    """Submit a training job to SLURM.

    All other options are those of `histosyn train`. They are checked now, not when the job starts.
    The job file and the job's output go into the run folder. Before its time is over the job saves
    and queues itself again; submitting the same command again goes on where the run stopped.

    Example: histosyn submit train --nodes 2 --config train.toml --run.folder runs/first

    Parameters
    ----------
    arguments
        Options of `histosyn train`; see its --help. They may be set apart by --.
    site
        Site file: partition, GPUs a node, how to set up the environment. Default: ./site.toml,
        else ~/.config/histosyn/site.toml.
    nodes
        Nodes to train on.
    time
        Longest time the job may take, HH:MM:SS. Default: the site's.
    max_restarts
        How often processes that were killed are started again. Default: the site's.
    dry_run
        Print the job file and stop.
    watch
        Follow the job's output until it ends, however often it is requeued. Ctrl-C leaves the job
        alone.
    """
    from launch.commands.train import train

    bound = checked_arguments(train, arguments, "train", "settings")
    settings: TrainConfig = bound["settings"]
    here = load_site(site)
    if max_restarts is not None:
        here = replace(here, max_restarts=max_restarts)
    _check_batch(settings, here, nodes)
    request = Request(arguments=arguments, folder=settings.run.folder, time=time or here.time)
    _check_time(request.time, here)
    unstaged = settings.data.stage_to is None and bound.get("stage_to") is None
    job = train_job(here, request, nodes=nodes, stage=unstaged)
    processes = nodes * here.processes_per_node
    what = f"nodes {nodes}, processes {processes}, time {request.time}"
    _submit(Submission(jobs=(job,), what=what), (settings.data.shards,), dry_run, watch)


def submit_tune(
    *arguments: Arguments,
    site: Path | None = None,
    nodes: Count = 1,
    join: Annotated[bool, Parameter(negative="")] = False,
    time: str | None = None,
    dry_run: bool = False,
    watch: bool = False,
) -> None:
    """Submit a sweep to SLURM.

    All other options are those of `histosyn tune`. On several nodes the job starts a Ray cluster of
    its own, to which only you have the key. The job file and its output go into the sweep's folder.
    Before its time is over, or when another job comes first, trials save and the job queues itself
    again.

    Example: histosyn submit tune --nodes 2 --config sweep.toml

    Parameters
    ----------
    arguments
        Options of `histosyn tune`; see its --help. They may be set apart by --.
    site
        Site file. Default: ./site.toml, else ~/.config/histosyn/site.toml.
    nodes
        Nodes that trials are spread over.
    join
        Give the nodes to the sweep that a job of several nodes runs, or is going to run. They may
        leave at any time: a trial that trains there goes on elsewhere.
    time
        Longest time the job may take, HH:MM:SS. Default: the site's.
    dry_run
        Print the job file and stop.
    watch
        Follow the job's output until it ends. Ctrl-C leaves the job alone.
    """
    from launch.commands.tune import tune
    from tune.plan.config import read_sweep

    sweep = read_sweep(checked_arguments(tune, arguments, "tune", "config")["config"])
    here = load_site(site)
    request = Request(arguments=arguments, folder=sweep.sweep.folder, time=time or here.time)
    if not join:
        _check_room(sweep.sweep, here, nodes)
        _check_time(request.time, here)
    job = (tune_join_job if join else tune_job)(here, request, nodes=nodes)
    what = f"nodes {nodes}, trials {sweep.sweep.samples}, time {request.time}"
    places = (sweep.train.data.shards, sweep.sweep.validation)
    _submit(Submission(jobs=(job,), what=what), places, dry_run, watch)


def submit_pack(
    *arguments: Arguments,
    site: Path | None = None,
    parts: Count = 1,
    time: str | None = None,
    dry_run: bool = False,
    watch: bool = False,
) -> None:
    """Submit the packing of tiles or slides to SLURM.

    All other arguments are those of `histosyn pack`. With --parts, the tasks of a job array read,
    cut and encode a part each; a job after them makes what they left over, if anything, and writes
    the shards. The result is the same, byte for byte. No GPU is asked for. Job files and output go
    to OUT-slurm, what parts make lies beside OUT and goes when that is done.

    Example: histosyn submit pack --parts 16 slides annotations packed --mpp 0.5 --tile-size 512

    Parameters
    ----------
    arguments
        TILES LABELS OUT and options of `histosyn pack`; see its --help. They may be set apart
        by --.
    site
        Site file. Default: ./site.toml, else ~/.config/histosyn/site.toml.
    parts
        Tasks to share the work.
    time
        Longest time a job may take, HH:MM:SS. Default: the site's.
    dry_run
        Print the job files and stop.
    watch
        Follow the output until all have ended. Ctrl-C leaves the jobs alone.
    """
    from histosyn.packing.journal import require_absent
    from launch.commands.pack import pack

    bound = checked_arguments(pack, arguments, "pack", "labels")
    _check_part(bound.get("part"))
    here = load_site(site)
    out: Path = bound.get("out") or bound["labels"]
    require_absent(out)
    request = Request(
        arguments=arguments,
        folder=out.with_name(f"{out.name}-{JOBS_FOLDER}"),
        time=time or here.time,
    )
    jobs = [pack_job(here, request)]
    if parts > 1:
        jobs.insert(0, pack_job(here, request, parts=parts))
    # After any end of theirs: what is left over is made then, or told.
    submission = Submission(jobs=jobs, what=_parts_text(parts, request), dependency="afterany")
    places = (bound["tiles"], bound["labels"]) if bound.get("out") else (bound["tiles"],)
    _submit(submission, places, dry_run, watch)


def submit_synth(
    *arguments: Arguments,
    site: Path | None = None,
    parts: Count = 1,
    time: str | None = None,
    dry_run: bool = False,
    watch: bool = False,
) -> None:
    """Submit the synthesis of a folder to SLURM.

    All other arguments are those of `histosyn synth`. With --parts, the tasks of a job array make a
    part each, on one GPU; a job after them makes what they left over, if anything, and writes one
    manifest. The result is the same, byte for byte. Job files and output go to OUT/slurm.

    Example: histosyn submit synth --parts 16 runs/first labels tissue --variants 3

    Parameters
    ----------
    arguments
        MODEL LABELS OUT and options of `histosyn synth`; see its --help. They may be set apart
        by --.
    site
        Site file. Default: ./site.toml, else ~/.config/histosyn/site.toml.
    parts
        Tasks to share the work.
    time
        Longest time a job may take, HH:MM:SS. Default: the site's.
    dry_run
        Print the job files and stop.
    watch
        Follow the output until all have ended. Ctrl-C leaves the jobs alone.
    """
    from launch.commands.synth import synth

    bound = checked_arguments(synth, arguments, "synth", "out")
    _check_part(bound.get("part"))
    if parts > 1 and bound.get("precision") == "auto":
        raise InputError(
            "--precision auto is not for --parts: nodes may differ, and all tiles are to be made "
            "alike. Name float32 or bfloat16."
        )
    here = load_site(site)
    request = Request(
        arguments=arguments, folder=bound["out"] / JOBS_FOLDER, time=time or here.time
    )
    jobs = [synth_job(here, request)]
    if parts > 1:
        jobs.insert(0, synth_job(here, request, parts=parts))
    # After any end of theirs: what is left over is made then, or told.
    submission = Submission(jobs=jobs, what=_parts_text(parts, request), dependency="afterany")
    _submit(submission, (bound["model"], bound["labels"]), dry_run, watch)


def submit_fid(
    *arguments: Arguments,
    site: Path | None = None,
    parts: Count = 1,
    folder: Path | None = None,
    time: str | None = None,
    dry_run: bool = False,
    watch: bool = False,
) -> None:
    """Submit the measurement of a Fréchet distance to SLURM.

    All other arguments are those of `histosyn eval fid`. With --parts, the tasks of a job array
    measure a part of the tiles each, on one GPU; a job after them compares. The number is that of
    one process.

    Example: histosyn submit eval fid --parts 8 real_tiles tissue

    Parameters
    ----------
    arguments
        REAL SYNTHETIC and options of `histosyn eval fid`; see its --help. They may be set apart
        by --.
    site
        Site file. Default: ./site.toml, else ~/.config/histosyn/site.toml.
    parts
        Tasks to share the work.
    folder
        For job files, output, parts, and fid.json unless --json names another place. Default:
        runs/fid-SYNTHETIC.
    time
        Longest time a job may take, HH:MM:SS. Default: the site's.
    dry_run
        Print the job files and stop.
    watch
        Follow the output until all have ended. Ctrl-C leaves the jobs alone.
    """
    from launch.commands.eval_fid import fid

    bound = checked_arguments(fid, arguments, "eval fid", "synthetic")
    _check_part(bound.get("part") or bound.get("parts_folder"))
    here = load_site(site)
    folder = folder or Path("runs") / f"fid-{bound['synthetic'].resolve().stem}"
    if "json" not in bound:
        arguments = (*arguments, "--json", str(folder / "fid.json"))
    request = Request(arguments=arguments, folder=folder, time=time or here.time)
    if parts > 1:
        in_parts = (*arguments, "--parts-folder", str(folder / f"parts-{parts}"))
        request = replace(request, arguments=in_parts)
    jobs = [eval_job(here, request)]
    if parts > 1:
        jobs.insert(0, eval_job(here, request, parts=parts))
    submission = Submission(jobs=jobs, what=_parts_text(parts, request))
    _submit(submission, (bound["real"], bound["synthetic"]), dry_run, watch)


def _submit(submission: Submission, places: tuple[Path, ...], dry_run: bool, watch: bool) -> None:
    if dry_run:
        submission.dry_run()
        return
    warn_of_missing(*places)
    submission.submit(watch=watch)


def _check_batch(settings: TrainConfig, site: Site, nodes: int) -> None:
    processes = nodes * site.processes_per_node
    if settings.data.global_batch % processes:
        raise ConfigError(
            f"data.global_batch = {settings.data.global_batch} cannot be shared evenly by "
            f"{processes} processes ({nodes} nodes, {site.processes_per_node} on each). Choose "
            f"a multiple of {processes}, or other --nodes."
        )


def _check_room(settings: SweepConfig, site: Site, nodes: int) -> None:
    """The job has whole nodes, as the site file describes them: one trial at least must fit."""
    node = {"CPU": site.cpus_per_task, "GPU": site.gpus_per_node}
    if not settings.trials_on([node] * nodes):
        raise ConfigError(
            f"A trial asks for {settings.needs}, and --nodes {nodes} with {site.cpus_per_task} "
            f"CPUs and {site.gpus_per_node} GPUs each (cpus_per_task, gpus_per_node in the site "
            "file) have no room for it. Ask for more nodes, or lower sweep.processes_per_trial, "
            "sweep.cpus_per_trial or sweep.gpus_per_trial."
        )


def _check_time(time: str, site: Site) -> None:
    if seconds_of(time) <= site.stop_seconds:
        raise ConfigError(
            f"time = {time!r} is no longer than stop_seconds = {site.stop_seconds}: training would "
            "be told to stop when it starts. Ask for more time, or lower stop_seconds in the site "
            "file."
        )


def _check_part(given: object) -> None:
    if given is not None:
        raise InputError("Leave --part and --parts-folder out: --parts N makes the parts.")


def _parts_text(parts: int, request: Request) -> str:
    return f"{'one process' if parts == 1 else f'{parts} parts'}, time {request.time}"
