import shlex
from pathlib import Path

import pytest

from launch.cli import main
from launch.demo.facts import NEXT_STEPS
from launch.demo.plan import shipped_chapter, training_chapter


def test_each_step_makes_something_of_its_own(tmp_path: Path) -> None:
    chapters = (shipped_chapter(tmp_path), training_chapter(tmp_path))
    made = [step.makes for chapter in chapters for step in chapter.steps]
    assert len(set(made)) == len(made)
    assert all(path.is_relative_to(tmp_path) for path in made)
    assert {chapter.page for chapter in chapters} <= set(made)


@pytest.mark.parametrize("line", NEXT_STEPS.splitlines())
def test_what_comes_next_are_commands_that_there_are(
    line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each stops at what is not there, not at an option it does not know."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as stopped:
        main(shlex.split(line)[1:])
    assert stopped.value.code == 2
    said = " ".join(capsys.readouterr().err.split())
    assert "does not exist" in said or "SCHEMA" in said
