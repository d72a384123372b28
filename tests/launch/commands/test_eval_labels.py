"""`histosyn eval labels` on the command line."""

import json

import pytest
from new_label_maps import write_maps
from PIL import Image

from launch.cli import main


def test_a_table_a_sheet_and_a_result(tmp_path, capsys):
    real, new = write_maps(tmp_path / "real", 6), write_maps(tmp_path / "new", 3)
    sheet, file = tmp_path / "nearest.png", tmp_path / "labels.json"
    main(["eval", "labels", str(real), str(new), "--schema", "prostate-3",
          "--sheet", str(sheet), "--json", str(file)])  # fmt: skip
    said = capsys.readouterr().out
    assert "class share nuclei" in said
    assert "3 of 3 new maps agree more than any real one" in " ".join(said.split())
    with Image.open(sheet) as image:
        assert image.width > 400
    assert json.loads(file.read_text())["kind"] == "labels"
    with pytest.raises(SystemExit) as stop:
        main(["eval", "labels", str(real), str(new)])
    assert stop.value.code == 2
    assert "--schema prostate-3" in capsys.readouterr().err
