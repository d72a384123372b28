"""Nothing that is read may start a program or unpickle: a canary goes through every reader."""

import os
import subprocess
import sys
from pathlib import Path

import unrun


def released(folder: Path, *options: str) -> list[str]:
    """Send the canary through all readers; what it sang, and what ended oddly."""
    programs = folder / "programs"
    programs.mkdir()
    for name in ("gs", "gswin64c"):
        (programs / name).write_text("#!/bin/sh\ntrue\n")
        (programs / name).chmod(0o755)
    variables = os.environ | {
        "PATH": f"{programs}:{os.environ['PATH']}",
        "XDG_CACHE_HOME": str(folder / "cache"),
        "PYTHONPATH": str(Path(__file__).parent),
    }
    subprocess.run(
        [sys.executable, unrun.__file__, str(folder), *options], env=variables, check=False,
        timeout=500,
    )  # fmt: skip
    told = [folder / name for name in ("ran", "odd")]
    written = [str(path) for path in folder.rglob("WRITTEN")]
    lines = [line for path in told if path.exists() for line in path.read_text().splitlines()]
    return lines + written


def test_no_reader_starts_a_program_or_unpickles(tmp_path):
    assert released(tmp_path) == []
    assert len(list((tmp_path / "read").iterdir())) > 30, "the readers were reached"


def test_the_canary_would_be_heard(tmp_path):
    heard = released(tmp_path, "--sing")
    assert sum("find_class" in line for line in heard) >= 3
    assert any("os.system" in line for line in heard)
    assert any("subprocess.Popen" in line and "gs" in line for line in heard)
    assert any("WRITTEN" in line for line in heard)
