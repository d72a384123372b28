"""Plots are drawn of what is there, always the same, and say in words what they show."""

import base64

import pytest
from report_results import agreement, discrimination, fid, number, save, write_run

from eval.report import figures
from eval.report.figures import figures_of
from eval.report.sources import read_sources
from eval.statistics.result import Result

pytest.importorskip("matplotlib", reason="needs the extra `report`")


def gain(value, ends, arm, share=0.5, **details):
    facts = {"reference_share": share, "reference_set": None, "schedule": "added", **details}
    return number("mean_dice_difference", value, ends, arm=arm, real_share=share, **facts)


GAINS = (
    gain(0.01, (-0.01, 0.03), "added new x1", share=1.0),
    gain(0.006, (0, 0.01), "added again x1", is_control=True),
    gain(0.02, (0.01, 0.03), "added new x1"),
    gain(0.014, (0.0, 0.02), "added new x1", reference_set="again"),
    gain(0.005, (-0.03, 0.04), "alone new", schedule="alone", seeds=[0]),
    gain(-0.03, (-0.05, -0.01), "added new x1", reference_share=1.0),
    number("mean_dice_difference", 0.1, arm="of another program"),
)


def result(kind, *numbers, **tables):
    return Result(kind=kind, inputs={}, settings={}, numbers=numbers, tables=tables)


def utility(*numbers):
    return Result(kind="utility", inputs={}, settings={"margin": 0.02}, numbers=numbers)


def test_every_kind_has_its_plot(tmp_path):
    write_run(tmp_path)
    values = {"hematoxylin": [0.1, 0.2], "eosin": [0.2, 0.3]}
    save(
        tmp_path,
        a=agreement(),
        b=discrimination(),
        c=fid(),
        d=result("c2st", number("auc_network_scale_1", 0.9, (0.8, 0.95))),
        e=result("stain", values={"real": values, "synthetic": values}),
        f=result("memorization", distances={"pixels": {"synthetic": [1, 2], "held_out": [2, 3]}}),
        g=result("faithfulness", number("dice", 0.8, (0.7, 0.9), side="synthetic",
                                        **{"class": "gland"})),
        h=utility(*GAINS),
    )  # fmt: skip
    found = {one.title: one for one in figures_of(read_sources(tmp_path), [])}
    assert list(found) == [
        "Real or synthetic? Readers, naive block",
        "Agreement of readers",
        "Told apart by a machine, scale by scale",
        "Energy by frequency",
        "Stain of each tile",
        "Distance to the nearest training tile",
        "Tissue where the label map asked for it",
        "Are synthetic tiles of use?",
        "The training",
    ]
    for one in found.values():
        svg = base64.b64decode(one.svg.removeprefix("data:image/svg+xml;base64,"))
        assert svg.lstrip().startswith(b"<?xml")
        assert b"<script" not in svg
        assert one.alt
        assert one.caption
    assert "mean of readers 0.520" in found["Real or synthetic? Readers, naive block"].alt


def test_what_synthetic_tiles_are_of_use_for_is_held_against_as_many_patients(tmp_path):
    (figure,) = figures_of(read_sources(save(tmp_path, h=utility(*GAINS))), [])
    assert figure.alt.split("; ") == [
        "50%: added again x1 minus real tiles 0.00600",
        "50%: added new x1 minus real tiles 0.0200",
        "50%: added new x1 minus the control 0.0140",
        "tissue of 50%: alone new minus real tiles 0.00500",
        "100%: added new x1 minus real tiles 0.0100",
    ]
    assert "Grey" in figure.caption
    assert "Of one seed they show nothing" in figure.caption
    assert figures_of(read_sources(save(tmp_path, h=utility(*GAINS[-2:]))), []) == []


def test_the_same_plot_has_the_same_bytes(tmp_path):
    sources = read_sources(save(tmp_path, c=fid()))
    assert [o.svg for o in figures_of(sources, [])] == [o.svg for o in figures_of(sources, [])]


def test_without_matplotlib_there_are_none(tmp_path, monkeypatch):
    monkeypatch.setattr(figures, "can_draw", lambda: False)
    assert figures_of(read_sources(save(tmp_path, c=fid())), []) == []


def test_odd_values_cost_their_plot_and_are_told(tmp_path):
    values = {"hematoxylin": ["much"], "eosin": [0.2]}
    odd = result("stain", values={"real": values, "synthetic": values})
    notices = []
    assert figures_of(read_sources(save(tmp_path, odd=odd)), notices) == []
    assert "A plot is missing" in notices[0]
