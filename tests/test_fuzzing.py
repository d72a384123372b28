"""No damaged file makes a reader fall over, hang, swell, or say something else without a word.

`tests/fuzzing` damages sound files of every format that is read; what once went wrong is kept in
its `corpus` and stays right.
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from fuzzing import child
from fuzzing.campaign import CORPUS
from fuzzing.mutations import mutate
from fuzzing.sample import Sample
from fuzzing.samples import SAMPLES
from fuzzing.verdicts import fault
from launching import environment

from hpc.parallel import usable_cores

INPUTS = 2400
SAMPLE = Sample(name="s", place="p", file="f", kind="json", read=dict, sealed="inside")


def fuzz(places: Path, *parts: tuple[str, ...]) -> list[dict]:
    """What processes with these options found; they share the places."""
    places.mkdir(exist_ok=True)
    command = [sys.executable, "-m", "fuzzing", "--places", str(places), "--json"]
    outputs = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    running = [
        subprocess.Popen(
            [*command, str(places / f"{number}.json"), *options], env=environment(), **outputs
        )
        for number, options in enumerate(parts)
    ]
    said = [process.communicate()[0] for process in running]
    assert all((places / f"{number}.json").is_file() for number in range(len(parts))), said
    assert not any(process.returncode for process in running), "\n".join(said)
    return [json.loads((places / f"{number}.json").read_text()) for number in range(len(parts))]


def test_what_once_failed_stays_right(tmp_path):
    (told,) = fuzz(tmp_path / "places", ("--corpus",))
    kept = sum(1 for path in CORPUS.rglob("*") if path.is_file())
    assert told["inputs"] == kept
    assert {path.name for path in CORPUS.iterdir()} <= {sample.name for sample in SAMPLES}


@pytest.mark.slow
def test_damage_of_every_kind_is_told_in_one_message_or_does_no_harm(tmp_path):
    parts = min(usable_cores(), 4)
    told = fuzz(
        tmp_path / "places",
        *(("--count", str(INPUTS), "--part", f"{part + 1}/{parts}") for part in range(parts)),
    )
    assert sum(part["inputs"] for part in told) == INPUTS
    assert {name for part in told for name in part["seconds"]} == {
        sample.name for sample in SAMPLES
    }


def test_every_sample_has_a_name_of_its_own():
    assert len({sample.name for sample in SAMPLES}) == len(SAMPLES)


def test_damage_depends_on_its_key_alone():
    data = json.dumps({"a": [1, 2.5, "x"], "b": {"c": None}}).encode()
    for kind in ("json", "jsonl", "toml", "csv", "png", "tar", "npy", "safetensors", "bytes"):
        for number in range(40):
            first = mutate(data, kind, f"{kind} {number}")
            assert first == mutate(data, kind, f"{kind} {number}")
            assert first.data != data
    assert mutate(b"", "json", "0").data != b""


def ended(code, log="", found="1", peak=0):
    return child.Ended(code, log, found, peak, 1.0)


SOUND = ended(0)


@pytest.mark.parametrize(
    ("end", "wrong"),
    [
        (ended(0), None),
        (ended(2, "histosyn: f is damaged. Copy it again."), None),
        (ended(1, "warning\nhistosyn: f is damaged.\nOne more line."), None),
        (ended(2, ""), "exit code 2 with 0 messages"),
        (ended(2, "histosyn: a\nhistosyn: b"), "exit code 2 with 2 messages"),
        (ended(None), "a hang"),
        (ended(-11), "exit code -11"),
        (ended(2, "Traceback (most recent call last):\nhistosyn: a"), "a traceback"),
        (ended(child.CANARY_CODE), "a canary"),
        (ended(0, peak=(1 << 30) + 1), "1024 MiB more"),
        (ended(0, found="2"), "another result without a word"),
        (ended(0, "f is damaged: measured again", found="2"), None),
    ],
)
def test_verdicts(end, wrong):
    said = fault(SAMPLE, end, SOUND, resealed=False)
    assert said is None if wrong is None else wrong in said


def test_where_no_checksum_can_tell_any_valid_result_is_right():
    assert fault(SAMPLE, ended(0, found="2"), SOUND, resealed=True) is None
    assert fault(replace(SAMPLE, sealed=""), ended(0, found="2"), SOUND, resealed=False) is None
    outside = replace(SAMPLE, sealed="outside")
    assert fault(outside, ended(0, found="2"), SOUND, resealed=True) is not None


def test_a_child_is_judged_by_what_it_does(tmp_path):
    """In a process of its own, as a fork of pytest would have its threads and its streams."""
    done = subprocess.run(
        [sys.executable, "-m", "fuzzing.misbehaving", tmp_path],
        env=environment(),
        text=True,
        capture_output=True,
    )
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    wrong = {
        "fall_over": "a traceback",
        "start_a_program": "a canary",
        "write_elsewhere": "a canary",
        "kill_itself": "exit code -11",
        "swell": "MiB more",
        "spin": "a hang",
    }
    assert said.keys() == {*wrong, "do_well", "refuse"}
    assert said["do_well"] is said["refuse"] is None
    assert all(words in said[name] for name, words in wrong.items()), said
