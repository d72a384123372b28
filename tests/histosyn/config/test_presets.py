from __future__ import annotations

from collections.abc import Callable
from copy import copy
from dataclasses import replace
from itertools import dropwhile, takewhile
from pathlib import Path

import pytest
import torch
from tissue import pack_blobs

from histosyn.config.file import as_plain, from_dict
from histosyn.config.presets import PRESETS
from histosyn.config.train import TrainConfig
from histosyn.labels.label_map import load_schema
from histosyn.models import original
from histosyn.models.original import import_original
from histosyn.models.original_layout import Layout, shapes
from histosyn.training.run import run_training

DOCS = Path(__file__).parents[3] / "docs" / "presets.md"


@pytest.mark.parametrize("name", list(PRESETS))
def test_a_preset_says_only_what_differs_from_the_defaults(name: str) -> None:
    settings = PRESETS[name].settings
    defaults = as_plain(from_dict(TrainConfig, {"data": {"shards": "x"}}, "defaults"))
    from_dict(TrainConfig, {"data": {"shards": "x"}, **settings}, name)
    for section, values in settings.items():
        for field, value in values.items():
            assert defaults[section].get(field) != value, f"{section}.{field}"


def test_every_preset_is_documented() -> None:
    text = DOCS.read_text("utf-8")
    assert all(f"`{name}`" in text for name in PRESETS)


def configured(name: str) -> TrainConfig:
    """What a preset gives; without a preset of the name, the defaults."""
    settings = PRESETS[name].settings if name in PRESETS else {}
    return from_dict(TrainConfig, {"data": {"shards": "x"}, **settings}, name)


def power_of_ten(number: float) -> str:
    return f"{number:.0e}".replace("e-0", "e-")


# What a row of the table says of a configuration; what it is for is prose.
ROWS: dict[str, Callable[[TrainConfig], str]] = {
    "generator, discriminator: base channels": lambda config: (
        f"{config.generator.base_channels}, {config.discriminator.base_channels}"
    ),
    "generator: label channels": lambda config: str(config.generator.label_channels),
    "entry": lambda config: (
        "noise on a grid, any tile size"
        if config.generator.entry == "grid"
        else f"linear layer on {config.generator.noise_channels} numbers, "
        f"{config.generator.fixed_side}-pixel tiles"
    ),
    "noise at each resolution": lambda config: "yes" if config.generator.pixel_noise else "no",
    "upsamplings": lambda config: str(config.generator.upsamplings),
    "features are doubled": lambda config: config.generator.upsampling,
    "beyond the border": lambda config: config.generator.border,
    "stain is an input": lambda config: "yes" if config.generator.stain else "no",
    "frozen features that judge": lambda config: str(config.discriminator.pretrained),
    "discriminator of grain": lambda config: "yes" if config.discriminator.grain_channels else "no",
    "discriminator sees the label map": lambda config: (
        f"{'yes' if config.discriminator.sees_labels else 'no'}, "
        f"{config.discriminator.scales} scales"
    ),
    "adversarial loss, its weight for the generator": lambda config: (
        f"{config.loss.objective.replace('_', ' ')}, {config.loss.adversarial:g}"
    ),
    "feature matching": lambda config: (
        f"{config.loss.feature_matching:g}" if config.loss.feature_matching else "none"
    ),
    "learning rates, generator and discriminator": lambda config: (
        f"{power_of_ten(config.optimizer.generator_lr)}, "
        f"{power_of_ten(config.optimizer.discriminator_lr)}"
    ),
    "Adam's betas": lambda config: f"{config.optimizer.beta1:g}, {config.optimizer.beta2:g}",
    "updates of the two networks": lambda config: config.run.updates,
    "precision": lambda config: config.run.precision,
    "moving average": lambda config: f"{config.run.ema_decay:g}",
}


def table() -> list[list[str]]:
    """The cells of the first table."""
    lines = dropwhile(lambda line: not line.startswith("|"), DOCS.read_text("utf-8").splitlines())
    rows = takewhile(lambda line: line.startswith("|"), lines)
    return [[cell.strip(" `") for cell in row.strip("|").split("|")] for row in rows]


def test_the_table_of_presets_says_what_they_are() -> None:
    (_, *names), _, _, *rows = table()
    assert names == ["defaults", *PRESETS]
    assert [row for row, *_ in rows] == list(ROWS)
    for row, *cells in rows:
        told = ["" if cell == "the same" else cell for cell in cells]
        wanted = [ROWS[row](configured(name)) for name in names]
        assert [cell or told[0] for cell in told] == wanted, row


@pytest.mark.parametrize("name", list(PRESETS))
def test_the_table_has_every_setting_of_a_preset(name: str) -> None:
    """Each is seen: with the default in its place another table would be right."""
    whole, defaults = configured(name), configured("defaults")
    for section, values in PRESETS[name].settings.items():
        for field in values:
            part = copy(getattr(whole, section))
            # Some make no sense without others, which is not asked here.
            object.__setattr__(part, field, getattr(getattr(defaults, section), field))
            changed = replace(whole, **{section: part})
            assert any(say(changed) != say(whole) for say in ROWS.values()), f"{section}.{field}"


def test_paper_builds_the_generator_that_the_original_is_imported_as(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At the released width, whose weights, being beside the point, are neither made nor read."""
    monkeypatch.setattr(original, "rows", lambda layout: ())
    file, nothing = tmp_path / "latest_net_G.pth", torch.zeros(())
    torch.save({key: nothing.expand(shape) for key, shape in shapes(Layout()).items()}, file)
    _, facts = import_original(file, load_schema("prostate-3"))
    assert configured("paper").generator == facts.generator


@pytest.mark.parametrize("name", list(PRESETS))
def test_a_preset_trains(name: str, tmp_path: Path) -> None:
    """With the layout of the preset, but few channels."""
    settings = {section: dict(values) for section, values in PRESETS[name].settings.items()}
    settings["generator"] |= {"base_channels": 2, "max_multiplier": 4, "label_channels": 4}
    settings["discriminator"] |= {"base_channels": 2}
    run = {"folder": str(tmp_path / "run"), "steps": 2, "recalibrate_batches": 1}
    settings["run"] = settings.get("run", {}) | run
    if "grid_size" in settings["generator"]:
        settings["generator"]["grid_size"] = 1
    shards = {"shards": str(pack_blobs(tmp_path)), "global_batch": 2, "workers": 0}
    config = from_dict(TrainConfig, {"data": shards, **settings}, name)
    assert (run_training(config) / "model.safetensors").is_file()
