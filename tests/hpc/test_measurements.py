"""What is measured once on a kind of processor, and what may have become of the file it is in."""

from __future__ import annotations

import json
import logging
import os
from contextlib import nullcontext
from pathlib import Path

import pytest
import torch
from users import as_nobody

from hpc import measurements
from hpc.measurements import measured_once

FOUND = {"copies": 1.5, "products": 2}


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of its own, and a process that has measured nothing."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(measurements, "_measured", {})
    return tmp_path / "cache" / "histosyn" / "measurements"


class Measure:
    """Counts how often it was asked."""

    def __init__(self) -> None:
        self.times = 0

    def __call__(self) -> dict[str, float]:
        self.times += 1
        return dict(FOUND)


def in_a_new_process(measure: Measure) -> dict[str, float]:
    measurements._measured.clear()
    return measured_once("speed", measure)


def test_once_and_kept() -> None:
    measure = Measure()
    assert measured_once("speed", measure) == FOUND
    assert measured_once("speed", measure) == FOUND
    assert in_a_new_process(measure) == FOUND
    assert measure.times == 1


def test_a_file_says_what_it_holds_for(cache: Path) -> None:
    measured_once("speed", Measure())
    (path,) = cache.iterdir()
    kept = json.loads(path.read_text())
    assert kept["measured"] == FOUND
    assert kept["kind"]["torch"] == torch.__version__
    assert kept["kind"]["what"] == "speed"


@pytest.mark.parametrize("name", ["ONEDNN_MAX_CPU_ISA", "threads", "torch", "what"])
def test_another_kind_is_measured_anew(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    measure = Measure()
    measured_once("speed", measure)
    if name == "threads":
        monkeypatch.setattr(torch, "get_num_threads", lambda: 99)
    elif name == "torch":
        monkeypatch.setattr(torch, "__version__", "9.9")
    elif name == "ONEDNN_MAX_CPU_ISA":
        monkeypatch.setenv(name, "AVX2")
    assert measured_once("other" if name == "what" else "speed", measure) == FOUND
    assert measure.times == 2


@pytest.mark.parametrize(
    "damage",
    [
        b"", b"{", b"\xff\xfe", b"[]", b"{}", b'{"measured": {"copies": 3}}',
        b'{"kind": {"what": "speed"}, "measured": {"copies": 3}}', b"[" * 5000, b" " * (1 << 17),
    ],
)  # fmt: skip
def test_a_damaged_file_is_measured_and_written_again(cache: Path, damage: bytes) -> None:
    measure = Measure()
    measured_once("speed", measure)
    (path,) = cache.iterdir()
    whole = path.read_bytes()
    path.write_bytes(damage)
    assert in_a_new_process(measure) == FOUND
    assert measure.times == 2
    assert path.read_bytes() == whole


@pytest.mark.parametrize("value", ["null", '"fast"', "true", "[1]", "{}", "1e999", "NaN"])
def test_what_is_no_number_is_measured_again(cache: Path, value: str) -> None:
    measure = Measure()
    measured_once("speed", measure)
    (path,) = cache.iterdir()
    path.write_text(path.read_text().replace("1.5", value))
    assert in_a_new_process(measure) == FOUND
    assert measure.times == 2


def test_a_file_cut_short_anywhere(cache: Path) -> None:
    measure = Measure()
    measured_once("speed", measure)
    (path,) = cache.iterdir()
    whole = path.read_bytes()
    for length in range(0, len(whole) - 2, 7):
        path.write_bytes(whole[:length])
        assert in_a_new_process(measure) == FOUND
    assert path.read_bytes() == whole


@pytest.mark.parametrize("obstacle", ["file", "folder in its place", "no writing"])
def test_a_cache_that_cannot_be_written(
    cache: Path, caplog: pytest.LogCaptureFixture, obstacle: str
) -> None:
    caplog.set_level(logging.INFO, logger="histosyn")
    measure = Measure()
    if obstacle == "file":
        cache.parent.parent.mkdir()
        cache.parent.write_text("in the way")
    elif obstacle == "folder in its place":
        measured_once("speed", measure)
        (path,) = cache.iterdir()
        path.unlink()
        (path / "full").mkdir(parents=True)
    else:
        cache.mkdir(parents=True)
        cache.chmod(0o500)
    before = measure.times
    with as_nobody(cache) if obstacle == "no writing" else nullcontext():
        assert in_a_new_process(measure) == FOUND
        assert in_a_new_process(measure) == FOUND
    assert measure.times == before + 2
    assert "measured again at the next start" in caplog.text


def test_a_cache_that_others_may_change_is_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Without a home it lies among the temporary files, and has to be private."""
    caplog.set_level(logging.INFO, logger="histosyn")
    shared = tmp_path / f"histosyn-{os.geteuid()}"
    shared.mkdir()
    shared.chmod(0o777)
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setattr("hpc.user_folders.home", lambda: None)
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(tmp_path))
    assert measured_once("speed", Measure()) == FOUND
    assert not list(shared.iterdir())
    assert "can be entered by others" in caplog.text
