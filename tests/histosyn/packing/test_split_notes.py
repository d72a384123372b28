"""How many patients were held out, and a warning if it is one."""

from __future__ import annotations

from pathlib import Path

import pytest
from tissue import SCHEMA, write_folders

from histosyn.packing.pack import PackConfig, pack
from histosyn.packing.split_notes import split_notes


def notes(root: Path, patients: int, **shares: float) -> list[tuple[str, bool]]:
    tiles, labels = write_folders(root, count=12, size=32)
    table = root / "patients.csv"
    lines = [f"tile-{number:02d},p{number % patients}" for number in range(12)]
    table.write_text("\n".join(["tile,patient", *lines]))
    config = PackConfig(groups=table, **shares)
    indexes = pack(tiles, labels, root / "packed", SCHEMA, config, processes=1)
    return [(note.text, note.warns) for note in split_notes(indexes, config)]


def test_the_number_of_patients_is_told(tmp_path: Path) -> None:
    ((text, warns),) = notes(tmp_path, patients=6, val=0.34)
    assert text == "val has 2 of 6 patients, 33% of the samples (34% were asked for)."
    assert not warns


def test_one_patient_is_a_warning_that_says_what_to_do(tmp_path: Path) -> None:
    ((text, warns),) = notes(tmp_path, patients=6, val=0.2)
    assert text.startswith("val has 1 of 6 patients, 17% of the samples (20% were asked for): one")
    assert "no real-versus-real floor" in text
    assert "--val 0.4" in text
    assert warns


@pytest.mark.parametrize("patients, shares", [(6, {}), (12, {"val": 0.2})])
def test_nothing_is_said_without_a_split_or_without_groups(
    tmp_path: Path, patients: int, shares: dict[str, float]
) -> None:
    assert notes(tmp_path, patients, **shares) == []


def test_two_patients_cannot_be_split_better(tmp_path: Path) -> None:
    assert [warns for _, warns in notes(tmp_path, patients=2, val=0.2)] == [False]
