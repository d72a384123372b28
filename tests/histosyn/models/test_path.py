"""What is taken for a model, and what is said of a folder that is none."""

from __future__ import annotations

from pathlib import Path

import pytest

from histosyn.models.path import model_kind
from hpc.errors import InputError
from launch.run_status import status_of


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (["a"], ", but there is {0}/a in it"),
        (["b", "a"], ", but there are {0}/a, {0}/b in it"),
        (list("edcba"), ", but there are {0}/a, {0}/b, {0}/c and 2 more in it"),
        ([], "none of its files."),
    ],
)
def test_a_folder_of_runs_names_them(tmp_path: Path, names: list[str], said: str) -> None:
    for name in names:
        (tmp_path / name / "checkpoints").mkdir(parents=True)
    (tmp_path / "notes").mkdir()
    with pytest.raises(InputError) as fault:
        model_kind(tmp_path)
    assert said.format(tmp_path) in str(fault.value)


def test_the_status_of_a_folder_of_runs_names_them(tmp_path: Path) -> None:
    (tmp_path / "first" / "checkpoints").mkdir(parents=True)
    with pytest.raises(InputError, match=f"but there is {tmp_path}/first in it"):
        status_of(tmp_path)
