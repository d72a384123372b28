"""A folder of new label maps: the same on any processes and after a kill; bad input is told."""

import json
import os
import signal

import numpy as np
import pytest
from new_label_maps import BACKGROUND, NUCLEUS, SCHEMA, glands_map, write_maps
from tissue import pack_blobs

from histosyn.labels.label_map import label_png_bytes, read_label_map
from histosyn.labels.schema import LabelClass, LabelSchema
from histosyn.new_labels.folder import refusals_text, write_new_labels
from histosyn.new_labels.records import mark_of
from histosyn.new_labels.settings import NewLabelSettings, Range, parse_range
from hpc.errors import HistosynError, InputError, LabelError
from hpc.job_array import Part

# What small maps allow.
SETTINGS = NewLabelSettings(slack=1.0)
OFF = Range(low=0, high=0)
FLIPS = NewLabelSettings(
    join=0, turn=OFF, zoom=Range(low=1, high=1), bend=OFF, thin=OFF, move=OFF, crowd=OFF,
    roughen=OFF,
)  # fmt: skip


@pytest.fixture(scope="module")
def labels(tmp_path_factory):
    return write_maps(tmp_path_factory.mktemp("maps") / "labels")


@pytest.fixture(scope="module")
def done(labels, tmp_path_factory):
    out = tmp_path_factory.mktemp("maps") / "new"
    outcome = write_new_labels(labels, out, SCHEMA, 9, SETTINGS, processes=1)
    assert (outcome.made, outcome.present, outcome.failed) == (9, 0, ())
    return out


def files_of(folder):
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_the_maps_are_new_and_the_manifest_says_of_what_they_are(labels, done):
    lines = [json.loads(line) for line in (done / "manifest.jsonl").read_text().splitlines()]
    assert [line["file"] for line in lines] == [f"new-{n:06d}.png" for n in range(9)]
    sources = {path.name for path in labels.iterdir()}
    drawn = [glands_map(number).tobytes() for number in range(4)]
    for line in lines:
        labels_HW = read_label_map(done / line["file"], SCHEMA)
        assert labels_HW.shape == (64, 64)
        assert labels_HW.tobytes() not in drawn
        assert {source["file"] for source in line["sources"]} <= sources
        assert line["operations"]["warp"]["zoom"] > 0
        assert mark_of(done / line["file"]).number == line["number"]


def test_three_processes_make_the_same_files(labels, done, tmp_path):
    write_new_labels(labels, tmp_path / "new", SCHEMA, 9, SETTINGS, processes=3)
    assert files_of(tmp_path / "new") == files_of(done)


def test_parts_make_the_same_files(labels, done, tmp_path):
    out = tmp_path / "new"
    for number in (1, 2):
        part = Part(number=number, count=2)
        write_new_labels(labels, out, SCHEMA, 9, SETTINGS, processes=1, part=part)
    outcome = write_new_labels(labels, out, SCHEMA, 9, SETTINGS, processes=1)
    assert (outcome.made, outcome.present) == (0, 9)
    assert files_of(out) == files_of(done)


def test_fewer_maps_are_the_first_of_more(labels, done, tmp_path):
    write_new_labels(labels, tmp_path / "new", SCHEMA, 2, SETTINGS, processes=1)
    first = files_of(tmp_path / "new")
    assert first["new-000001.png"] == files_of(done)["new-000001.png"]
    assert len(first) == 3


def test_a_killed_command_goes_on(labels, done, tmp_path):
    out = tmp_path / "new"
    child = os.fork()
    if child == 0:

        def kill_at_the_fifth(lines, total):
            for number, line in enumerate(lines):
                if number == 4:
                    os.kill(os.getpid(), signal.SIGKILL)
                yield line

        write_new_labels(labels, out, SCHEMA, 9, SETTINGS, processes=1, track=kill_at_the_fifth)
        os._exit(0)
    assert os.WIFSIGNALED(os.waitpid(child, 0)[1])
    assert not (out / "manifest.jsonl").exists()
    outcome = write_new_labels(labels, out, SCHEMA, 9, SETTINGS, processes=1)
    assert outcome.present == 5
    assert files_of(out) == files_of(done)


def test_a_damaged_map_is_made_again(labels, done, tmp_path):
    out = tmp_path / "new"
    write_new_labels(labels, out, SCHEMA, 2, SETTINGS, processes=1)
    path = out / "new-000001.png"
    path.write_bytes(path.read_bytes()[:-40])
    assert write_new_labels(labels, out, SCHEMA, 2, SETTINGS, processes=1).made == 1
    assert path.read_bytes() == files_of(done)["new-000001.png"]


def test_other_settings_do_not_replace_unless_told_to(labels, tmp_path):
    out = tmp_path / "new"
    write_new_labels(labels, out, SCHEMA, 2, SETTINGS, processes=1)
    other = NewLabelSettings(slack=1.0, seed=1)
    with pytest.raises(InputError, match="other settings, or of other label maps.*--overwrite"):
        write_new_labels(labels, out, SCHEMA, 2, other, processes=1)
    assert write_new_labels(labels, out, SCHEMA, 2, other, processes=1, overwrite=True).made == 2


def test_a_file_that_is_not_ours_is_not_replaced(labels, tmp_path):
    out = tmp_path / "new"
    out.mkdir()
    (out / "new-000000.png").write_bytes((labels / "0.png").read_bytes())
    with pytest.raises(InputError, match="is no label map that histosyn labels made"):
        write_new_labels(labels, out, SCHEMA, 1, SETTINGS, processes=1, overwrite=True)


@pytest.mark.parametrize("size", [(96, 128), (32, 32)])
def test_other_sizes(labels, tmp_path, size):
    settings = NewLabelSettings(size=size, slack=None)
    write_new_labels(labels, tmp_path / "new", SCHEMA, 2, settings, processes=1)
    assert read_label_map(tmp_path / "new" / "new-000001.png", SCHEMA).shape == size


def test_a_boosted_class_has_more_of_the_maps(labels, tmp_path):
    shares = []
    for factor in (1.0, 1.5):
        settings = NewLabelSettings(boost={NUCLEUS: factor}, slack=1.0)
        out = tmp_path / f"{factor}"
        write_new_labels(labels, out, SCHEMA, 24, settings, processes=1)
        shares.append(
            np.mean(
                [(read_label_map(path, SCHEMA) == NUCLEUS).mean() for path in out.glob("*.png")]
            )
        )
    assert shares[1] > shares[0]


@pytest.mark.parametrize("classes", [2, 255])
def test_any_number_of_classes(tmp_path, classes):
    schema = LabelSchema(
        name="x",
        classes=tuple(
            LabelClass(name=f"c{i}", color=f"#{i:02x}00{255 - i:02x}", objects=i % 3 == 1)
            for i in range(classes)
        ),
    )
    (tmp_path / "labels").mkdir()
    for number in range(2):
        rng = np.random.default_rng(number)
        labels_HW = rng.integers(0, classes, (6, 6)).astype(np.uint8).repeat(8, 0).repeat(8, 1)
        data = label_png_bytes(labels_HW, schema)
        (tmp_path / "labels" / f"{number}.png").write_bytes(data)
    settings = NewLabelSettings(slack=None)
    write_new_labels(tmp_path / "labels", tmp_path / "new", schema, 2, settings, processes=1)
    assert read_label_map(tmp_path / "new" / "new-000001.png", schema).max() < classes


def one_class(folder, value):
    folder.mkdir()
    labels_HW = np.full((32, 32), value, np.uint8)
    (folder / "a.png").write_bytes(label_png_bytes(labels_HW, SCHEMA))
    return folder


def test_maps_of_one_class_give_nothing_new_and_attempts_end(tmp_path):
    folder = one_class(tmp_path / "labels", 1)
    outcome = write_new_labels(folder, tmp_path / "new", SCHEMA, 2, processes=1)
    assert outcome.failed == (0, 1)
    assert outcome.refused == {"copy": 40}
    assert refusals_text(outcome.refused) == "40 times it is one of your maps again"


def test_objects_that_fill_every_map(tmp_path):
    folder = one_class(tmp_path / "labels", 2)
    with pytest.raises(InputError, match="Objects of epithelium fill every map.*--no-objects"):
        write_new_labels(folder, tmp_path / "new", SCHEMA, 2, processes=1)


def test_more_than_flips_can_make(labels, tmp_path):
    assert write_new_labels(labels, tmp_path / "a", SCHEMA, 3, FLIPS, processes=1).made == 3
    with pytest.raises(InputError, match="--count 29 is more than can be made.*at most 28"):
        write_new_labels(labels, tmp_path / "b", SCHEMA, 29, FLIPS, processes=1)


def test_no_choice_of_maps_has_so_much(labels, tmp_path):
    settings = NewLabelSettings(boost={BACKGROUND: 50.0})
    with pytest.raises(InputError, match="has so much of background: at most"):
        write_new_labels(labels, tmp_path / "new", SCHEMA, 2, settings, processes=1)


def test_bad_input_is_one_message(labels, tmp_path):
    (tmp_path / "empty").mkdir()
    for folder, count, message in (
        (tmp_path / "empty", 1, "holds no image"),
        (tmp_path / "nowhere", 1, "does not exist"),
        (labels, 0, "count is 0"),
    ):
        with pytest.raises(HistosynError, match=message):
            write_new_labels(folder, tmp_path / "new", SCHEMA, count, processes=1)
    with pytest.raises(InputError, match="lies in the folder of label maps"):
        write_new_labels(labels, labels / "new", SCHEMA, 1, processes=1)


def test_another_schema_is_one_message(labels, tmp_path):
    classes = tuple(LabelClass(name=f"c{i}", color=f"#00ff{i:02x}") for i in range(2))
    with pytest.raises(LabelError, match="schema two"):
        write_new_labels(
            labels, tmp_path / "new", LabelSchema(name="two", classes=classes), 1, processes=1
        )


@pytest.mark.parametrize("text", ["", "a", "2:1", "-1:1", "0:99", "1:2:3", "nan"])
def test_what_is_no_range(text):
    with pytest.raises(InputError, match="--thin .* is no range. Write LOW:HIGH"):
        parse_range(text, "--thin", 0, 1)


def test_a_range_and_a_single_value():
    assert parse_range("0:0.5", "--thin", 0, 1) == Range(low=0, high=0.5)
    assert parse_range("1", "--zoom", 0.25, 4) == Range(low=1, high=1)


def test_label_maps_of_shards(tmp_path):
    shards = pack_blobs(tmp_path, count=8)
    settings = NewLabelSettings(slack=None)
    for processes in (1, 2):
        out = tmp_path / f"new-{processes}"
        outcome = write_new_labels(shards, out, None, 5, settings, processes=processes)
        assert outcome.made == 5
    assert files_of(tmp_path / "new-1") == files_of(tmp_path / "new-2")
    line = json.loads((tmp_path / "new-1" / "manifest.jsonl").read_text().splitlines()[0])
    assert line["sources"][0]["file"].startswith("tile-")
