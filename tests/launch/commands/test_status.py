"""`histosyn status`: what a run's files tell, whole or damaged, and what the queue adds."""

import json
import os
import socket
import stat
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from hpc.errors import DamagedFileError, InputError
from launch.cli import main
from launch.run_plot import check_plot, curves_of, draw_runs
from launch.run_status import next_action, status_of

NOW = datetime(2030, 1, 1, 12, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _without_slurm(monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setenv("COLUMNS", "200")


@pytest.fixture
def run(tmp_path):
    """A run folder at step 20 of 100, with reports and checkpoints 10 and 20."""
    folder = tmp_path / "run"
    for step in (10, 20):
        checkpoint = folder / "checkpoints" / f"step-{step:08d}"
        checkpoint.mkdir(parents=True)
        (checkpoint / "checkpoint.json").write_text("{}")
    (folder / "checkpoints" / "step-00000030").mkdir()  # without its commit record
    (folder / "checkpoints" / "damaged-step-00000040").mkdir()
    reports = [{"step": step, "images_seen": 8 * step, "images_per_second": 4.0,
                "eta_seconds": 600} for step in (10, 20)]  # fmt: skip
    (folder / "metrics.jsonl").write_text("".join(json.dumps(r) + "\n" for r in reports))
    say(folder)
    return folder


def say(folder, **changes):
    """Write a state as training does."""
    state = {
        "state": "running", "reason": "", "next": "resume", "step": 20, "steps": 100,
        "updated": (NOW - timedelta(seconds=60)).isoformat(), "host": "elsewhere", "pid": 1,
        "job": None, "restarts": 2, "process_seconds": 7200.0, "world_size": 4,
        "device": "cuda", "last_checkpoint": 20,
    }  # fmt: skip
    (folder / "state.json").write_text(json.dumps(state | changes))


def queue(monkeypatch, tmp_path, lines):
    path = tmp_path / "bin" / "squeue"
    path.parent.mkdir()
    path.write_text(f"#!/bin/sh\n{lines}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{path.parent}{os.pathsep}/usr/bin{os.pathsep}/bin")


def told(*tokens, capsys):
    main(["status", *map(str, tokens)])
    return capsys.readouterr().out


def test_a_run_under_way(run):
    status = status_of(run, NOW)

    assert (status.state, status.step, status.steps, status.note) == ("running", 20, 100, None)
    assert status.eta_seconds == 540
    assert status.last_checkpoint == 20
    assert (status.restarts, status.process_hours) == (2, 2.0)
    assert status.silent_since is None


@pytest.mark.parametrize(
    ("said", "word", "note"),
    [
        ({"state": "finished", "next": "nothing", "reason": "all steps are done"}, "nothing",
         "all steps are done"),
        ({"state": "failed", "next": "mend", "reason": "no space left"}, "mend", "no space left"),
        ({"state": "stopped", "next": "resume", "reason": "Ctrl-C"}, "resume", "Ctrl-C"),
        ({"state": "stopped", "next": "requeue", "reason": "SIGUSR2", "job": "12"}, "requeue",
         "SIGUSR2; its job is not in the queue: submit it again to go on"),
        ({"state": "stopped", "next": "requeue", "reason": "SIGTERM", "job": None}, "requeue",
         "SIGTERM; the same command again goes on"),
        ({"state": "failed", "next": "resume", "reason": "rank 1 was killed"}, "restart",
         "rank 1 was killed"),
        ({}, "restart", None),
    ],
)  # fmt: skip
def test_each_end(run, said, word, note):
    say(run, **said)

    assert next_action(run) == word
    status = status_of(run, NOW)
    assert status.state == said.get("state", "running")
    assert status.note == note
    assert status.silent_since is None


def test_a_run_that_says_nothing_for_long(run):
    since = (NOW - timedelta(minutes=11)).isoformat()
    say(run, updated=since)

    status = status_of(run, NOW)

    assert status.silent_since == since
    assert "killed, or hanging" in status.note
    assert status.eta_seconds is None


def test_patience_with_one_that_reports_seldom(run):
    """80 images between reports at 0.1 a second are 800 seconds."""
    reports = (run / "metrics.jsonl").read_text().replace("4.0", "0.1")
    (run / "metrics.jsonl").write_text(reports)

    for minutes, is_silent in ((39, False), (41, True)):
        say(run, updated=(NOW - timedelta(minutes=minutes)).isoformat())
        assert (status_of(run, NOW).silent_since is not None) == is_silent


def test_a_process_that_is_gone_from_this_host_is_noticed_at_once(run):
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    for pid, is_silent in ((dead.pid, True), (os.getpid(), False)):
        say(run, host=socket.gethostname(), pid=pid)
        assert (status_of(run, NOW).silent_since is not None) == is_silent


def test_the_queue_is_asked_for_the_job(run, monkeypatch, tmp_path):
    queue(monkeypatch, tmp_path, '[ "$5" = 77 ] && echo PENDING')
    say(run, state="stopped", next="requeue", reason="SIGUSR2", job="77")

    status = status_of(run, NOW)

    assert status.job_states == ("PENDING",)
    assert status.note == "SIGUSR2"


@pytest.mark.parametrize(
    ("answer", "note"),
    [
        ("RUNNING", None),
        ("PENDING", "it was cut off; its job waits in the queue to go on"),
        ("NODE_FAIL", "killed, or hanging"),
    ],
)
def test_slurm_knows_at_once_that_a_run_was_cut_off(run, monkeypatch, tmp_path, answer, note):
    queue(monkeypatch, tmp_path, f"echo {answer}")
    say(run, job="77")

    status = status_of(run, NOW)

    assert (status.silent_since is not None) == (note is not None)
    assert (note or "") in (status.note or "")


def test_a_job_that_slurm_has_forgotten(run, monkeypatch, tmp_path, capsys):
    queue(
        monkeypatch, tmp_path, "echo 'slurm_load_jobs error: Invalid job id specified' >&2; exit 1"
    )
    say(run, state="finished", next="nothing", job="77")

    assert "77 (not in the queue)" in told(run, capsys=capsys)


@pytest.mark.parametrize(
    "content",
    ["", "{", "[]", "{}", '{"state": 1}', '{"state": "running", "next": "resume"}', "\x00\xff"],
)
def test_a_damaged_state_is_told_beside_what_else_is_known(run, content, capsys):
    (run / "state.json").write_bytes(content.encode("latin-1"))

    status = status_of(run, NOW)

    assert status.state == "unknown"
    assert "state.json" in status.note and "writes it anew" in status.note
    assert (status.step, status.last_checkpoint) == (20, 20)
    with pytest.raises(DamagedFileError):
        next_action(run)


def test_a_missing_state(run):
    (run / "state.json").unlink()

    assert "has not started, or an older version" in status_of(run, NOW).note
    with pytest.raises(InputError, match="has not started there"):
        next_action(run)


def test_a_metrics_file_cut_short(run):
    (run / "metrics.jsonl").write_text('{"step": 10, "eta_sec')

    assert status_of(run, NOW).eta_seconds is None


def test_several_runs_in_a_table(run, tmp_path, capsys):
    say(run, updated=datetime.now(UTC).isoformat())
    (tmp_path / "new[x]").mkdir()
    (tmp_path / "new[x]" / "config.toml").write_text("")

    shown = told(run, tmp_path / "new[x]", capsys=capsys)

    for part in ("step 20 of 100 (20.0 %), 4 images/s", "2.00 GPU-hours", "new[x]", "unknown",
                 "none yet", "0:10:00"):  # fmt: skip
        assert part in shown


def test_a_json_file(run, tmp_path, capsys):
    told(run, "--json", tmp_path / "status.json", capsys=capsys)

    (found,) = json.loads((tmp_path / "status.json").read_text())
    assert (found["folder"], found["step"], found["restarts"]) == (str(run), 20, 2)


def test_next_prints_one_word(run, capsys):
    say(run, state="stopped", next="requeue")

    assert told("--next", run, capsys=capsys) == "requeue\n"


@pytest.mark.parametrize(
    ("tokens", "message"),
    [([], "Name one or more"), (["nowhere"], "is no run folder"), (["--next", "a", "b"], "one run"),
     (["--next", "nowhere"], "has not started there")],
)  # fmt: skip
def test_what_cannot_be_told(tokens, message, capsys):
    with pytest.raises(SystemExit) as end:
        main(["status", *tokens])

    assert end.value.code == 2
    assert message in capsys.readouterr().err


def test_neither_torch_nor_scipy_is_loaded(run):
    code = (
        "import sys; from launch.cli import main; main(sys.argv[1:]);"
        "sys.exit(any(name in sys.modules for name in ('torch', 'scipy', 'ray', 'numpy')))"
    )
    command = [sys.executable, "-c", code, "status", str(run)]

    result = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parents[3])

    assert result.returncode == 0, result.stderr


def test_a_folder_without_a_run_does_not_hide_the_others(run, tmp_path, capsys):
    say(run, state="running")
    with pytest.raises(SystemExit) as end:
        main(["status", str(tmp_path / "nowhere"), str(run)])

    assert end.value.code == 2
    told = capsys.readouterr()
    assert "is no run folder" in told.err and "running" in told.out


def with_losses(folder, *values):
    folder.mkdir(exist_ok=True)
    lines = [{"step": 10 * n, "loss/hinge": value} for n, value in enumerate(values, 1)]
    (folder / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    spectra = [{"step": 10, "weave_8": 3.0, "weave_32": None}]
    (folder / "spectra.jsonl").write_text(json.dumps(spectra[0]) + "\n")
    return folder


@pytest.mark.parametrize("name", ["curves.svg", "curves.png"])
def test_curves_of_several_runs_go_into_one_picture(tmp_path, name, capsys):
    pytest.importorskip("matplotlib", reason="the extra `report` is absent")
    runs = with_losses(tmp_path / "a", 2.0, 1.0), with_losses(tmp_path / "b", 3.0, None, 1.5)
    main(["status", "--plot", str(tmp_path / name), *map(str, runs)])
    assert "Curves in" in capsys.readouterr().out
    first = (tmp_path / name).read_bytes()
    assert first.startswith(b"<?xml" if name.endswith("svg") else b"\x89PNG")
    draw_runs(runs, tmp_path / name)
    assert (tmp_path / name).read_bytes() == first


def test_what_is_drawn_is_what_the_records_say(tmp_path):
    curves = curves_of(with_losses(tmp_path / "a", 2.0, None, 1.0))
    steps, values = curves["loss/hinge"]
    assert steps == [10, 20, 30] and values[0] == 2.0 and values[1] != values[1]
    # An undefined index has no curve.
    assert list(curves) == ["loss/hinge", "weave_8, synthetic / real"]


def test_a_plot_of_nothing_and_of_another_kind_are_refused(tmp_path, run):
    with pytest.raises(InputError, match=r"must end in \.svg or \.png"):
        check_plot(tmp_path / "curves.pdf")
    with pytest.raises(InputError, match="nothing to draw"):
        draw_runs([run], tmp_path / "curves.svg")
