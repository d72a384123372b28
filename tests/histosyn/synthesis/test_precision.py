"""The tiles of a folder are made in one precision, whatever devices make them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from ranks import run_ranks

from histosyn.manifests.manifest import MANIFEST, write_manifest
from histosyn.synthesis.precision import precision_of_tiles
from histosyn.synthesis.provenance import (
    RECORDS,
    Record,
    entry_of,
    same_but_for_version,
    tile_png_bytes,
)
from hpc import precision
from hpc.errors import InputError
from hpc.files import sha256_of_bytes
from hpc.job_array import WHOLE, Part

CPU = torch.device("cpu")


@pytest.fixture
def native(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Whether the device computes bfloat16 natively, to be changed."""
    able = [True]
    monkeypatch.setattr(precision, "computes_bfloat16", lambda device: able[0])
    return able


def make_tile(out: Path, name: str, made_in: str) -> None:
    """A tile and its line in the manifest."""
    record = Record(file=name, label=name, label_sha256="0", seed=0, variant=1, model_sha256="1",
                    precision=made_in)  # fmt: skip
    data = tile_png_bytes(np.zeros((4, 4, 3), np.uint8), record)
    out.mkdir(exist_ok=True)
    (out / name).write_bytes(data)
    write_manifest(out, {name: entry_of(record, sha256_of_bytes(data))})


def test_in_a_new_folder_auto_is_what_the_device_computes(
    tmp_path: Path, native: list[bool]
) -> None:
    assert precision_of_tiles("auto", CPU, tmp_path / "out") == "bfloat16"
    native[0] = False
    assert precision_of_tiles("auto", CPU, tmp_path / "out") == "float32"


@pytest.mark.parametrize("with_manifest", [True, False])
@pytest.mark.parametrize("made_in", ["float32", "bfloat16"])
def test_auto_goes_on_in_what_is_there(
    tmp_path: Path, native: list[bool], made_in: str, with_manifest: bool
) -> None:
    """A run that was killed has left tiles and no manifest; other images are none of ours."""
    make_tile(tmp_path / "out", "b.png", made_in)
    Image.new("RGB", (4, 4)).save(tmp_path / "out/a.png")
    if not with_manifest:
        (tmp_path / "out" / MANIFEST).unlink()
    for native[0] in (True, False):
        assert precision_of_tiles("auto", CPU, tmp_path / "out") == made_in


def test_auto_makes_again_as_the_manifest_says(tmp_path: Path, native: list[bool]) -> None:
    native[0] = False
    make_tile(tmp_path / "old", "a.png", "bfloat16")
    like = tmp_path / "old" / MANIFEST
    assert precision_of_tiles("auto", CPU, tmp_path / "out", like=like) == "bfloat16"


def test_tiles_of_older_versions_were_made_in_float32(tmp_path: Path, native: list[bool]) -> None:
    """They did not tell it; nobody takes them for others than they are."""
    make_tile(tmp_path, "a.png", "float32")
    entry = json.loads((tmp_path / MANIFEST).read_text())
    assert entry.pop("precision") == "float32"
    (tmp_path / MANIFEST).write_text(json.dumps(entry))
    assert precision_of_tiles("auto", CPU, tmp_path) == "float32"
    del entry["output_sha256"]
    record = RECORDS.convert(entry)
    assert same_but_for_version(entry, record)
    assert not same_but_for_version(entry | {"precision": "bfloat16"}, record)


def test_parts_have_to_name_it(tmp_path: Path, native: list[bool]) -> None:
    part = Part(number=1, count=2)
    with pytest.raises(InputError, match="Name float32 or bfloat16"):
        precision_of_tiles("auto", CPU, tmp_path, part=part)
    assert precision_of_tiles("bfloat16", CPU, tmp_path, part=part) == "bfloat16"
    assert precision_of_tiles("auto", CPU, tmp_path, part=WHOLE) == "bfloat16"


def on_two_ranks(out: Path) -> str:
    precision.computes_bfloat16 = lambda device: precision.collectives.rank() == 0
    return precision_of_tiles("auto", CPU, out)


def test_ranks_make_tiles_alike(tmp_path: Path) -> None:
    assert run_ranks(2, on_two_ranks, tmp_path) == ["float32", "float32"]
