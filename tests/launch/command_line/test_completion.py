"""Completion in a shell, as docs/command-line.md has it made."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from launching import environment

PAGE = Path(__file__).parents[3] / "docs" / "command-line.md"
TRY = """
source completion
work=$(complete -p histosyn | sed 's/.*-F \\([^ ]*\\).*/\\1/')
COMP_WORDS=(histosyn train --run.st)
COMP_CWORD=2
$work histosyn --run.st train
echo "${COMPREPLY[@]}"
"""


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash here")
def test_bash_completes_settings(tmp_path: Path) -> None:
    code = re.search(r'python -c "(.*shell=.bash.*)"', PAGE.read_text("utf-8"))[1]
    with (tmp_path / "completion").open("w") as file:
        made = [sys.executable, "-c", code]
        subprocess.run(made, stdout=file, env=environment(), check=True, cwd=tmp_path)
    told = subprocess.run(
        ["bash", "-c", TRY], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert "--run.steps" in told.stdout.split()
