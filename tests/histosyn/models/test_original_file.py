"""Files that claim to be weights: nothing in them is run, and what is wrong is said."""

from __future__ import annotations

import pickle
import zipfile
from collections import OrderedDict
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from histosyn.models.original_file import read_state_dict
from hpc.errors import InputError

STATE = OrderedDict(weight=torch.arange(6.0).reshape(2, 3), bias=torch.ones(2))


class Trap:
    """Leaves a mark where it is unpickled."""

    def __init__(self, mark: Path):
        self.mark = mark

    def __reduce__(self):
        return Path.touch, (self.mark,)


def saved(folder: Path, content: object, **how: object) -> Path:
    torch.save(content, folder / "net.pth", **how)
    return folder / "net.pth"


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("prefix", ["", "module."])
def test_reads_a_state_dict(tmp_path: Path, zipped: bool, prefix: str) -> None:
    state = {prefix + key: value for key, value in STATE.items()}
    found = read_state_dict(saved(tmp_path, state, _use_new_zipfile_serialization=zipped))
    assert list(found) == list(STATE)
    assert all(torch.equal(found[key], STATE[key]) for key in STATE)


def test_a_prefix_that_not_all_keys_have_stays(tmp_path: Path) -> None:
    state = {"module.weight": torch.ones(2), "weight": torch.zeros(2)}
    assert read_state_dict(saved(tmp_path, state)).keys() == state.keys()


def test_parameters_come_without_their_history(tmp_path: Path) -> None:
    state = {"weight": torch.nn.Parameter(torch.ones(2))}
    assert not read_state_dict(saved(tmp_path, state))["weight"].requires_grad


@pytest.mark.parametrize("zipped", [True, False])
def test_code_is_refused_and_does_not_run(tmp_path: Path, zipped: bool) -> None:
    mark = tmp_path / "mark"
    trap = saved(tmp_path, {"a": Trap(mark)}, _use_new_zipfile_serialization=zipped)
    with pytest.raises(InputError, match="holds more than tensors.*refused") as caught:
        read_state_dict(trap)
    assert not mark.exists()
    assert "weights_only" not in str(caught.value), "torch's advice is how to run it all the same"


def test_a_bare_pickle_with_code_is_refused(tmp_path: Path) -> None:
    (tmp_path / "net.pth").write_bytes(pickle.dumps(Trap(tmp_path / "mark")))
    with pytest.raises(InputError, match=r"net\.pth"):
        read_state_dict(tmp_path / "net.pth")
    assert not (tmp_path / "mark").exists()


def test_a_whole_network_is_refused_by_its_class(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"would call torch\.nn\.modules\.linear\.Linear"):
        read_state_dict(saved(tmp_path, torch.nn.Linear(2, 2)))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([torch.ones(2)], "holds a list and no state dict"),
        (torch.ones(2), "holds a Tensor and no state dict"),
        ({1: torch.ones(2)}, "no state dict"),
        ({"generator": {"weight": torch.ones(2)}}, "generator is a dict and no tensor"),
        ({"weight": torch.ones(2), "epoch": 3}, "epoch is a int and no tensor"),
        ({"weight": torch.ones(2).to_sparse()}, "weight is a tensor of an unusual kind"),
        ({"weight": torch.ones(2, dtype=torch.complex64)}, "unusual kind"),
    ],
)
def test_what_is_no_state_dict_is_told(tmp_path: Path, content: object, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_state_dict(saved(tmp_path, content))


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist"):
        read_state_dict(tmp_path / "none.pth")
    with pytest.raises(InputError, match="is a folder"):
        read_state_dict(tmp_path)


@pytest.mark.parametrize("content", [b"", b"no file of torch's", b"PK\3\4", b"\x80\2."])
def test_what_is_no_file_of_torch_is_told(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "net.pth").write_bytes(content)
    with pytest.raises(InputError, match="is damaged or holds no PyTorch tensors"):
        read_state_dict(tmp_path / "net.pth")


def test_a_changed_number_is_noticed(tmp_path: Path) -> None:
    path = saved(tmp_path, STATE)
    data = path.read_bytes()
    at = data.index(STATE["weight"].numpy().tobytes())
    path.write_bytes(data[: at + 7] + bytes([data[at + 7] ^ 1]) + data[at + 8 :])
    with pytest.raises(InputError, match=r"its part net/data/\d was altered"):
        read_state_dict(path)


def test_a_compressed_file_is_read(tmp_path: Path) -> None:
    """As some tools repack it; its tensors cannot be mapped."""
    path = saved(tmp_path, STATE)
    with zipfile.ZipFile(path) as bare:
        members = {item.filename: bare.read(item) for item in bare.infolist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, data in members.items():
            packed.writestr(name, data)
    assert torch.equal(read_state_dict(path)["weight"], STATE["weight"])


@pytest.mark.parametrize("zipped", [True, False])
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_damage_is_an_error_of_ours_or_none(tmp_path: Path, zipped: bool, data: st.DataObject):
    path = saved(tmp_path, STATE, _use_new_zipfile_serialization=zipped)
    whole = path.read_bytes()
    cut = data.draw(st.integers(0, len(whole)))
    at = data.draw(st.integers(0, len(whole) - 1))
    damaged = bytearray(whole)
    damaged[at] = data.draw(st.integers(0, 255))
    path.write_bytes(damaged[:cut] if data.draw(st.booleans()) else damaged)
    try:
        read_state_dict(path)
    except InputError as error:
        assert str(path) in str(error)
