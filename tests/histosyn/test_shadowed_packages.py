"""The floors have generic names; histosyn notices when a user's file takes one of them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.parametrize("name", ["hpc", "eval", "tune", "launch"])
def test_a_users_file_that_hides_a_floor_is_named(tmp_path: Path, name: str) -> None:
    (tmp_path / f"{name}.py").write_text("")
    command = [sys.executable, "-c", "import histosyn"]
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONSAFEPATH"}
    run = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert run.returncode == 1
    assert f"own package '{name}' is hidden by {tmp_path / name}.py" in run.stderr
    assert "Rename that file" in run.stderr
    safe = subprocess.run(command, cwd=tmp_path, env=environment | {"PYTHONSAFEPATH": "1"})
    assert safe.returncode == 0
