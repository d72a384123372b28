"""Every fault a data set can have, as a real damaged file; `docs/faults.md` is what happens here.

Each fault is met as a training run meets it: by default, and with bad samples to be skipped. The
tables in the docs are made of the messages; `HISTOSYN_WRITE_GOLDEN=1` writes them anew.
"""

from __future__ import annotations

import gzip
import io
import json
import os
import re
import shutil
import tarfile
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from damage import members_of, png_that_claims, write_tar
from PIL import Image
from tissue import SCHEMA, pack_blobs, tiny_config
from users import as_nobody
from webdataset import TarWriter

from histosyn.images.tiles import png_bytes
from histosyn.packing.records import Described, record_shard
from histosyn.shards import foreign as foreign_shards
from histosyn.shards import reader
from histosyn.shards.batch import Batch
from histosyn.shards.index_file import digest_of, load_index, write_index
from histosyn.shards.stream import ShardStream
from histosyn.training.data import open_stream
from hpc.errors import HistosynError
from hpc.topology import Topology

WRITE_DOCS = os.environ.get("HISTOSYN_WRITE_GOLDEN") == "1"
DOCS = Path(__file__).parents[3] / "docs" / "faults.md"
SAMPLES, PER_SHARD, BATCH = 24, 6, 4
VICTIM = "shard-000001.tar"
KEY = "tile-08"
ALL_KEYS = {f"tile-{number:02d}" for number in range(SAMPLES)}
IN_VICTIM = frozenset(f"tile-{number:02d}" for number in range(6, 12))
FROM_8 = IN_VICTIM - {"tile-06", "tile-07"}
FROM_9 = FROM_8 - {KEY}
FROM_10 = FROM_9 - {"tile-09"}

Members = dict[str, bytes]


@dataclass(frozen=True)
class Fault:
    """A fault: what it is called, how it is made, and what skipping loses (None: it cannot)."""

    name: str
    damage: Callable[[Path], Path | None]
    lost: frozenset[str] | None


def edit(change: Callable[[list[tuple[str, bytes]]], list[tuple[str, bytes]]]):
    """Rewrite the victim with other members; the index, if any, stays as it was."""

    def damage(shards: Path) -> None:
        write_tar(shards / VICTIM, change(members_of(shards / VICTIM)))

    return damage


def packed_with(suffix: str, data: Callable[[], bytes]):
    """A shard that was packed like this: the index agrees with the tar."""

    def damage(shards: Path) -> None:
        old = load_index(shards)
        members = {
            name: data() if name == f"{KEY}.{suffix}" else content
            for name, content in members_of(shards / VICTIM)
        }
        with (shards / VICTIM).open("wb") as file, TarWriter(file, encoder=False) as writer:
            for key in sorted(IN_VICTIM):
                parts = {s: members[f"{key}.{s}"] for s in ("tile.png", "label.png", "json")}
                writer.write({"__key__": key, **parts})
        records = [
            record_shard(
                shards / shard.name,
                {entry.key: Described(group=None, class_pixels=np.ones(len(SCHEMA), dtype=int))
                 for entry in old.entries(number)},
            )
            for number, shard in enumerate(old.shards)
        ]  # fmt: skip
        write_index(
            shards, schema=SCHEMA, tile_size=old.tile_size, mpp=None, records=records, made_by={}
        )

    return damage


def overwrite(at: Callable[[Path], int], data: Callable[[int], bytes], *, where: str = VICTIM):
    def damage(shards: Path) -> None:
        with (shards / where).open("r+b") as file:
            offset = at(shards)
            file.seek(offset)
            old = file.read(1)[0]
            file.seek(offset)
            file.write(data(old))

    return damage


def place_of(suffix: str, shift: int) -> Callable[[Path], int]:
    def find(shards: Path) -> int:
        with tarfile.open(shards / VICTIM) as archive:
            return archive.getmember(f"{KEY}.{suffix}").offset_data + shift

    return find


def flipped(old: int) -> bytes:
    return bytes([old ^ 0x10])


def garbage(_old: int) -> bytes:
    return np.random.default_rng(0).bytes(512)


def cut_short(shards: Path) -> None:
    with tarfile.open(shards / VICTIM) as archive:
        os.truncate(shards / VICTIM, archive.getmember("tile-09.tile.png").offset_data + 100)


def link_instead(shards: Path) -> None:
    members = members_of(shards / VICTIM)
    with tarfile.open(shards / VICTIM, "w") as archive:
        for name, data in members:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            if name == TILE:
                info.type, info.linkname, info.size = tarfile.SYMTYPE, "/etc/passwd", 0
            archive.addfile(info, io.BytesIO(data))


def emptied(shards: Path) -> None:
    (shards / VICTIM).write_bytes(b"")


def deleted(shards: Path) -> None:
    (shards / VICTIM).unlink()


def another_shard(shards: Path) -> None:
    """The names and sizes of the files fit, the content does not."""
    other = dict(members_of(shards / "shard-000000.tar"))
    names = [name for name, _ in members_of(shards / VICTIM)]
    write_tar(shards / VICTIM, [(name, other[f"tile-{int(name[5:7]) - 6:02d}{name[7:]}"])
                                for name in names])  # fmt: skip


def fewer_samples_than_the_index_says(shards: Path) -> None:
    edit(lambda members: members[: 3 * 4])(shards)


def edited(path: Path) -> None:
    path.write_text(path.read_text().replace('"nuclei"', '"stroma"'))


def index_promises(shards: Path, **changes: int) -> None:
    path = shards / "dataset.json"
    data = json.loads(path.read_text())
    data["shards"][1] |= changes
    path.write_text(json.dumps(data | {"sha256": digest_of(data)}))


def other_table(shards: Path) -> None:
    rows = np.load(shards / "samples.npy")
    np.save(shards / "samples.npy", rows[::-1])


def zero_tail(shards: Path) -> None:
    """As a file system leaves a file that was not written to the end."""
    size = (shards / VICTIM).stat().st_size
    with tarfile.open(shards / VICTIM) as archive:
        os.truncate(shards / VICTIM, archive.getmember("tile-09.tile.png").offset)
    os.truncate(shards / VICTIM, size)


def zeros_only(shards: Path) -> None:
    (shards / VICTIM).write_bytes(bytes((shards / VICTIM).stat().st_size))


def compressed(shards: Path) -> None:
    (shards / VICTIM).write_bytes(gzip.compress((shards / VICTIM).read_bytes()))


def compressed_beside(shards: Path) -> None:
    compressed(shards)
    (shards / VICTIM).rename(shards / f"{VICTIM}.gz")


def link_to_device(shards: Path) -> None:
    (shards / VICTIM).unlink()
    (shards / VICTIM).symlink_to("/dev/zero")


def unreadable(shards: Path) -> None:
    (shards / VICTIM).chmod(0)


def link_to_itself(shards: Path) -> None:
    (shards / VICTIM).unlink()
    (shards / VICTIM).symlink_to(VICTIM)


def bomb() -> bytes:
    return png_that_claims(60_000, 60_000)


def foreign_label() -> bytes:
    labels = np.zeros((32, 32), dtype=np.uint8)
    labels[:4] = 200
    return png_bytes(Image.fromarray(labels))


def smaller_label() -> bytes:
    return png_bytes(Image.fromarray(np.zeros((16, 32), dtype=np.uint8)))


def renamed(old: str, new: str) -> Callable[[list[tuple[str, bytes]]], list[tuple[str, bytes]]]:
    return lambda members: [(new if name == old else name, data) for name, data in members]


def without(gone: str) -> Callable[[list[tuple[str, bytes]]], list[tuple[str, bytes]]]:
    return lambda members: [item for item in members if item[0] != gone]


def plus(*extra: tuple[str, bytes]) -> Callable[[list[tuple[str, bytes]]], list[tuple[str, bytes]]]:
    return lambda members: [*members, *extra]


TILE, LABEL = f"{KEY}.tile.png", f"{KEY}.label.png"
ONE = frozenset({KEY})
FAULTS = (
    Fault("truncated tar", cut_short, FROM_9),
    Fault(
        "garbage header in the middle of a tar", overwrite(place_of("tile.png", -512), garbage), ONE
    ),
    Fault("flipped byte in an image", overwrite(place_of("tile.png", 400), flipped), ONE),
    Fault("flipped byte in a label map", overwrite(place_of("label.png", 60), flipped), ONE),
    Fault("flipped byte in a header", overwrite(place_of("label.png", -400), flipped), ONE),
    Fault("missing partner, after packing", edit(without(LABEL)), FROM_8),
    Fault("tar that does not match its index", another_shard, IN_VICTIM),
    Fault("tar with fewer samples than its index", fewer_samples_than_the_index_says, FROM_10),
    Fault("index that lies about counts", lambda shards: index_promises(shards, samples=9), None),
    Fault("index edited by hand", lambda shards: edited(shards / "dataset.json"), None),
    Fault("index of other rows", lambda shards: index_promises(shards, rows_crc32=9), None),
    Fault("table of another data set", other_table, None),
    Fault(
        "flipped byte in the index",
        overwrite(lambda shards: 700, flipped, where="samples.npy"),
        None,
    ),
    Fault("zero-byte shard", emptied, IN_VICTIM),
    Fault("zero-filled tail", zero_tail, FROM_9),
    Fault("link to a device", link_to_device, IN_VICTIM),
    Fault("deleted shard", deleted, IN_VICTIM),
    Fault("shard deleted while training", deleted, IN_VICTIM),
    Fault("shard that may not be read", unreadable, IN_VICTIM),
    Fault("label index out of schema in a shard", packed_with("label.png", foreign_label), ONE),
    Fault(
        "tile and label map of unequal size in a shard",
        packed_with("label.png", smaller_label),
        ONE,
    ),
    Fault("decompression bomb", packed_with("tile.png", bomb), ONE),
    Fault("no image at all", packed_with("tile.png", lambda: b"<html>404</html>"), ONE),
    Fault("`pipe:` URL", lambda shards: Path("pipe:touch hacked"), None),
    Fault("address instead of a folder", lambda shards: Path("s3://bucket/train"), None),
)
FOREIGN_FAULTS = (
    Fault("truncated tar", cut_short, FROM_9),
    Fault(
        "garbage header in the middle of a tar", overwrite(place_of("tile.png", -512), garbage), ONE
    ),
    Fault("flipped byte in an image", overwrite(place_of("tile.png", 400), flipped), ONE),
    Fault("flipped byte in a header", overwrite(place_of("label.png", -400), flipped), ONE),
    Fault("missing partner", edit(without(LABEL)), ONE),
    Fault("duplicated key", edit(plus((TILE, b"again"))), ONE),
    Fault("zero-byte shard", emptied, IN_VICTIM),
    Fault("zero-filled tail", zero_tail, FROM_9),
    Fault("shard of zeros only", zeros_only, IN_VICTIM),
    Fault("compressed shard called .tar", compressed, IN_VICTIM),
    Fault("compressed shard", compressed_beside, IN_VICTIM),
    Fault("link to a device", link_to_device, IN_VICTIM),
    Fault("shard that cannot be read", link_to_itself, IN_VICTIM),
    Fault("label index out of schema", packed_with("label.png", foreign_label), ONE),
    Fault("tile and label map of unequal size", packed_with("label.png", smaller_label), ONE),
    Fault("decompression bomb", packed_with("tile.png", bomb), ONE),
    Fault("pickled member", edit(plus((f"{KEY}.features.pyd", b"cos\nsystem\n."))), ONE),
    Fault("path tricks in tar names", edit(renamed(TILE, f"../../{TILE}")), ONE),
    Fault("link instead of a file", link_instead, ONE),
    Fault("name of 300 bytes", edit(renamed(TILE, f"{'x' * 290}.tile.png")), ONE),
)


@pytest.fixture(scope="module")
def healthy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return pack_blobs(tmp_path_factory.mktemp("data"), SAMPLES, 32, PER_SHARD)


def a_run(shards: Path, folder: Path, policy: str, schema: str | None) -> ShardStream:
    config = tiny_config(shards, folder)
    data = replace(config.data, global_batch=BATCH, on_bad_sample=policy, schema=schema)
    return open_stream(replace(config, data=data), Topology())


@dataclass(frozen=True)
class Outcome:
    """What a run said by default; with skipping, what it showed and listed, or what it said."""

    default: str
    batches: list[Batch]
    stream: ShardStream | None
    skipped: str


def meet(fault: Fault, healthy: Path, folder: Path, foreign: bool) -> Outcome:
    shards = folder / "train"
    shutil.copytree(healthy, shards)
    shards.chmod(0o777)
    later = "while training" in fault.name
    instead = None if later else fault.damage(shards)
    if foreign:
        (shards / "dataset.json").unlink()
        (shards / "samples.npy").unlink()
    schema = SCHEMA.name if foreign else None

    def run(policy: str) -> tuple[ShardStream, list[Batch]]:
        stream = a_run(instead or shards, folder / "run", policy, schema)
        if later and (shards / VICTIM).exists():
            fault.damage(shards)
        return stream, epoch_of(stream)

    with as_nobody(folder) if fault.damage is unreadable else nullcontext():
        with pytest.raises(HistosynError) as error:
            run("error")
        default = str(error.value)
        if fault.lost is None:
            with pytest.raises(HistosynError) as error:
                run("skip")
            return Outcome(default, [], None, str(error.value))
        stream, batches = run("skip")
        return Outcome(default, batches, stream, "")


CASES = [(fault, foreign) for table, foreign in ((FAULTS, False), (FOREIGN_FAULTS, True))
         for fault in table]  # fmt: skip
NAMES = [f"{fault.name}{' (foreign)' if foreign else ''}" for fault, foreign in CASES]


@pytest.fixture(scope="module")
def outcomes(healthy: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Outcome]:
    return {
        name: meet(fault, healthy, tmp_path_factory.mktemp("fault"), foreign)
        for name, (fault, foreign) in zip(NAMES, CASES, strict=True)
    }


def epoch_of(stream: ShardStream) -> list[Batch]:
    size = stream.order.draws.epoch_size
    return list(islice(stream.batches(), -(-size // BATCH)))


@pytest.mark.parametrize("name", NAMES)
def test_by_default_a_fault_stops_the_run_and_says_what_where_and_what_to_do(
    outcomes: dict[str, Outcome], name: str
) -> None:
    fault, foreign = CASES[NAMES.index(name)]
    message = outcomes[name].default
    assert "\n" not in message
    if fault.lost is None:
        assert re.search(r"dataset\.json|samples\.npy|is a URL or a command", message)
    else:
        assert VICTIM in message
        assert "on-bad-sample skip" in message
    if fault.lost == ONE and not foreign:
        assert KEY in message


@pytest.mark.parametrize("name", NAMES)
def test_skipping_delivers_the_rest_and_lists_what_was_bad(
    outcomes: dict[str, Outcome], name: str
) -> None:
    fault, foreign = CASES[NAMES.index(name)]
    outcome = outcomes[name]
    if fault.lost is None:
        assert outcome.skipped == outcome.default
        return
    shown = [key for batch in outcome.batches for key in batch.keys]
    assert set(shown) == ALL_KEYS - fault.lost
    bad = {sample.key: sample for batch in outcome.batches for sample in batch.bad}
    if foreign:
        size = outcome.stream.order.draws.epoch_size
        assert not bad
        assert set(shown[:size]) == ALL_KEYS - fault.lost
        assert size == len(ALL_KEYS - fault.lost)
        left_out = {item.key for item in outcome.stream.index.left_out}
        named = {key for key in left_out if not key.startswith("byte ")}
        # Of a shard that is cut short or unreadable, nobody knows what was in it.
        assert named <= fault.lost | {"whole file"}
        assert named or left_out == {"byte 0"} or fault.damage is compressed_beside
    else:
        assert set(bad) == fault.lost
        assert all(sample.replaced_by in ALL_KEYS - fault.lost for sample in bad.values())
        assert all(Path(sample.shard).name == VICTIM for sample in bad.values())
        assert len(shown) == SAMPLES


@pytest.mark.parametrize("world", [2, 4])
def test_what_replaces_a_bad_sample_is_the_same_for_any_world(
    outcomes: dict[str, Outcome], world: int
) -> None:
    outcome = outcomes["zero-byte shard"]
    reader = outcome.stream.reader
    parts = [
        epoch_of(
            ShardStream(
                reader, global_batch=BATCH, seed=0, on_bad_sample="skip",
                topology=Topology(rank=rank, world_size=world),
            )
        )
        for rank in range(world)
    ]  # fmt: skip
    whole = [batch.keys for batch in outcome.batches]
    assert [sum((part[i].keys for part in parts), []) for i in range(len(whole))] == whole


def test_the_docs_say_what_happens(outcomes: dict[str, Outcome]) -> None:
    text = docs(outcomes)
    if WRITE_DOCS:
        DOCS.write_text(text, encoding="utf-8")
    assert DOCS.read_text(encoding="utf-8") == text


def docs(outcomes: dict[str, Outcome]) -> str:
    introduction, first, _ = DOCS.read_text(encoding="utf-8").partition(f"\n{HEADINGS[0]}\n")
    assert first
    parts = [introduction.rstrip()]
    head = "| fault | by default the run stops and says | with `--data.on-bad-sample skip` |"
    for heading, foreign in zip(HEADINGS, (False, True), strict=True):
        parts += ["", heading, "", head, "|---|---|---|"]
        for name, (fault, is_foreign) in zip(NAMES, CASES, strict=True):
            if is_foreign == foreign:
                message = readable(outcomes[name].default)
                parts.append(f"| {fault.name} | {message} | {what_skipping_does(fault)} |")
    return "\n".join(parts) + "\n"


def what_skipping_does(fault: Fault) -> str:
    if fault.lost is None:
        return "the same"
    samples = "1 sample" if len(fault.lost) == 1 else f"{len(fault.lost)} samples"
    return f"{samples} of {SAMPLES} bad, the rest is used"


def readable(message: str) -> str:
    """Without what differs from machine to machine: folders, sizes, offsets."""
    for remedy in REMEDIES:
        message = message.replace(f" {remedy}", "")
    message = re.sub(r"(?<!\S)/\S*/(?=(shard-|dataset|samples)\b)", "", message)
    return re.sub(r"(?<![-\w.])\d[\d,]{2,}(?![-\w])", "…", message).replace("|", "\\|")


HEADINGS = ("## Shards that histosyn packed", "## Shards of other tools, when they are indexed")
REMEDIES = (reader._REMEDY, foreign_shards._REMEDY)
