from __future__ import annotations

import os
import re
import signal
import sys
import time
from pathlib import Path

import pytest
from launching import started, wait_until

from eval.agreement.ratings.arms import read_ratings
from hpc.run_state import read_state
from launch.demo import main, simulated_ratings, steps


def test_simulated_ratings_are_seeded_and_readable(tmp_path: Path) -> None:
    assert simulated_ratings() == simulated_ratings()
    assert simulated_ratings() != simulated_ratings(seed=1)
    (tmp_path / "ratings.csv").write_text(simulated_ratings())
    ratings = read_ratings(tmp_path / "ratings.csv", ("1", "2", "3", "4", "5"))
    assert [arm.name for arm in ratings.arms] == ["real", "synthetic"]


def test_each_step_makes_something_of_its_own(tmp_path: Path) -> None:
    made = [step.makes for step in steps(tmp_path)]
    assert len(set(made)) == len(made)
    assert all(path.is_relative_to(tmp_path) for path in made)


@pytest.mark.slow
def test_ctrl_c_saves_and_ends_in_one_line(tmp_path: Path) -> None:
    """As a terminal sends it, to the demo and to what it runs."""
    run = tmp_path / "run"
    with started([sys.executable, "-m", "launch.demo", str(tmp_path)]) as process:
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
    main(tmp_path, training_steps=4)
    said = capfd.readouterr().out
    assert str(tmp_path / "index.html") in said
    assert "histosyn pack TILES LABELS" in said
    page = (tmp_path / "index.html").read_text()
    pictures = re.findall(r'src="([^"]+)"', page)
    # Twelve tiles with their label maps, the closest pairs, the last samples; plots, if there are.
    assert len(pictures) >= 2 * 12 + 2
    assert all(picture.startswith("data:image/") for picture in pictures)
    assert "Krippendorff" in page
    assert "Nothing here shows a patient" in page
    assert "http" not in page, "the page must need nothing from outside"
    main(tmp_path, training_steps=4)
    said = capfd.readouterr().out
    assert said.count("done before") == 10 + 1
    assert "Done. 10 of 11 steps were done before" in said
