from __future__ import annotations

import os
import re
import signal
import sys
import time
from pathlib import Path

import pytest
from launching import started, wait_until

from hpc.run_state import read_state
from launch.demo.plan import shipped_chapter, training_chapter
from launch.demo.running import run_demo

# The chapter before it takes half a minute, and more where much else is done.
TRAINS = """
import sys; from pathlib import Path
from launch.demo.plan import training_chapter
from launch.demo.running import run_demo
folder = Path(sys.argv[1])
run_demo([training_chapter(folder)])
"""


@pytest.mark.slow
def test_ctrl_c_saves_and_ends_in_one_line(tmp_path: Path) -> None:
    """As a terminal sends it, to the demo and to what it runs."""
    run = tmp_path / "trained/run"
    with started([sys.executable, "-c", TRAINS, str(tmp_path)]) as process:
        # Training has begun, and its steps.
        wait_until(lambda: read_state(run) is not None, process)
        time.sleep(5)
        os.killpg(process.pid, signal.SIGINT)
        errors = process.communicate(timeout=120)[1]
    assert process.returncode == 130
    assert "Traceback" not in errors
    saved, last = errors.splitlines()[-2:]
    assert saved.startswith("histosyn: stopped after step ")
    assert last == "demo: interrupted. Run the same command again to go on from here."
    state = read_state(run)
    assert state is not None and state.last_checkpoint == state.step > 0


@pytest.mark.slow
def test_the_whole_demo_with_a_short_training(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    chapters = [shipped_chapter(tmp_path), training_chapter(tmp_path, training_steps=4)]
    run_demo(chapters)
    said = capfd.readouterr().out
    for name, closest in (("index.html", 0), ("training.html", 2)):
        assert f"Look at  {tmp_path / name}" in said
        page = (tmp_path / name).read_text()
        pictures = re.findall(r'src="([^"]+)"', page)
        # Twelve tiles with their label maps; of the training the closest pairs and last samples.
        assert len(pictures) >= 2 * 12 + closest
        assert all(picture.startswith("data:image/") for picture in pictures)
        assert "Nothing here shows a patient" in page
        assert "histosyn pack TILES LABELS" in page
        # The letters of a picture may spell anything.
        words = re.sub(r'src="data:[^"]+"', "", page)
        assert "http" not in words, "the page must need nothing from outside"
    assert "Krippendorff" in (tmp_path / "index.html").read_text()
    assert "different models" not in said
    run_demo(chapters)
    said = capfd.readouterr().out
    steps = sum(len(chapter.steps) for chapter in chapters)
    assert said.count("done before") == steps - 2 + 1
    assert f"Done. {steps - 2} of {steps} steps were done before" in said
