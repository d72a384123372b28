"""`histosyn eval stain`, as users call it."""

import json

import numpy as np
import pytest
from PIL import Image
from tissue import write_folders

from launch.cli import main


def refused(arguments, capsys):
    with pytest.raises(SystemExit) as stop:
        main(["eval", "stain", *map(str, arguments)])
    assert stop.value.code == 2
    return capsys.readouterr().err


def test_a_table_and_a_result(tmp_path, capsys):
    tiles, labels = write_folders(tmp_path / "a")
    others, more = write_folders(tmp_path / "b")
    field = tmp_path / "large.png"
    Image.fromarray(np.full((96, 96, 3), (180, 120, 170), np.uint8)).save(field)
    path = tmp_path / "stain.json"
    main(["eval", "stain", str(tiles), str(others), "--real-labels", str(labels),
          "--labels", str(more), "--schema", "prostate-3", "--field", str(field),
          "--window", "32", "--json", str(path)])  # fmt: skip
    shown = capsys.readouterr().out
    result = json.loads(path.read_text())
    assert "distance hematoxylin in nuclei" in shown
    assert "No distance is beyond" in shown
    assert "drift hematoxylin large.png" in shown
    assert (result["kind"], result["inputs"]["real"]["n"]) == ("stain", 12)


def test_what_is_wrong_is_one_message(tmp_path, capsys):
    tiles, labels = write_folders(tmp_path / "a")
    assert "missing" in refused([tiles, tmp_path / "missing"], capsys)
    assert "give --schema" in refused([tiles, tiles, "--labels", labels], capsys)
    empty = tmp_path / "empty"
    empty.mkdir()
    assert "holds no image" in refused([tiles, empty], capsys)
