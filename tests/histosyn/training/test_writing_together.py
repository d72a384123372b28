"""Two at once: what real processes do to one folder is either right or refused by name."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections import Counter
from contextlib import ExitStack, contextmanager

import pytest
from launching import HISTOSYN, environment
from painting import random_model, stripes
from tissue import SCHEMA, write_folders

from histosyn.labels.label_map import label_png_bytes
from histosyn.manifests.manifest import MANIFEST, read_manifest
from histosyn.models.folder import load_model
from histosyn.paint.painting import Painting
from histosyn.paint.renderer import Renderer
from histosyn.paint.session_folder import SessionFolder
from histosyn.synthesis.folder import SynthesisConfig, synthesize_folder
from histosyn.synthesis.provenance import mark_of
from histosyn.synthesis.rerolls import Rerolls
from hpc.errors import InputError
from hpc.files import sha256_of_file
from hpc.job_array import Part

MAPS = 6


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("together")
    random_model(folder / "model")
    write_folders(folder / "src", MAPS)
    return folder


@contextmanager
def halfway(place, out, *options, part=None):
    """A `synth` of another process that was stopped by SIGSTOP after its first tile."""
    command = [*HISTOSYN, "synth", "model", "src/labels", out, *options]
    process = subprocess.Popen(
        command + (["--part", part] if part else []), cwd=place, env=environment(),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        wait_for_a_tile(out, process)
        process.send_signal(signal.SIGSTOP)
        yield process
    finally:
        process.kill()
        process.communicate()


def wait_for_a_tile(out, process):
    while not list(out.glob("*.png")):
        assert process.poll() is None, process.communicate()


def synthesize(place, out, **settings):
    return synthesize_folder(
        load_model(place / "model"), place / "src" / "labels", out, SynthesisConfig(**settings)
    )


def hidden(folder):
    return [path.name for path in folder.rglob(".*")]


def test_a_second_seed_is_refused_by_name_and_a_kill_is_no_lock(place, tmp_path):
    out = tmp_path / "out"
    with halfway(place, out) as process:
        for settings in ({"seed": 1, "overwrite": True}, {}, {"part": Part(number=1, count=2)}):
            with pytest.raises(InputError, match=rf"into .*out.* It is process {process.pid} on "):
                synthesize(place, out, **settings)
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert hidden(out), "a killed process tidies nothing"
        synthesize(place, out)
    assert hidden(out) == []
    seeds = Counter(mark_of(path)["seed"] for path in out.glob("*.png"))
    assert seeds == {0: MAPS}
    assert len(read_manifest(out)) == MAPS


@pytest.mark.slow
def test_parts_of_one_work_go_together_and_others_do_not(place, tmp_path):
    out = tmp_path / "out"
    with halfway(place, out, part="1/2") as process:
        assert len(synthesize(place, out, part=Part(number=2, count=2)).made) == MAPS // 2
        for settings in (
            {"part": Part(number=1, count=2)},
            {"part": Part(number=2, count=3)},
            {"part": Part(number=2, count=2), "seed": 1},
            {},
        ):
            with pytest.raises(InputError, match="part 1/2"):
                synthesize(place, out, **settings)
        process.send_signal(signal.SIGCONT)
        assert process.wait() == 0
    assert synthesize(place, out).made == ()
    assert [path.name for path in out.glob("manifest*")] == [MANIFEST]


@pytest.mark.slow
def test_paint_does_not_save_where_synth_writes(place, tmp_path):
    session = SessionFolder(tmp_path)
    renderer = Renderer(load_model(place / "model"), name="m")
    labels = stripes()
    rerolls = Rerolls(areas_HW=labels * 0, seeds=())
    painting = Painting(labels_HW=labels, seed=1, rerolls=rerolls)
    with halfway(place, tmp_path / "tiles"):
        with pytest.raises(InputError, match="Another process is writing into .*tiles"):
            session.save(renderer, painting, "mine")
        assert not list(tmp_path.rglob("mine*"))
    assert session.save(renderer, painting, "mine")["name"] == "mine-001"
    assert "mine-001.png" in read_manifest(tmp_path / "tiles")


def test_a_label_map_that_is_replaced_meanwhile_is_recorded_as_it_was_read(place, tmp_path):
    """The last one, while the first ones are made."""
    labels, out = tmp_path / "labels", tmp_path / "out"
    write_folders(tmp_path / "src", MAPS)
    (tmp_path / "src" / "labels").rename(labels)
    last = labels / f"tile-{MAPS - 1:02d}.png"

    def replacing(jobs):
        yield from jobs[:1]
        last.write_bytes(label_png_bytes(stripes(), SCHEMA))
        yield from jobs[1:]

    model = load_model(place / "model")
    outcome = synthesize_folder(model, labels, out, track=replacing)
    assert len(outcome.made) == MAPS
    mark, entry = mark_of(out / last.name), read_manifest(out)[last.name]
    assert mark["label_sha256"] == entry["label_sha256"] == sha256_of_file(last)
    assert synthesize_folder(model, labels, out).made == ()

    def replacing_again(jobs):
        last.write_bytes(label_png_bytes(stripes(40, 40), SCHEMA))
        return iter(jobs)

    again = SynthesisConfig(like=out / MANIFEST)
    outcome = synthesize_folder(model, labels, tmp_path / "again", again, track=replacing_again)
    assert list(outcome.failed) == [str(last)]
    assert "was replaced after synthesis began" in outcome.failed[str(last)]


@pytest.mark.slow
def test_a_run_folder_has_one_training(place, tmp_path):
    """Of two that start together one trains, and the other says who does."""
    shards = place / "packed" / "train"
    if not shards.exists():
        from tissue import pack_blobs

        shards = pack_blobs(place)
    command = [
        *HISTOSYN, "train", "--data.shards", shards, "--run.folder", tmp_path / "run",
        "--run.steps", "2", "--data.workers", "0", "--data.global-batch", "2",
        "--generator.base-channels", "2", "--generator.max-multiplier", "2",
        "--generator.upsamplings", "3", "--generator.label-channels", "2",
        "--generator.noise-channels", "2", "--discriminator.base-channels", "2",
        "--discriminator.layers", "3", "--discriminator.scales", "1", "--run.device", "cpu",
        "--run.precision", "float32", "--run.recalibrate-batches", "1",
        "--run.report-every", "1", "--run.checkpoint-every", "1",
    ]  # fmt: skip
    assert codes(tmp_path, [command, command])[0] == 0
    assert (tmp_path / "run" / "model").is_dir()
    assert hidden(tmp_path / "run") == []
    assert not list((tmp_path / "run").glob("lock*"))


def codes(folder, commands):
    """The exit codes of processes that start together, sorted; a refusal names the other one."""
    with ExitStack() as running:
        processes = [
            running.enter_context(
                subprocess.Popen(
                    command, cwd=folder, env=environment(), text=True,
                    stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                )
            )
            for command in commands
        ]  # fmt: skip
        found = []
        for process in processes:
            _, said = process.communicate()
            found.append(process.returncode)
            assert process.returncode in (0, 2), said
            if process.returncode:
                assert "Another process is" in said or "exists already" in said
                assert "Traceback" not in said
        return sorted(found)


def test_two_packs_into_one_folder_are_one_data_set(place, tmp_path):
    source = place / "src"
    command = [
        *HISTOSYN, "pack", source / "tiles", source / "labels", tmp_path / "packed",
        "--schema", "prostate-3",
    ]  # fmt: skip
    assert codes(tmp_path, [command, command]) == [0, 2]
    index = json.loads((tmp_path / "packed" / "train" / "dataset.json").read_text())
    assert index["samples"] == MAPS
    assert [path.name for path in tmp_path.iterdir()] == ["packed"]


def test_jobs_that_meet_on_shards_of_others_index_them_once(place, tmp_path):
    """All of them see the same index, whoever made it."""
    shards = tmp_path / "foreign"
    shards.mkdir()
    from tissue import pack_blobs

    for path in pack_blobs(tmp_path / "mine").glob("*.tar"):
        os.link(path, shards / path.name)
    command = [*HISTOSYN, "inspect", "foreign", "--schema", "prostate-3", "--json"]
    commands = [[*command, f"{number}.json"] for number in range(3)]
    assert codes(tmp_path, commands) == [0, 0, 0]
    found = [(tmp_path / f"{number}.json").read_text() for number in range(3)]
    assert len(set(found)) == 1
    assert hidden(shards) == []
