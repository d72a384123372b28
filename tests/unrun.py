"""Every reader is given files that would run something; whatever is run is written down.

A program of its own: `python unrun.py FOLDER [--sing]`. FOLDER/ran gets a line for each program
that is started and each callable that a pickle asks for; FOLDER/odd one for each reader that ends
in anything but an error for users. `--sing` runs the payloads, to show that they would be heard.
"""

import json
import os
import pickle
import shutil
import sys
import warnings
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
import torch
from damage import write_tar
from painting import random_model
from PIL import Image
from scripted import saved
from tissue import SCHEMA, blobs

from eval.agreement.ratings.arms import read_ratings
from eval.discrimination.machine import read_machine
from eval.discrimination.tables import read_panels
from eval.distances.comparison_file import read_comparison
from eval.distances.part_file import read_part
from eval.distances.statistics_file import read_statistics
from eval.extractors.choice import open_extractor
from eval.features.tile_sources import TileFolder
from eval.segmenter.model import load_segmenter
from eval.study.sealed_key import open_key
from eval.utility.config import read_utility
from histosyn.images.tiles import png_bytes, read_png_text
from histosyn.labels.instances import read_objects
from histosyn.labels.label_map import label_png_bytes, load_schema, read_label_map
from histosyn.manifests.manifest import read_manifest
from histosyn.models.folder import load_model
from histosyn.models.original_file import read_state_dict
from histosyn.paint.upload import read_upload
from histosyn.shards.dataset import open_shards
from histosyn.shards.samples_table import SamplesTable
from histosyn.sources.files import read_source_labels, read_source_tile
from histosyn.sources.tile_facts import read_tile_facts
from hpc import checkpoint
from hpc.errors import HistosynError
from hpc.files import sha256_of_file
from hpc.run_state import read_state
from hpc.weights import read_pickled_tensors
from tune.plan.config import read_sweep

_STARTS = ("subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.spawn", "pty.spawn")
_DANGEROUS = ("posix", "nt", "os", "subprocess", "shutil", "runpy", "__main__", "unrun")


class Payload:
    """Whoever unpickles it runs a command."""

    def __reduce__(self):
        return os.system, ("true",)


class Writing(torch.nn.Module):
    """Whoever runs it writes a file."""

    def forward(self, x):
        found = torch.from_file("WRITTEN", True, 16, dtype=torch.uint8)
        return x + found.float().mean()


def listen(log: Path) -> None:
    """From now on, write down each start of a program and each callable out of a pickle."""

    def heard(event: str, arguments: tuple[object, ...]) -> None:
        found = event == "pickle.find_class" and str(arguments[0]) in _DANGEROUS
        if event in _STARTS or found:
            with log.open("a") as file:
                file.write(f"{event} {arguments}\n")

    sys.addaudithook(heard)


def payloads(folder: Path) -> dict[str, Path]:
    """Files that run something in the hands of careless readers, by kind."""
    folder.mkdir()
    made = {name: folder / name for name in (
        "pickle", "zip.pth", "legacy.pth", "script.pt", "objects.npy", "objects.npz", "page.eps",
        "command", "yaml",
    )}  # fmt: skip
    made["pickle"].write_bytes(pickle.dumps(Payload()))
    torch.save({"w": Payload()}, made["zip.pth"])
    torch.save({"w": Payload()}, made["legacy.pth"], _use_new_zipfile_serialization=False)
    saved(Writing(), made["script.pt"])
    boxed = np.array([Payload(), None], dtype=object)
    np.save(made["objects.npy"], boxed)
    np.savez(made["objects.npz"], mu=boxed, sigma=np.eye(2), features=boxed, part=boxed)
    made["page.eps"].write_bytes(
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 16 16\n%%EndComments\nshowpage\n%%EOF\n"
    )
    made["command"].write_text("pipe:touch WRITTEN\n|touch WRITTEN\n`touch WRITTEN`\n")
    made["yaml"].write_text('!!python/object/apply:os.system ["touch WRITTEN"]\n')
    return made


def placed(payload: Path, at: Path) -> Path:
    at.parent.mkdir(parents=True, exist_ok=True)
    return Path(shutil.copy(payload, at))


def in_model(payload: Path, model: Path, at: Path, name: str) -> Path:
    shutil.copytree(model, at)
    placed(payload, at / name)
    return at


def in_checkpoint(payload: Path, at: Path, name: str) -> Path:
    """A checkpoint whose checksums are right."""
    checkpoint.save(at, {"config": {}, "model": {}})
    placed(payload, at / name)
    record = json.loads((at / "checkpoint.json").read_text())
    record["sha256"][name] = sha256_of_file(at / name)
    (at / "checkpoint.json").write_text(json.dumps(record))
    return at


def in_shards(payload: Path, at: Path, ending: str) -> Path:
    """A shard in which one member is the payload."""
    at.mkdir(parents=True)
    tile, label_HW = blobs(0, 16)
    members = {
        "a.tile.png": png_bytes(Image.fromarray(tile)),
        "a.label.png": label_png_bytes(label_HW, SCHEMA),
        f"a{ending}": payload.read_bytes(),
    }
    write_tar(at / "shard-000000.tar", list(members.items()))
    return at


def readers(model: Path) -> dict[str, Callable[[Path, Path], object]]:
    """What reads files from outside: called with a payload and a path that is free."""
    as_file: dict[str, tuple[str, Callable[[Path], object]]] = {
        "tile": (".png", read_source_tile),
        "tile as its content says": (".eps", read_source_tile),
        "label map": (".png", lambda path: read_source_labels(path, SCHEMA)),
        "label map in bytes": (".png", lambda path: read_label_map(path.read_bytes(), SCHEMA)),
        "objects": (".png", lambda path: read_objects(path, 1, "x")),
        "mark in a PNG": (".png", read_png_text),
        "MATLAB": (".mat", read_source_tile),
        "painting": (".png", lambda path: read_upload(path.read_bytes(), "x", SCHEMA, 9999)),
        "folder of tiles": ("/a.png", lambda path: TileFolder(folder=path.parent).read(0)),
        "shards": ("/shard-000000.tar", lambda path: open_shards(path.parent)),
        "index": ("/dataset.json", lambda path: open_shards(path.parent)),
        "samples": (".npy", lambda path: SamplesTable(path, 2, 2).rows),
        "statistics": (".npz", read_statistics),
        "part": (".npz", read_part),
        "weights": (".pth", read_pickled_tensors),
        "original": (".pth", read_state_dict),
        "Inception": (".pth", lambda path: open_extractor("inception", inception_weights=path)),
        "extractor": (".pt", lambda path: open_extractor(str(stated(path)))),
        "schema": (".toml", load_schema),
        "sweep": (".toml", read_sweep),
        "utility": (".toml", read_utility),
        "state": ("/state.json", lambda path: read_state(path.parent)),
        "manifest": ("/manifest.jsonl", lambda path: read_manifest(path.parent)),
        "comparison": ("/comparison.json", lambda path: read_comparison(path.parent)),
        "ratings": (".csv", read_ratings),
        "real or synthetic": (".csv", lambda path: read_panels(path, tuple("123456"))),
        "key of a study": ("/key.json", open_key),
        "scores of a machine": (".json", read_machine),
        "facts of tiles": (".csv", read_tile_facts),
    }  # fmt: skip
    found: dict[str, Callable[[Path, Path], object]] = {
        name: lambda payload, at, end=end, read=read: read(placed(payload, Path(f"{at}{end}")))
        for name, (end, read) in as_file.items()
    }
    for name in ("model.safetensors", "config.json"):
        found[f"model, {name}"] = lambda payload, at, name=name: load_model(
            in_model(payload, model, at, name)
        )
        found[f"segmenter, {name}"] = lambda payload, at, name=name: load_segmenter(
            in_model(payload, model, at, name)
        )
    for name in ("tensors.safetensors", "state.json"):
        found[f"checkpoint, {name}"] = lambda payload, at, name=name: load_model(
            in_checkpoint(payload, at, name)
        )
    for ending in (".label.png", ".features.pyd", ".x.pth", ".x.npy", ".json"):
        found[f"member {ending}"] = lambda payload, at, ending=ending: open_shards(
            in_shards(payload, at, ending)
        ).read(0, 0)
    for address in ("pipe:touch WRITTEN", "|touch WRITTEN", "http://localhost:9/x"):
        found[f"address {address}, shards"] = lambda p, at, a=address: open_shards(Path(a))
        found[f"address {address}, model"] = lambda p, at, a=address: load_model(a)
    return found


def stated(path: Path) -> Path:
    """A network with its preprocessing."""
    path.with_suffix(".toml").write_text(
        'name = "x"\nsize = 32\nfilter = "bicubic"\nmean = [0, 0, 0]\nstd = [1, 1, 1]\n'
    )
    return path


def sing(made: dict[str, Path]) -> None:
    """What careless readers do."""
    pickle.loads(made["pickle"].read_bytes())
    torch.load(made["zip.pth"], weights_only=False)
    torch.load(made["legacy.pth"], weights_only=False)
    np.load(made["objects.npy"], allow_pickle=True)
    with suppress(OSError):
        Image.open(made["page.eps"]).load()
    torch.jit.load(made["script.pt"])(torch.zeros(1))


def main(folder: Path, singing: bool) -> None:
    warnings.simplefilter("ignore")
    os.chdir(folder)
    model = random_model(folder / "model")
    made = payloads(folder / "payloads")
    listen(folder / "ran")
    if singing:
        sing(made)
        return
    for name, read in readers(model).items():
        for kind, payload in made.items():
            try:
                read(payload, folder / "read" / name.replace("/", " ") / kind)
            except HistosynError:
                continue
            except BaseException as error:
                with (folder / "odd").open("a") as file:
                    file.write(f"{name} of {kind}: {error!r}\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), "--sing" in sys.argv)
