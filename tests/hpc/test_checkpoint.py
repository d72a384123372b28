"""Checkpoints: whole or refused, by name; the older one is never lost; no code comes in."""

import json
import os
import pickle
import shutil

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hpc import checkpoint
from hpc.checkpoint import (
    checkpoint_path,
    clear_leftovers,
    is_resume_only,
    load,
    newest_valid,
    prune,
    save,
    steps,
    verify,
)
from hpc.errors import DamagedFileError, HistosynError, InputError

FILES = ("tensors.safetensors", "state.json", "checkpoint.json")
DTYPES = (torch.float32, torch.float64, torch.bfloat16, torch.int64, torch.uint8, torch.bool)
STATE = {
    "step": 7,
    "weights": {"layer.weight": torch.randn(3, 4), "layer.bias": torch.randn(4).bfloat16()},
    "optimizer": {"state": {0: {"exp_avg": torch.randn(3, 4, dtype=torch.float64)}, 1: {}}},
    "note": None,
}


@st.composite
def tensors(draw):
    """Tensors of any kind and small shape: scalars, empty ones, transposed ones."""
    shape = draw(st.lists(st.integers(0, 3), max_size=3))
    generator = torch.Generator().manual_seed(draw(st.integers(0, 99)))
    numbers = torch.randn(shape, generator=generator, dtype=torch.float64) * 100
    tensor = numbers.to(draw(st.sampled_from(DTYPES)))
    return tensor.T if tensor.ndim == 2 and draw(st.booleans()) else tensor


names = st.text("ab/1.", max_size=3) | st.integers(-2, 12)
leaves = (
    tensors() | st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
)
trees = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=4),
    max_leaves=12,
)
states = st.dictionaries(names, trees, max_size=4)


def same(one, other):
    """Equal in structure, types and every bit."""
    if isinstance(one, torch.Tensor):
        return (
            isinstance(other, torch.Tensor)
            and one.dtype == other.dtype
            and one.shape == other.shape
            and torch.equal(one, other)
        )
    if isinstance(one, dict):
        return (
            isinstance(other, dict)
            and [(type(k), k) for k in one] == [(type(k), k) for k in other]
            and all(same(one[key], other[key]) for key in one)
        )
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same, one, other))
    return type(one) is type(other) and one == other


def write_steps(root, *numbers):
    for number in numbers:
        save(checkpoint_path(root, number), STATE | {"step": number})


@pytest.fixture
def saved(tmp_path):
    folder = checkpoint_path(tmp_path, 7)
    save(folder, STATE)
    return folder


@given(states)
@settings(max_examples=150, suppress_health_check=list(HealthCheck))
def test_what_is_loaded_is_what_was_saved(tmp_path_factory, state):
    folder = tmp_path_factory.mktemp("round-trip") / "step-00000001"

    save(folder, state)

    assert same(load(folder), state)
    shutil.rmtree(folder.parent)


def test_paths_that_coincide_are_kept_apart(tmp_path):
    """Hypothesis finds such trees only by luck."""
    state = {
        1: torch.tensor(1),
        "1": torch.tensor(2),
        "a": {"b": torch.tensor(3)},
        "a/b": torch.tensor(4),
    }

    save(tmp_path / "c", state)

    assert same(load(tmp_path / "c"), state)


def test_optimizer_and_shared_weights(tmp_path):
    layer = torch.nn.Linear(2, 2)
    optimizer = torch.optim.Adam(layer.parameters(), betas=(0.0, 0.99))
    layer(torch.ones(1, 2)).sum().backward()
    optimizer.step()
    twin = {"one": layer.weight, "view": layer.weight[:1]}

    save(tmp_path / "c", {"optimizer": optimizer.state_dict(), "twin": twin})
    loaded = load(tmp_path / "c")

    other = torch.optim.Adam(layer.parameters())
    other.load_state_dict(loaded["optimizer"])
    assert torch.equal(
        other.state[layer.weight]["exp_avg"], optimizer.state[layer.weight]["exp_avg"]
    )
    assert torch.equal(loaded["twin"]["view"], layer.weight[:1])


def test_tuples_come_back_as_lists(tmp_path):
    save(tmp_path / "c", {"betas": (0.0, 0.99)})

    assert load(tmp_path / "c") == {"betas": [0.0, 0.99]}


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ({"a": {"b": object()}}, "cannot hold object .at /a/b"),
        ({"a": [{1, 2}]}, "cannot hold set .at /a/0"),
        ({"a": {(1, 2): 3}}, r"cannot hold the key \(1, 2\) .at /a"),
    ],
)
def test_what_cannot_be_kept_is_refused_and_leaves_nothing(tmp_path, state, message):
    with pytest.raises(TypeError, match=message):
        save(tmp_path / "c", state)

    assert list(tmp_path.iterdir()) == []


def test_a_checkpoint_is_never_overwritten(saved):
    with pytest.raises(InputError, match="exists already"):
        save(saved, {"step": 0})

    assert load(saved)["step"] == 7


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_is_named(saved, name):
    (saved / name).unlink()

    with pytest.raises(DamagedFileError, match=f"{name} is missing"):
        verify(saved)
    with pytest.raises(DamagedFileError, match=f"{name} is missing.*Take another checkpoint"):
        load(saved)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("kept", [0.0, 0.5, 0.99])
def test_a_truncated_file_is_named(saved, name, kept):
    content = (saved / name).read_bytes()
    (saved / name).write_bytes(content[: int(len(content) * kept)])

    with pytest.raises(DamagedFileError, match=name):
        verify(saved)


@pytest.mark.parametrize("name", FILES[:2])
@pytest.mark.parametrize("place", [0, 0.5, 1])
def test_a_flipped_bit_is_named(saved, name, place):
    flip(saved / name, int(((saved / name).stat().st_size - 1) * place), bit=0)

    with pytest.raises(DamagedFileError, match=f"{name} has not the sha256"):
        verify(saved)


@pytest.mark.parametrize("bit", range(8))
def test_no_flipped_bit_of_the_record_changes_what_is_loaded(saved, bit):
    record = saved / "checkpoint.json"
    whole = record.read_bytes()
    for place in range(len(whole)):
        flip(record, place, bit)
        try:
            verify(saved)
        except HistosynError as error:
            assert str(saved) in str(error)
        else:
            # Space may become another blank; all that is said is as it was.
            assert json.loads(record.read_bytes()) == json.loads(whole)
        record.write_bytes(whole)


def flip(path, place, bit):
    content = bytearray(path.read_bytes())
    content[place] ^= 1 << bit
    path.write_bytes(content)


@pytest.mark.parametrize("text", ["[]", "{}", '{"format_version": 1, "sha256": []}', "null", "\0"])
def test_a_record_that_is_none_is_damage(saved, text):
    (saved / "checkpoint.json").write_text(text)

    with pytest.raises(DamagedFileError, match=r"checkpoint\.json is missing or damaged"):
        verify(saved)


def test_another_version_is_no_damage(tmp_path, monkeypatch):
    write_steps(tmp_path, 1)
    monkeypatch.setattr(checkpoint, "FORMAT_VERSION", 2)
    write_steps(tmp_path, 2)
    monkeypatch.setattr(checkpoint, "FORMAT_VERSION", 1)

    with pytest.raises(InputError, match="format 2, this histosyn reads 1"):
        newest_valid(tmp_path)

    assert list(steps(tmp_path)) == [1, 2]


class Bomb:
    """Its pickle makes a file when it is loaded."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (os.system, (f"touch {self.path}",))


@pytest.mark.parametrize("name", FILES[:2])
def test_pickled_code_never_runs(saved, tmp_path, name):
    fuse = tmp_path / "exploded"
    (saved / name).write_bytes(pickle.dumps(Bomb(fuse)))

    with pytest.raises(DamagedFileError, match=f"{name} has not the sha256"):
        load(saved)
    forge(saved, name)
    with pytest.raises(DamagedFileError, match="histosyn did not write it"):
        load(saved)

    assert not fuse.exists()


def forge(folder, name):
    """Give a file the checksum it should have."""
    record = json.loads((folder / FILES[2]).read_text())
    record["sha256"][name] = checkpoint.sha256_of_file(folder / name)
    (folder / FILES[2]).write_text(json.dumps(record))


@pytest.mark.parametrize(
    "text",
    ["[1, 2", '{"dict": [["a"]]}', '{"a": 1, "b": 2}', '{"tensor": "none"}', '{"dict": 7}'],
)
def test_a_forged_state_is_refused(saved, text):
    (saved / "state.json").write_text(text)
    forge(saved, "state.json")

    with pytest.raises(DamagedFileError, match="histosyn did not write it"):
        load(saved)


def test_no_checkpoint_yet(tmp_path):
    assert newest_valid(tmp_path / "nowhere") is None
    assert newest_valid(tmp_path) is None


def test_the_newest_one_is_taken(tmp_path):
    write_steps(tmp_path, 100, 9, 100_000_000, 20)

    assert newest_valid(tmp_path) == checkpoint_path(tmp_path, 100_000_000)
    assert list(steps(tmp_path)) == [9, 20, 100, 100_000_000]


@pytest.mark.parametrize("name", FILES)
def test_a_damaged_one_is_passed_over_named_and_set_aside(tmp_path, name, caplog):
    write_steps(tmp_path, 1, 2, 3)
    for number in (2, 3):
        (checkpoint_path(tmp_path, number) / name).write_bytes(b"")

    assert newest_valid(tmp_path) == checkpoint_path(tmp_path, 1)
    assert list(steps(tmp_path)) == [1, 2, 3], "looking for a checkpoint changes nothing"
    assert f"step-00000003/{name}" in caplog.text and f"step-00000002/{name}" in caplog.text

    assert newest_valid(tmp_path, set_aside=True) == checkpoint_path(tmp_path, 1)
    assert {path.name for path in tmp_path.iterdir()} == {
        "step-00000001",
        "damaged-step-00000002",
        "damaged-step-00000003",
    }


def test_a_step_that_is_damaged_again_is_set_aside_again(tmp_path):
    write_steps(tmp_path, 1)
    for _ in range(2):
        write_steps(tmp_path, 2)
        (checkpoint_path(tmp_path, 2) / "state.json").unlink()
        assert newest_valid(tmp_path, set_aside=True) == checkpoint_path(tmp_path, 1)

    assert {path.name for path in tmp_path.glob("damaged-*")} == {
        "damaged-step-00000002",
        "damaged-step-00000002.2",
    }


def test_nobody_starts_anew_in_silence(tmp_path):
    write_steps(tmp_path, 1, 2)
    for number in (1, 2):
        (checkpoint_path(tmp_path, number) / "state.json").unlink()

    for _ in range(2):  # a requeued job asks again by itself
        with pytest.raises(DamagedFileError, match="no checkpoint that is whole: 2 damaged"):
            newest_valid(tmp_path, set_aside=True)

    for path in tmp_path.iterdir():
        shutil.rmtree(path)
    assert newest_valid(tmp_path) is None, "asked for by removing them"


@pytest.mark.parametrize(
    ("keep_last", "keep_every", "kept"),
    [
        (1, None, [6]),
        (2, None, [5, 6]),
        (9, None, [1, 2, 3, 4, 5, 6]),
        (1, 2, [2, 4, 6]),
        (2, 3, [3, 5, 6]),
    ],
)
def test_pruning_keeps_the_last_and_every_nth(tmp_path, keep_last, keep_every, kept):
    write_steps(tmp_path, 1, 2, 3, 4, 5, 6)

    prune(tmp_path, keep_last=keep_last, keep_every=keep_every)

    assert list(steps(tmp_path)) == kept


def test_what_kills_left_is_cleared_away(tmp_path):
    write_steps(tmp_path, 1)
    for name in (".step-00000002.abc123.tmp", ".step-00000000.pruned.tmp"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "tensors.safetensors").write_bytes(b"half")

    clear_leftovers(tmp_path)

    assert [path.name for path in tmp_path.iterdir()] == ["step-00000001"]


def test_a_full_disk_is_told_and_the_old_checkpoint_stays(small_disk):
    save(checkpoint_path(small_disk, 1), STATE)

    with pytest.raises(HistosynError, match=r"step-00000002 could not be written.*Make room"):
        save(checkpoint_path(small_disk, 2), {"weights": torch.zeros(1 << 20)})

    assert [path.name for path in small_disk.iterdir()] == ["step-00000001"]
    assert same(load(newest_valid(small_disk)), STATE)


@pytest.mark.parametrize("room", range(0, 16, 5))
def test_wherever_the_disk_gets_full(small_disk, room):
    """Tensors, state and record: whichever file it is that does not fit."""
    save(checkpoint_path(small_disk, 1), STATE)
    free = shutil.disk_usage(small_disk).free
    (small_disk / "filler").write_bytes(bytes(free - room * 1024))

    try:
        save(checkpoint_path(small_disk, 2), STATE)
    except HistosynError:
        assert list(steps(small_disk)) == [1]
    assert same(load(newest_valid(small_disk)), STATE)


def test_one_to_resume_from_only_says_so_and_can_be_passed_over(tmp_path):
    save(checkpoint_path(tmp_path, 1), STATE)
    save(checkpoint_path(tmp_path, 2), STATE, resume_only=True)
    assert [is_resume_only(path) for path in steps(tmp_path).values()] == [False, True]
    assert same(load(checkpoint_path(tmp_path, 2)), STATE)
    assert newest_valid(tmp_path) == checkpoint_path(tmp_path, 2)
    assert newest_valid(tmp_path, also_resume_only=False) == checkpoint_path(tmp_path, 1)
    prune(tmp_path, keep_last=1)
    for step in (3, 4, 5):
        save(checkpoint_path(tmp_path, step), STATE, resume_only=True)
        prune(tmp_path, keep_last=2)
    assert list(steps(tmp_path)) == [1, 4, 5], "the last one that users look at stays"
    save(checkpoint_path(tmp_path, 6), STATE)
    prune(tmp_path, keep_last=1)
    assert list(steps(tmp_path)) == [6]


def test_where_there_are_none_but_to_resume_from(tmp_path):
    save(checkpoint_path(tmp_path, 1), STATE, resume_only=True)
    assert newest_valid(tmp_path, also_resume_only=False) is None
