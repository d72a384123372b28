"""Help that begins with what people change."""

from __future__ import annotations

import re

import pytest

from launch.cli import main


def shown(capsys: pytest.CaptureFixture[str], *tokens: str) -> str:
    main([*tokens])
    text = capsys.readouterr().out
    assert max(map(len, text.splitlines())) <= 80
    return text


@pytest.mark.parametrize("tokens", [[], ["--help"]])
def test_histosyn_alone_shows_where_to_begin(
    tokens: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    text = shown(capsys, *tokens)
    assert text.index("Where to begin") < text.index("histosyn doctor") < text.index("─ Data ─")


def test_train_begins_with_the_essentials_and_leaves_the_rest(
    capsys: pytest.CaptureFixture[str],
) -> None:
    text = shown(capsys, "train", "--help")
    assert text.index("--data.shards") < text.index("--run.steps") < text.index("--stage-to")
    assert "--loss.r1" not in text
    (more,) = re.findall(r"(\d+) more settings: histosyn train --help-all", text)

    whole = shown(capsys, "train", "--help-all")
    titles = re.findall(r"─ (\w+) ─", whole)
    assert titles == ["Essentials", "Options", "Data", "Generator", "Discriminator", "Optimizer",
                      "Loss", "Run"]  # fmt: skip
    assert whole.count("--run.steps INT") == 1
    assert len(re.findall(r"^│ +--\w+\.[\w-]+", whole, re.MULTILINE)) > int(more)
    assert "more settings" not in whole


def test_other_commands_show_all_in_two_groups(capsys: pytest.CaptureFixture[str]) -> None:
    text = shown(capsys, "pack", "--help")
    assert text.index("─ Essentials ─") < text.index("--groups PATH") < text.index("─ Options ─")
    assert "--samples-per-shard" in text


def test_the_right_command_is_grouped_when_options_stand_before_help(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert "Essentials" in shown(capsys, "train", "--data.shards", "x", "--help")
