"""What is read of a folder; nothing there, damage, two runs, other data are a message each."""

import json

import pytest
from report_results import agreement, fid, save, side, write_run

from eval.report.results_files import read_results
from eval.report.sources import read_sources
from hpc.errors import InputError


def test_results_are_found_by_what_they_are_not_by_their_names(tmp_path):
    save(tmp_path / "deep", anything=fid())
    (tmp_path / "dataset.json").write_text('{"shards": []}')
    (tmp_path / "list.json").write_text("[1, 2]")
    found = read_results(tmp_path)
    assert [one.file for one in found.found] == ["deep/anything.json"]
    assert found.found[0].named("frechet_distance").interval == (0.4, 0.6)
    assert found.left_out == ()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{", "damaged.json"),
        ('{"schema_version": 9, "kind": "fid", "numbers": []}', "has the layout 9"),
        ('{"schema_version": 1, "kind": "fid", "numbers": 3}', "damaged.json"),
        ('{"schema_version": 1, "kind": "fid", "numbers": [{"name": 1}], "inputs": {}, '
         '"settings": {}}', "damaged.json"),
    ],
)  # fmt: skip
def test_a_damaged_result_is_told_and_the_others_are_read(tmp_path, text, told):
    save(tmp_path, good=fid())
    (tmp_path / "damaged.json").write_text(text)
    sources = read_sources(tmp_path)
    assert [one.kind for one in sources.findings.found] == ["fid"]
    assert told in sources.findings.left_out[0]
    assert sources.notices == sources.findings.left_out


def test_nothing_is_one_message(tmp_path):
    with pytest.raises(InputError, match="neither a run nor a result"):
        read_sources(tmp_path)
    with pytest.raises(InputError, match="missing"):
        read_sources(tmp_path / "missing")
    (tmp_path / "only.json").write_text('{"kind": "fid", "numbers": [], "schema_version": 2}')
    with pytest.raises(InputError, match="layout 2"):
        read_sources(tmp_path)


def test_two_runs_do_not_belong_into_one_report(tmp_path):
    for name in ("first", "second"):
        write_run(tmp_path / name)
    with pytest.raises(InputError, match=r"holds 2 runs \(first, second\)"):
        read_sources(tmp_path)


def test_a_run_tells_of_itself_even_with_nothing_measured(tmp_path):
    run = read_sources(write_run(tmp_path / "mine")).run
    assert (run.name, run.model_sha256) == ("mine", "m" * 64)
    assert run.config["run"]["seed"] == 7
    assert len(run.metrics) == 3
    (tmp_path / "mine" / "config.toml").write_text("= nothing")
    assert "cannot be understood" in read_sources(tmp_path / "mine").notices[0]


def test_results_of_other_tiles_or_models_are_told(tmp_path):
    write_run(tmp_path / "run")
    save(tmp_path, one=fid(model=["m" * 64]), other=fid(sha256="b" * 64, model=["x" * 64]))
    notices = " ".join(read_sources(tmp_path).notices)
    assert "different synthetic tiles: one.json (aaaaaaaa…); other.json (bbbbbbbb…)" in notices
    assert "different models, the run's is mmmmmmmm…: one.json (mmmmmmmm…); other.json" in notices
    (tmp_path / "other.json").unlink()
    save(tmp_path, readers=agreement())
    assert read_sources(tmp_path).notices == ()


def test_a_side_with_tiles_and_labels_is_compared_by_its_tiles(tmp_path):
    result = fid()
    nested = side()
    nested["content"] = {"tiles": nested["content"], "labels": {"sha256": "l" * 64}}
    result.inputs["synthetic"] = nested
    save(tmp_path, nested=result, plain=fid())
    assert json.loads((tmp_path / "nested.json").read_text())["kind"] == "fid"
    assert read_sources(tmp_path).notices == ()


def test_a_result_that_was_edited_into_nonsense_is_left_out_by_name(tmp_path):
    save(tmp_path, good=fid(), edited=fid())
    text = (tmp_path / "edited.json").read_text()
    plain = json.loads(text)
    plain["numbers"][1]["details"]["values"] = ["half", 0.5]
    (tmp_path / "edited.json").write_text(json.dumps(plain))
    sources = read_sources(tmp_path)
    assert [one.file for one in sources.findings.found] == ["good.json"]
    assert "edited.json holds what no version of histosyn writes" in sources.notices[0]
