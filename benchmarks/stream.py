"""Samples a second on one core: our stream, plain webdataset, and a folder of loose files.

    python benchmarks/stream.py [TILES LABELS --schema NAME]

packs 256-px tiles twice, as PNG and as JPEG (quality 95), and reads the same samples in three ways,
in turns, in one process without loader workers: tile to uint8 RGB, label map to class indices.
Without folders it draws phantom tissue. Prints medians, and what each part of our reading costs.
Last, batches with the tables of label neighbourhoods for the default generator on a GPU, found by
one to four loader workers: the time from one batch to the next, with them and without, in turns.
`--only-neighbourhoods` leaves the rest out.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
import zlib
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

import numpy as np
import torch
import webdataset
from PIL import Image

from histosyn.config.data import DataConfig
from histosyn.config.run import RunConfig
from histosyn.config.train import TrainConfig
from histosyn.images.file import opened_image
from histosyn.images.tiles import read_tile
from histosyn.labels.label_map import LabelSchema, load_schema
from histosyn.networks.label_tables import label_tables
from histosyn.packing.pack import PackConfig, pack
from histosyn.phantom import SCHEMA, write_phantom
from histosyn.shards.dataset import open_shards
from histosyn.shards.reader import ShardReader
from histosyn.shards.samples_table import Member
from histosyn.shards.stream import ShardStream

REPEATS = 7
BATCH = 8
WORKERS = (1, 2, 3, 4)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folders", nargs="*", type=Path)
    parser.add_argument("--schema", help="of TILES and LABELS")
    parser.add_argument("--only-neighbourhoods", action="store_true")
    arguments = parser.parse_args()
    if bool(arguments.folders) != bool(arguments.schema):
        parser.error("TILES and LABELS need --schema, and the phantom that stands in for them none")
    torch.set_num_threads(1)
    schema = load_schema(arguments.schema or SCHEMA)
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(temporary)
        tiles, labels = arguments.folders or phantom(root)
        if arguments.only_neighbourhoods:
            packed = PackConfig(tile_size=256, tile_format="jpg", samples_per_shard=64)
            pack(tiles, labels, root / "jpg", schema, packed)
            neighbourhoods(root / "jpg" / "train")
            return
        print("| format | KiB a tile | reader | samples a second | against webdataset |")
        print("|---|---|---|---|---|")
        for kind in ("png", "jpg"):
            config = PackConfig(tile_size=256, tile_format=kind, samples_per_shard=64)
            pack(tiles, labels, root / kind, schema, config)
            compare(root / kind / "train", root / f"loose-{kind}", kind, schema)
        print()
        for kind in ("png", "jpg"):
            explain(open_shards(root / kind / "train"), kind)
        print()
        neighbourhoods(root / "jpg" / "train")


def phantom(root: Path) -> tuple[Path, Path]:
    write_phantom(root / "phantom", count=40, size=512, seed=0)
    return root / "phantom" / "tiles", root / "phantom" / "labels"


def compare(shards: Path, loose: Path, kind: str, schema: LabelSchema) -> None:
    reader = open_shards(shards)
    number = len(reader.index) // BATCH * BATCH
    unpack(reader, loose, kind)
    ways: dict[str, Callable[[], int]] = {
        "ShardStream": lambda: through_stream(reader, number),
        "webdataset": lambda: through_webdataset(shards, number),
        "loose files": lambda: through_files(loose, kind, number),
    }
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(REPEATS):
        for name, read in ways.items():
            started = time.perf_counter()
            assert read() == number
            seconds[name].append(time.perf_counter() - started)
    rates = {name: number / statistics.median(values) for name, values in seconds.items()}
    size = statistics.mean(
        entry.tile.size for shard in range(len(reader.index.shards))
        for entry in reader.index.entries(shard)
    ) / 1024  # fmt: skip
    for name, rate in rates.items():
        ratio = rate / rates["webdataset"]
        print(f"| {kind} | {size:.0f} | {name} | {rate:.0f} | {ratio:.2f} |")


def unpack(reader: ShardReader, folder: Path, kind: str) -> None:
    """The same files, loose."""
    for part in ("tiles", "labels"):
        (folder / part).mkdir(parents=True)
    for number, shard in enumerate(reader.index.shards):
        data = (reader.folders[0] / shard.name).read_bytes()
        for entry in reader.index.entries(number):
            for part, member, suffix in (
                ("tiles", entry.tile, kind),
                ("labels", entry.label, "png"),
            ):
                (folder / part / f"{entry.key}.{suffix}").write_bytes(data[window(member)])


def through_stream(reader: ShardReader, number: int) -> int:
    stream = ShardStream(reader, global_batch=BATCH, seed=0, augmented=False)
    return sum(len(batch.keys) for batch in islice(stream.batches(), number // BATCH))


def through_webdataset(shards: Path, number: int) -> int:
    urls = [str(path) for path in sorted(shards.glob("*.tar"))]
    samples = webdataset.WebDataset(urls, shardshuffle=False, empty_check=False).decode("pil")
    return sum(len(batch[0]) for batch in stacked(islice(decoded(samples), number)))


def decoded(samples: webdataset.WebDataset) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    for sample in samples:
        tile = sample.get("tile.png", sample.get("tile.jpg"))
        yield np.array(tile.convert("RGB")), np.array(sample["label.png"])


def through_files(folder: Path, kind: str, number: int) -> int:
    def pairs() -> Iterator[tuple[np.ndarray, np.ndarray]]:
        for path in sorted((folder / "tiles").iterdir())[:number]:
            with (
                Image.open(path) as tile,
                Image.open(folder / "labels" / f"{path.stem}.png") as label,
            ):
                yield np.array(tile.convert("RGB")), np.array(label)

    return sum(len(batch[0]) for batch in stacked(pairs()))


def stacked(
    pairs: Iterator[tuple[np.ndarray, np.ndarray]],
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Batches like those of the stream."""
    while batch := list(islice(pairs, BATCH)):
        tiles, labels = zip(*batch, strict=True)
        yield (torch.from_numpy(np.stack(tiles)).permute(0, 3, 1, 2).contiguous(),
               torch.from_numpy(np.stack(labels)))  # fmt: skip


def window(member: Member) -> slice:
    return slice(member.offset, member.offset + member.size)


def explain(reader: ShardReader, kind: str) -> None:
    """What reading a sample is made of, in milliseconds."""
    places = [reader.index.place(row) for row in range(min(len(reader.index), 128))]
    entries = [(shard, reader.index.entry(shard, sample)) for shard, sample in places]
    data = [
        [
            (reader.folders[0] / reader.index.shards[shard].name).read_bytes()[part]
            for part in (window(entry.tile), window(entry.label))
        ]
        for shard, entry in entries
    ]

    def decode_label(content: bytes) -> None:
        with opened_image(content, "label") as image:
            np.array(image)

    parts = {
        "all": lambda i: reader.read(*places[i]),
        "decode tile": lambda i: read_tile(data[i][0], "tile"),
        "decode label map": lambda i: decode_label(data[i][1]),
        "CRC-32": lambda i: [zlib.crc32(content) for content in data[i]],
        "index": lambda i: reader.index.entry(*places[i]),
    }
    costs: dict[str, list[float]] = {name: [] for name in parts}
    for _ in range(3):
        for name, part in parts.items():
            started = time.perf_counter()
            for i in range(len(places)):
                part(i)
            costs[name].append((time.perf_counter() - started) / len(places) * 1000)
    medians = {name: statistics.median(values) for name, values in costs.items()}
    rest = medians["all"] - sum(value for name, value in medians.items() if name != "all")
    text = ", ".join(f"{name} {value:.2f}" for name, value in medians.items())
    print(f"{kind}, ms a sample: {text}, rest (reading, headers, checks) {rest:.2f}")


def neighbourhoods(shards: Path) -> None:
    """What it costs to find them, and whether workers keep it off the step."""
    reader = open_shards(shards)
    config = TrainConfig(
        data=DataConfig(shards=shards, global_batch=BATCH), run=RunConfig(precision="bfloat16")
    )
    find = label_tables(config, len(reader.index.schema), torch.device("cuda"))
    alone = ShardStream(reader, global_batch=BATCH, seed=0)
    batches = list(islice(alone.batches(), REPEATS))
    costs = []
    for batch in batches:
        started = time.process_time()
        made = find(batch.labels_NHW)
        costs.append((time.process_time() - started) * 1000)
    started = time.process_time()
    list(islice(alone.batches(), REPEATS))
    reading = (time.process_time() - started) / REPEATS * 1000
    mib = made.numbers.nbytes / 2**20
    print(f"A batch of {BATCH} tiles, ms of one core: reading {reading:.0f}, "
          f"neighbourhoods {statistics.median(costs):.0f}; tables of {mib:.1f} MiB.\n")  # fmt: skip
    print("| workers | ms a batch without | ms a batch with neighbourhoods |")
    print("|---|---|---|")
    for workers in WORKERS:
        streams = {
            name: ShardStream(
                reader, global_batch=BATCH, seed=0, workers=workers, find=given
            ).batches()
            for name, given in (("without", None), ("with", find))
        }
        milliseconds: dict[str, list[float]] = {name: [] for name in streams}
        for turn in range(REPEATS + 1):
            for name, stream in streams.items():
                started = time.perf_counter()
                # As many as are at hand already, and as many again.
                for _ in range(4 * workers):
                    next(stream)
                if turn:
                    spent = (time.perf_counter() - started) / (4 * workers) * 1000
                    milliseconds[name].append(spent)
        medians = {name: statistics.median(values) for name, values in milliseconds.items()}
        print(f"| {workers} | {medians['without']:.0f} | {medians['with']:.0f} |", flush=True)
        for stream in streams.values():
            stream.close()


if __name__ == "__main__":
    main()
