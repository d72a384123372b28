"""What reads a damaged file, in the current folder; returns what came of it.

As far as they go these are commands. Imports stand inside, so that a child pays for its own only.
"""

from __future__ import annotations

import asyncio
import shutil
import socket
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
from fuzzing.sample import command, digest, from_json, pixels


def inspected() -> object:
    """Everything that is in the shards."""
    return from_json("inspect", "packed/train", "--verify")


def packed() -> object:
    """Shards made of tiles, label maps and a table of groups."""
    command(
        *("pack", "tiles", "labels", "again", "--schema", "prostate-3", "--groups", "groups.csv")
    )
    return sorted(str(path) for path in Path("again").rglob("*"))


def packed_slides() -> object:
    """Shards made of slides and annotations."""
    command(*("pack", "slides", "drawn", "again", "--tile-size", "64", "--processes", "1"))
    return sorted(str(path) for path in Path("again").rglob("*"))


def streamed() -> object:
    """Batches as training sees them."""
    from histosyn.shards.dataset import open_shards

    reader = open_shards(Path("packed/train"))
    reader.check_shards()
    places = map(reader.index.place, range(len(reader.index)))
    return [digest(*reader.read(shard, sample)) for shard, sample in places]


def tile(file: str) -> object:
    """A tile from a file."""
    from histosyn.sources.files import read_source_tile

    return digest(read_source_tile(Path(file)))


def labels(file: str) -> object:
    """A label map from a file."""
    from tissue import SCHEMA

    from histosyn.sources.files import read_source_labels

    return digest(read_source_labels(Path(file), SCHEMA))


def imported(file: str) -> object:
    """The model that weights of the original become."""
    from safetensors.numpy import load_file

    command("import-original", file, "imported", "--classes", "prostate-3")
    return {name: digest(array) for name, array in load_file("imported/model.safetensors").items()}


def drawn(model: str, out: str = "drawn", *options: str) -> object:
    """Tissue."""
    command("synth", model, "labels", out, "--device", "cpu", *options)
    return pixels(out)


def repainted() -> object:
    """The tissue of a sitting, again."""
    command("synth", "model", "sitting/labels", "again", "--like", "sitting/tiles/manifest.jsonl")
    return pixels("again")


def resampled() -> object:
    """Tissue of label maps whose resolutions are in a table."""
    return drawn("model", "drawn", "--resolutions", "resolutions.csv")


def segmented() -> object:
    """What a segmenter reads in tiles."""
    return from_json("eval", "faithfulness", "segmenter", "tiles", "labels", "--replicates", "5")


def resumed() -> object:
    """A run that takes one more step."""
    config = Path("train.toml").read_text().replace("steps = 2", "steps = 3")
    Path("train.toml").write_text(config)
    command("train", "--config", "train.toml")
    return Path("run/model/config.json").is_file()


def kept_features() -> object:
    """Features that lie in the cache: they are right, or measured again with a warning."""
    from eval.distances.feature_cache import FeatureCache
    from eval.distances.part_file import read_part
    from eval.features.extractor import Identity
    from hpc.log import set_up_logging
    from hpc.topology import Topology

    set_up_logging(Topology())
    identity = read_part(Path("parts/real-2-of-2.npz")).identity
    assert isinstance(identity, Identity)
    found = FeatureCache(folder=Path("parts")).load(Path("parts/real-1-of-2.npz"), identity)
    return None if found is None else (found.features.kept_names, digest(found.features.kept_MD))


def preprocessing() -> object:
    """What an extractor's file says of its tiles."""
    from eval.extractors.network_file import Preprocessing
    from histosyn.config.file import from_dict, load_toml

    return str(from_dict(Preprocessing, load_toml(Path("e.toml")), "e.toml"))


def collected() -> object:
    """The trials of a sweep, as its results are made of them."""
    from tune.plan.config import read_sweep
    from tune.plan.trial_folder import TrialFolder
    from tune.results.rows import collect

    sweep = read_sweep(Path("sweep.toml"))
    folders = [TrialFolder(sweep.trial_folder(number)) for number in range(3)]
    facts = [(folder.is_open, folder.decided_step(), folder.precision()) for folder in folders]
    return [row.as_json() for row in collect(sweep)], facts


def tested() -> object:
    """The outcome of a training of `eval utility`."""
    from types import SimpleNamespace
    from unittest import mock

    from tissue import SCHEMA

    from eval.utility import trainings
    from eval.utility.config import read_utility
    from eval.utility.plan import planned_trainings

    config = read_utility(Path("utility.toml"))
    planned = planned_trainings(config)[0]
    folder = trainings.folder_of(planned, config)
    folder.mkdir(parents=True)
    shutil.copy("test.json", folder)
    sources = SimpleNamespace(test=SimpleNamespace(index=SimpleNamespace(schema=SCHEMA)))
    with mock.patch.object(trainings, "_data_sha256", lambda *_: "0" * 64):
        found = trainings.find_outcome(planned, sources, config)  # type: ignore[arg-type]
    return found and digest(np.asarray(found.confusion_UKK))


def dry_run(*tokens: str) -> Callable[[], object]:
    """A reader of what people write for a command; the file is the last of `tokens`."""
    return lambda: command(*tokens[:-1], "--config", tokens[-1], "--dry-run")


def submitted() -> object:
    """A job file, made with what is known of a site."""
    return command(
        *("submit", "train", "--data.shards", "packed", "--run.folder", "new", "--dry-run")
    )


def request(file: str) -> Callable[[], object]:
    """A reader of bytes that a browser might send."""
    return lambda: asyncio.run(_answered(Path(file).read_bytes()))


async def _answered(request: bytes) -> object:
    """The status of the server's answer; a fault of the server is none that a request may make."""
    import torch
    import uvicorn

    from histosyn.models.folder import load_model
    from histosyn.paint.renderer import Renderer
    from histosyn.paint.server import build_app
    from histosyn.paint.session_folder import SessionFolder

    renderer = Renderer(load_model("model", torch.device("cpu")), name="model", most_pixels=1 << 16)
    app = build_app(renderer, SessionFolder(Path("saved")), {}, token="token", hosts=[])
    config = uvicorn.Config(app, log_level="warning", access_log=False, ws="none")
    server = uvicorn.Server(config)
    listening = socket.socket(socket.AF_UNIX)
    listening.bind("paint.sock")
    serving = asyncio.create_task(server.serve(sockets=[listening]))
    while not server.started:
        await asyncio.sleep(0.005)
    reader, writer = await asyncio.open_unix_connection("paint.sock")
    writer.write(request)
    writer.write_eof()
    answer = await asyncio.wait_for(reader.read(), 15)
    writer.close()
    server.should_exit = True
    app.state.leave()
    await asyncio.wait([serving], timeout=5)
    status = answer[9:12]
    if status == b"500":
        raise RuntimeError(f"the server failed: {answer[:300]!r}")
    assert threading.active_count() < 100
    return status


def study() -> object:
    """Answers and key of a reader study, as tables of ratings; what is wrong is told."""
    from eval.study.reading import read_study

    found = read_study([Path("answers")], Path("study/coordinator/key.json"), Path("again"))
    tables = {name: Path("again", name).read_text() for name in found.tables}
    return tables, list(found.merged.faults), list(found.merged.notes), list(found.deviations)
