"""Asynchronous checkpoints: what is written, which are kept, failures, and a full disk."""

import logging
import shutil
import threading
import time

import pytest
import torch
from disks import resize

from hpc import checkpoint
from hpc.async_checkpoint import AsyncSaver
from hpc.checkpoint import checkpoint_path, load, newest_valid, steps
from hpc.errors import FullDiskError, HistosynError

SMALL, LARGE = torch.arange(8), torch.zeros(1 << 20)


def state(step, weights=SMALL):
    return {"step": step, "weights": weights}


@pytest.fixture
def held_up(monkeypatch):
    """Writing waits until the test allows it."""
    allowed, write = threading.Event(), checkpoint.write

    def wait_and_write(*arguments, **options):
        assert allowed.wait(60)
        write(*arguments, **options)

    monkeypatch.setattr(checkpoint, "write", wait_and_write)
    yield allowed
    allowed.set()


def test_what_is_written_is_the_state_at_the_time_of_saving(tmp_path, held_up):
    weights = torch.arange(8)
    changing = {"weights": weights, "lr": [1.0]}
    with AsyncSaver(tmp_path, keep_last=1) as saver:
        saver.save(1, changing)
        weights += 1
        changing["lr"][0] = 2.0
        assert steps(tmp_path) == {}, "saving must not wait for the disk"
        held_up.set()

    found = load(checkpoint_path(tmp_path, 1))
    assert torch.equal(found["weights"], torch.arange(8)) and found["lr"] == [1.0]


def test_a_save_takes_the_memory_of_the_one_before(tmp_path):
    weights = torch.arange(8)
    with AsyncSaver(tmp_path, keep_last=9) as saver:
        for step in range(3):
            saver.save(
                step, {"weights": weights.expand(step + 1, 8) + step, "bias": weights + step}
            )

    for step, path in steps(tmp_path).items():
        found = load(path)
        assert torch.equal(found["weights"], weights.expand(step + 1, 8) + step)
        assert torch.equal(found["bias"], weights + step)


def test_at_most_one_write_is_under_way(tmp_path, held_up):
    saver = AsyncSaver(tmp_path, keep_last=9)
    saver.save(1, state(1))
    second = threading.Thread(target=saver.save, args=(2, state(2)))
    second.start()
    second.join(0.2)
    assert second.is_alive()
    held_up.set()
    second.join()
    assert 1 in steps(tmp_path)
    saver.close()
    assert list(steps(tmp_path)) == [1, 2]


def test_an_error_in_training_loses_no_write(tmp_path, held_up):
    with pytest.raises(ZeroDivisionError), AsyncSaver(tmp_path, keep_last=1) as saver:
        saver.save(1, state(1))
        held_up.set()
        1 / 0  # noqa: B018

    assert load(checkpoint_path(tmp_path, 1))["step"] == 1


def test_who_interrupts_by_force_does_not_wait(tmp_path, held_up):
    with pytest.raises(KeyboardInterrupt), AsyncSaver(tmp_path, keep_last=1) as saver:
        saver.save(1, state(1))
        raise KeyboardInterrupt

    assert steps(tmp_path) == {}


def test_the_saver_keeps_the_last_and_every_nth(tmp_path):
    with AsyncSaver(tmp_path, keep_last=2, keep_every=4) as saver:
        for step in range(1, 8):
            saver.save(step, state(step))

    assert list(steps(tmp_path)) == [4, 6, 7]


def test_no_network_file_system_disturbs_pruning(tmp_path, monkeypatch):
    """NFS keeps what somebody reads, so that its folder cannot be removed; next time it can."""
    with monkeypatch.context() as patched:
        patched.setattr(shutil, "rmtree", lambda *_, **__: None)
        with AsyncSaver(tmp_path, keep_last=1) as saver:
            saver.save(1, state(1))
            saver.save(2, state(2))
    assert list(steps(tmp_path)) == [2]
    with AsyncSaver(tmp_path, keep_last=1) as saver:
        saver.save(3, state(3))
    assert [path.name for path in tmp_path.iterdir()] == ["step-00000003"]


def test_what_goes_wrong_is_raised_by_the_next_save_and_once(tmp_path):
    saver = AsyncSaver(tmp_path / "file" / "checkpoints", keep_last=1)
    (tmp_path / "file").write_text("in the way")
    saver.save(1, state(1))
    message = "step-00000001 could not be written: .* Check the rights and the disk, and run the"
    with pytest.raises(HistosynError, match=message):
        saver.save(2, state(2))
    saver.close()


def test_a_failure_can_be_asked_for_before_the_next_save(tmp_path, held_up):
    saver = AsyncSaver(tmp_path / "file", keep_last=1)
    (tmp_path / "file").write_text("in the way")
    saver.save(1, state(1))
    saver.check()
    held_up.set()
    with pytest.raises(HistosynError, match="step-00000001 could not be written"):
        while True:
            saver.check()


def test_of_two_failures_training_is_told_and_writing_is_logged(tmp_path, caplog):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(ZeroDivisionError), AsyncSaver(tmp_path / "file", keep_last=1) as saver:
        saver.save(1, state(1))
        1 / 0  # noqa: B018

    assert "step-00000001 could not be written" in caplog.text


def test_a_full_disk_stops_and_keeps_what_was_there(small_disk):
    saver = AsyncSaver(small_disk, keep_last=1)
    saver.save(1, state(1))
    saver.save(2, state(2, LARGE))
    message = (
        r"disk/step-00000002 could not be written: it takes 4\.0 MiB, and 0\.2 MiB are free\. "
        r"Older checkpoints are as they were\. Make room"
    )
    with pytest.raises(FullDiskError, match=message):
        saver.save(3, state(3))

    assert [path.name for path in small_disk.iterdir()] == ["step-00000001"]
    assert load(newest_valid(small_disk))["step"] == 1


def test_a_full_disk_is_tried_again_when_asked_for(small_disk, caplog):
    with caplog.at_level(logging.WARNING), AsyncSaver(
        small_disk, keep_last=1, on_full_disk="retry"
    ) as saver:  # fmt: skip
        saver.save(1, state(1))
        saver.save(2, state(2, LARGE))
        saver.save(3, state(3, LARGE))
        # It is written in the background: room must not be made before it has failed.
        end = time.monotonic() + 60
        while f"{checkpoint_path(small_disk, 3)} could" not in caplog.text:
            assert time.monotonic() < end
            time.sleep(0.01)
        assert list(steps(small_disk)) == [1]
        resize(small_disk, "64m")
        saver.save(4, state(4, LARGE))

    assert list(steps(small_disk)) == [4]
    for step in (2, 3):
        assert f"{checkpoint_path(small_disk, step)} could not be written" in caplog.text
    assert "Training goes on; the next checkpoint is tried again." in caplog.text


def test_the_last_checkpoint_is_no_matter_of_trying_again(small_disk):
    saver = AsyncSaver(small_disk, keep_last=1, on_full_disk="retry")
    saver.save(1, state(1))
    saver.save(2, state(2, LARGE))
    with pytest.raises(FullDiskError, match="step-00000002"):
        saver.close()


def test_other_failures_are_not_tried_again(tmp_path):
    (tmp_path / "file").write_text("in the way")
    saver = AsyncSaver(tmp_path / "file", keep_last=1, on_full_disk="retry")
    saver.save(1, state(1))
    with pytest.raises(HistosynError, match="could not be written"):
        saver.save(2, state(2))
