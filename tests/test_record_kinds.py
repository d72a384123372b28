"""Every kind of record: a sound one is read, with what a later version adds; any other is told."""

import ast
import copy
import json
from importlib import import_module
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hpc.errors import HistosynError

ROOT = Path(__file__).parents[1]
FLOORS = ("hpc", "histosyn", "eval", "tune", "launch")

SHA = "0" * 64
MEMBER = {"offset": 512, "size": 9, "crc32": 7}
SAMPLE = {"key": "a", "tile": MEMBER, "label": MEMBER, "group": None, "classes": [0, 2]}
MODEL = {
    "format_version": 1, "schema": {"name": "x", "classes": []}, "tile_size": [64, 64],
    "mpp": 0.5, "training": {"steps": 3},
}  # fmt: skip
TILE = {
    "file": "a.png", "label": "a.png", "label_sha256": SHA, "seed": 1, "variant": 1,
    "model_sha256": SHA, "histosyn": "0.1", "precision": "float32",
    "painted": {"seeds": [3], "areas": "areas/a.png", "areas_sha256": SHA},
    "resampled": {"source_mpp": 0.25, "mpp": 0.5}, "codec": "jpeg",
    "drawn": {"width": 9, "height": 9, "unannotated": "stroma"},
    "rerolled": {"seeds": [3], "areas": ".rerolls/a.png", "areas_sha256": SHA},
}  # fmt: skip
ENDING = {"state": "failed", "reason": "it broke", "next": "mend", "exit_code": 1}
SAMPLES = {
    "hpc.run_state:_STATES": {
        "state": "running", "reason": "", "next": "resume", "step": 1, "steps": 4,
        "updated": "2026-01-01T00:00:00+00:00", "host": "node", "pid": 1, "job": None,
        "restarts": 0, "process_seconds": 1.5, "world_size": 1, "device": "cpu",
        "last_checkpoint": None,
    },
    "hpc.log:REPORTS": {"step": 3, "images_seen": 24, "images_per_second": 1.5, "loss/g": 0.5},
    "hpc.checkpoint:_COMMITS": {"format_version": 1, "sha256": {"state.json": SHA}},
    "hpc.locks:_OWNERS": {
        "work": "", "share": "1/2", "host": "node", "pid": 5, "job": "7", "since": "now",
    },
    "hpc.watchdog:_DECLARED": {"by": 1, "of": 0, "ending": ENDING},
    "hpc.watchdog:_HEARTBEATS": {
        "number": 3, "host": "node", "pid": 5, "where": "train (x, line 3)",
    },
    "histosyn.training.bad_samples:BAD_SAMPLES": {
        "step": 3, "shard": "x.tar", "key": "a", "cause": "cut",
    },
    "histosyn.models.checkpoint_state:_STATES": {"trainer": {"step": 3}, "config": {}, "model": {}},
    "histosyn.new_labels.records:RECORDS": {
        "file": "new-000001.png", "number": 1, "seed": 0, "attempt": 2,
        "sources": [{"file": "a.png", "sha256": SHA, "used": "base"}],
        "operations": {"size": [64, 64]}, "refused": {"copy": 1}, "recipe": SHA,
        "pixels_sha256": SHA, "histosyn": "0.1",
    },
    "histosyn.manifests.manifest:_LINES": TILE | {"output_sha256": SHA},
    "histosyn.synthesis.provenance:RECORDS": TILE,
    "histosyn.models.files:_CONFIGS": {"weights": {"sha256": SHA, "tensors": {"a": SHA}}},
    "histosyn.models.files:_TRAININGS": {"steps": 3, "images_seen": 24, "data_sha256": SHA},
    "histosyn.models.facts:GENERATORS": MODEL | {
        "generator": {"upsamplings": 3}, "objects": {"nuclei": {"count": 3, "median_diameter": 9}},
    },
    "eval.segmenter.model:SEGMENTERS": MODEL | {"kind": "segmenter", "network": {"halvings": 2}},
    "histosyn.packing.journal:_NOTES": {
        "part": "train",
        "record": {"name": "shard-000000.tar", "sha256": SHA, "size_bytes": 9,
                   "entries": [SAMPLE], "class_pixels": [1, 2, 3]},
        "progress": {"pair": 1, "taken": 2, "tile_size": [64, 64], "samples": {"train": 3},
                     "left_out": {}},
    },
    "histosyn.packing.journal:_PLANS": {"anything": [1]},
    "histosyn.packing.pieces:_PIECES": {
        "digest": SHA, "content": SHA,
        "cuts": [{"samples": 1, "left_out": 0, "unread": ["one sentence"]}],
        "samples": [{"key": "a", "size": [64, 64], "class_pixels": [1, 2],
                     "members": [{"suffix": "tile.png", "bytes": 9}]}],
    },
    "histosyn.shards.index_file:_INDICES": {
        "format_version": 2, "samples": 1, "tile_size": [64, 64], "mpp": None,
        "schema": {"name": "x"}, "class_pixels": [1, 2], "class_samples": [1, 1],
        "label_values": "indices", "made_by": {"histosyn": "0.1"},
        "left_out": [{"shard": "x.tar", "key": "b", "cause": "cut", "damaged": True}],
        "sha256": SHA,
        "shards": [{"name": "x.tar", "sha256": SHA, "size_bytes": 9, "samples": 1,
                    "rows_crc32": 7}],
    },
    "histosyn.shards.foreign_scan:_NOTES": {
        "name": "x.tar", "sha256": SHA, "size_bytes": 9, "seams": [512], "left_aside": 0,
        "left_out": [],
        "looks": [{"entry": SAMPLE, "size": [64, 64], "class_pixels": [1, 2], "mpp": 0.5,
                   "indices": True}],
    },
    "eval.distances.comparison_file:_COMPARISONS": {"real": "/a", "synthetic": "/b", "seed": 3},
    "eval.discrimination.machine:RESULTS": {
        "kind": "c2st",
        "tables": {"scores": {
            "images": ["a.png"], "synthetic": [True], "scores": {"auc_network_scale_1": [0.5]},
        }},
    },
    "eval.report.results_files:_RESULTS": {
        "schema_version": 1, "kind": "fid", "inputs": {}, "settings": {}, "warnings": ["few"],
        "tables": {}, "versions": {"histosyn": "0.1"},
        "numbers": [{"name": "kid", "value": 0.5, "n": 3, "method": "m", "interval": [0.1, 0.9],
                     "interval_level": 0.95, "interval_method": "b", "reason": None,
                     "details": {}}],
    },
    "eval.study.sealed_key:PROTOCOLS": {"protocol": {"design": {}}},
    "eval.study.sealed_key:_SEALED": {
        "kind": "histosyn study key", "version": 1, "study": "b", "sha256": SHA, "sealed": "",
    },
    "eval.study.sealed_key:_KEYS": {
        "study": "b", "protocol_sha256": SHA, "protocol": {"design": {}},
        "blocks": [{"reader": "R1", "block": "naive", "items": [
            {"name": "c", "tiles": [{"arm": "real", "name": "a.png", "patient": None}]},
        ]}],
    },
    "eval.study.reading:RECORDS": {
        "study": "b", "protocol_sha256": SHA, "deviations": ["late"],
        "protocol": {
            "design": {"task": "grade", "margin": 0.1, "primary": "auc", "levels": 3},
            "planned_readers": ["R1"],
        },
    },
    "eval.utility.trainings:_TESTS": {
        "data_sha256": SHA, "segmenter_sha256": SHA, "training": {}, "tiles": 3,
        "units": ["a"], "confusion": [[[1, 2], [3, 4]]], "minutes": 1.5,
    },
    "tune.plan.trial_folder:_EVALUATIONS": {
        "step": 3, "images_seen": 24, "distance": 1.5, "values": {"distance": 1.5},
    },
    "tune.plan.trial_folder:_SUGGESTIONS": {
        "number": 9, "origin": "tpe", "values": {"loss.adversarial": 0.5}, "seed": 0,
        "repeats": None, "learnt_from": [{"trial": 0, "place": 3, "ending": None}],
    },
    "tune.plan.trial_folder:_TIMES": {"step": 3, "seconds": 1.5},
    "tune.plan.trial_folder:_DECISIONS": {"step": 3, "decision": "go on"},
    "tune.plan.trial_folder:_OUTCOMES": {"status": "finished", "reason": None},
    "tune.plan.saved_sweep:SAVED": {
        "train": {}, "search": {}, "sweep": {}, "validation_sha256": SHA,
    },
}  # fmt: skip

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
    | st.sampled_from(["\0", "/x", "../x", 10**30, -1, 1e300]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=4,
)  # fmt: skip


def kind_of(name):
    module, _, attribute = name.partition(":")
    return getattr(import_module(module), attribute)


def test_there_is_a_sample_of_every_kind():
    """Kinds are what modules call `Records(...)` and `model_records(...)` for."""
    found = set()
    for floor in FLOORS:
        for path in (ROOT / floor).rglob("*.py"):
            module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
            for node in ast.parse(path.read_text("utf-8")).body:
                if isinstance(node, ast.Assign) and makes_a_kind(node.value):
                    found.add(f"{module}:{node.targets[0].id}")
    assert found == set(SAMPLES)


def makes_a_kind(node):
    called = ast.unparse(node.func) if isinstance(node, ast.Call) else ""
    return called in ("Records", "model_records")


@pytest.mark.parametrize("name", SAMPLES)
def test_a_sound_record_and_one_of_a_later_version(name):
    kind = kind_of(name)
    now = kind.parse(json.dumps(SAMPLES[name]), "x.json")
    later = kind.parse(json.dumps(SAMPLES[name] | {"added later": [{"a": 1}]}), "x.json")
    assert now == later


@pytest.mark.parametrize("name", SAMPLES)
@settings(max_examples=30)
@given(data=st.data())
def test_any_value_in_any_place(name, data):
    kind, sample = kind_of(name), copy.deepcopy(SAMPLES[name])
    node = sample
    while True:
        places = sorted(node) if isinstance(node, dict) else list(range(len(node)))
        place = data.draw(st.sampled_from(places))
        if not node[place] or not isinstance(node[place], dict | list) or data.draw(st.booleans()):
            break
        node = node[place]
    node[place] = data.draw(values)
    told_or_read(kind, json.dumps(sample).encode())


@pytest.mark.parametrize("name", SAMPLES)
@settings(max_examples=30)
@given(data=st.data())
def test_any_damage_to_the_bytes(name, data):
    content = bytearray(json.dumps(SAMPLES[name]).encode())
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    told_or_read(kind_of(name), bytes(content[: data.draw(st.integers(0, len(content)))]))


def told_or_read(kind, content):
    try:
        assert isinstance(kind.parse(content, "x.json"), kind.kind)
    except HistosynError as error:
        assert type(error) is kind.error
        assert str(error).startswith("x.json is damaged (")
        assert str(error).endswith(kind.remedy)
