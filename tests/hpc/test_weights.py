"""The door for weights: what is damaged, claims too much or holds code is refused by name."""

import hashlib
import os
import struct
import zipfile

import pytest
import safetensors.torch
import torch

from hpc import weights
from hpc.errors import DamagedFileError, InputError
from hpc.files import sha256_of_file
from hpc.weights import read_pickled_tensors, read_weights, require_finite, tensor_sha256

STATE = {"a": torch.arange(6.0).reshape(2, 3), "n": torch.tensor(3), "h": torch.ones(2).bfloat16()}


def test_what_is_hashed_is_what_is_read(tmp_path):
    path = tmp_path / "w.safetensors"
    safetensors.torch.save_file(STATE, path)
    read = read_weights(path)
    assert read.sha256 == sha256_of_file(path)
    assert all(torch.equal(read.state[name], tensor) for name, tensor in STATE.items())


def test_a_tensor_has_the_digest_of_its_bytes():
    raw = struct.pack("<6f", *range(6))
    assert tensor_sha256(STATE["a"]) == hashlib.sha256(raw).hexdigest()
    assert tensor_sha256(STATE["a"].t().contiguous().t()) == tensor_sha256(STATE["a"])


def test_a_device_and_a_file_beyond_the_limit_are_not_read(tmp_path, monkeypatch):
    (tmp_path / "zero").symlink_to("/dev/zero")
    with pytest.raises(OSError, match="device"):
        read_weights(tmp_path / "zero")
    safetensors.torch.save_file(STATE, tmp_path / "w")
    monkeypatch.setattr(weights, "MAX_FILE_BYTES", 10)
    with pytest.raises(ValueError, match="is larger than"):
        read_weights(tmp_path / "w")


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("kind", [torch.float32, torch.bfloat16, torch.float64, torch.float16])
def test_numbers_that_are_not_finite_are_told_by_the_name_of_their_tensor(value, kind):
    state = {"a.weight": torch.ones(3, 3), "b.weight": torch.zeros(4, 5, dtype=kind),
             "empty": torch.zeros(0), "counts": torch.ones(3, dtype=torch.int64)}  # fmt: skip
    require_finite(state, "here")
    state["b.weight"][2, 3] = value
    with pytest.raises(DamagedFileError, match=r"^here: .* 1 of its 4 tensors \(b\.weight\)"):
        require_finite(state, "here")


class Touching:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.system, (f"touch {self.path}",)


def test_a_pickle_that_would_run_something_is_refused(tmp_path):
    canary = tmp_path / "canary"
    for number, legacy in enumerate((True, False)):
        torch.save(
            {"w": Touching(canary)}, tmp_path / f"{number}.pth",
            _use_new_zipfile_serialization=not legacy,
        )  # fmt: skip
        with pytest.raises(InputError, match="could run any code"):
            read_pickled_tensors(tmp_path / f"{number}.pth")
    assert not canary.exists()


def test_an_archive_that_claims_more_than_it_has_is_not_unpacked(tmp_path):
    torch.save({"w": torch.zeros(1000)}, tmp_path / "sound.pth")
    with (
        zipfile.ZipFile(tmp_path / "sound.pth") as sound,
        zipfile.ZipFile(tmp_path / "bomb.pth", "w", zipfile.ZIP_DEFLATED) as bomb,
    ):
        for member in sound.namelist():
            bomb.writestr(member, sound.read(member))
        bomb.writestr("archive/data/9", bytes(50 << 20))
    assert torch.equal(read_pickled_tensors(tmp_path / "sound.pth")["w"], torch.zeros(1000))
    with pytest.raises(InputError, match="claims to hold more bytes than it has"):
        read_pickled_tensors(tmp_path / "bomb.pth")
