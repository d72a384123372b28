"""Ray's sockets and logs lie where nobody else gets to them, under names that are short enough."""

import stat
import tempfile
from pathlib import Path

import pytest

from hpc.errors import InputError
from hpc.socket_folder import SOCKET_PATH_BYTES
from tune.ray_cluster.session_folder import session_folder


@pytest.fixture
def short(monkeypatch):
    """A folder with a short name, which the one of a test has not."""
    monkeypatch.delenv("RAY_TMPDIR", raising=False)
    with tempfile.TemporaryDirectory(prefix="s-", dir="/tmp") as folder:
        yield Path(folder)


def test_only_its_user_can_enter_it_and_it_goes(short, monkeypatch):
    monkeypatch.setenv("RAY_TMPDIR", str(short))
    with session_folder() as folder:
        folder.mkdir()
        folder.chmod(0o777)  # as Ray does
        assert folder.parent.parent == short
        assert stat.S_IMODE(folder.parent.stat().st_mode) == 0o700
        name = folder / "session_2026-11-29_00-53-04_488944_4000000" / "sockets" / "plasma_store"
        assert len(str(name)) < SOCKET_PATH_BYTES
    assert list(short.iterdir()) == []


def test_logs_stay_when_it_ends_with_an_error(short, monkeypatch):
    monkeypatch.setenv("RAY_TMPDIR", str(short))
    with pytest.raises(ValueError, match="x"), session_folder():
        raise ValueError("x")
    assert len(list(short.iterdir())) == 1


def test_nothing_stays_after_ctrl_c(short, monkeypatch):
    monkeypatch.setenv("RAY_TMPDIR", str(short))
    with pytest.raises(KeyboardInterrupt), session_folder():
        raise KeyboardInterrupt
    assert list(short.iterdir()) == []


def test_a_long_tmpdir_is_passed_over(short, tmp_path, monkeypatch):
    long = tmp_path / ("x" * 80)
    long.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(long))
    with session_folder() as folder:
        assert long not in folder.parents


@pytest.mark.parametrize("name", ["x" * 80, "missing"])
def test_a_folder_for_ray_that_will_not_do_is_named(short, name, monkeypatch):
    if name != "missing":
        (short / name).mkdir()
    monkeypatch.setenv("RAY_TMPDIR", str(short / name))
    with pytest.raises(InputError, match="RAY_TMPDIR = .* at most [1-9]"), session_folder():
        pass
