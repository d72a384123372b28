"""Tiles that show nothing are named."""

import logging

import numpy as np
import pytest
from painting import random_model
from tissue import write_folders

from histosyn.models.folder import load_model
from histosyn.synthesis.blank_tiles import blank_fault
from histosyn.synthesis.folder import synthesize_folder
from histosyn.synthesis.tile import synthesize
from hpc.errors import HistosynError

LABELS = np.repeat([[0, 1]], 8, axis=0).repeat(4, axis=1).astype(np.uint8)
NOISE = np.random.default_rng(0).integers(0, 256, (8, 8, 3), dtype=np.uint8)


@pytest.mark.parametrize(
    ("tile", "fault"),
    [
        (NOISE, None),
        (np.full((8, 8, 3), 200, np.uint8), "of one colour"),
        (np.full((8, 8, 3), (200, 0, 7), np.uint8), "of one colour"),
        (np.where(NOISE > 127, 255, 0).astype(np.uint8), "saturated: black and white only"),
        (np.where(NOISE > 127, 254, 1).astype(np.uint8), None),
    ],
)
def test_one_colour_and_black_and_white_are_blank_and_glass_alone_may_be(tile, fault):
    assert blank_fault(tile, LABELS) == fault
    assert blank_fault(tile, np.zeros((8, 8), np.uint8)) is None


def test_synthesis_names_the_tiles_of_a_model_that_saturates(tmp_path, caplog):
    write_folders(tmp_path / "src", 2, 64)
    model = load_model(random_model(tmp_path / "m"))
    model.network.exit.bias.data.fill_(1e30)
    with caplog.at_level(logging.WARNING, logger="histosyn"):
        outcome = synthesize_folder(model, tmp_path / "src/labels", tmp_path / "out")
    assert outcome.blank == dict.fromkeys(outcome.made, "of one colour")
    assert "2 of 2 tiles show nothing" in caplog.text
    assert str(tmp_path / "out" / outcome.made[0]) in caplog.text


def test_a_model_that_makes_no_numbers_makes_no_tile(tmp_path):
    write_folders(tmp_path / "src", 2, 64)
    model = load_model(random_model(tmp_path / "m"))
    model.network.exit.bias.data.fill_(float("nan"))
    with pytest.raises(HistosynError, match="of this map that are not finite"):
        synthesize(model, np.zeros((64, 64), np.uint8), 0)
    outcome = synthesize_folder(model, tmp_path / "src/labels", tmp_path / "out")
    assert (len(outcome.made), len(outcome.failed)) == (0, 2)
    assert not list((tmp_path / "out").rglob("*.png"))
