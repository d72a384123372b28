"""`histosyn unpack`."""

from __future__ import annotations

from pathlib import Path

import pytest
from tissue import pack_blobs

from launch.cli import main


def test_it_says_how_to_go_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["unpack", str(pack_blobs(tmp_path, 3, 32)), str(tmp_path / "out")])
    told = capsys.readouterr().out
    assert "6 files written, 0 already there" in told
    assert f"histosyn pack {tmp_path}/out/tiles {tmp_path}/out/labels" in told


def test_the_folder_above_the_parts_is_answered(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train = pack_blobs(tmp_path, 3, 32)
    with pytest.raises(SystemExit):
        main(["unpack", str(train.parent), str(tmp_path / "out")])
    assert f"did you mean {train}" in capsys.readouterr().err
