"""`histosyn import-original` as a user meets it."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from original_weights import filled
from tissue import SCHEMA, blobs

from histosyn.labels.label_map import label_png_bytes
from histosyn.models.original_layout import Layout, shapes
from launch.cli import main

# Tiles of 64 pixels.
LAYOUT = Layout(base_channels=1, noise_channels=4, embedding_channels=4, grid_size=1)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    state = filled(shapes(LAYOUT))
    torch.save({f"module.{key}": value for key, value in state.items()}, "net_G.pth")
    return tmp_path


def run(*tokens: str) -> int:
    try:
        main(list(tokens))
    except SystemExit as stop:
        return int(stop.code or 0)
    return 0


def test_the_model_can_be_used_like_any_other(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("import-original", "net_G.pth", "models/mine", "--classes", "prostate-3") == 0
    said = capsys.readouterr().out
    assert "models/mine" in said
    assert "64x64 pixels" in said
    (here / "labels").mkdir()
    (here / "labels" / "a.png").write_bytes(label_png_bytes(blobs(1, 64)[1], SCHEMA))
    assert run("synth", "models/mine", "labels", "tissue") == 0
    assert (here / "tissue" / "a.png").is_file()


@pytest.mark.parametrize(
    ("tokens", "message"),
    [
        (["none.pth", "out", "--classes", "prostate-3"], "none.pth does not exist"),
        (["net_G.pth", "net_G.pth", "--classes", "prostate-3"], "net_G.pth exists"),
        (["net_G.pth", "net_G.pth/out", "--classes", "prostate-3"], "is a file, not a folder"),
        (["net_G.pth", "out", "--classes", "prostata-3"], "Did you mean prostate-3?"),
        (["net_G.pth", "out", "--classes", "colon-10"], "4 label channels, and colon-10 has 11"),
        (["net_G.pth", "out"], "--classes"),
    ],
)
def test_what_is_wrong_is_one_sentence_and_leaves_nothing(
    here: Path, tokens: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("import-original", *tokens) == 2
    assert message in capsys.readouterr().err
    assert [path.name for path in here.iterdir()] == ["net_G.pth"]
