"""What paint, synth and eval need of the system: no fcntl, no fork, no /proc, no Unix signals.

That is all that can be known of Windows and macOS without them.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from launching import environment
from tissue import pack_blobs, tiny_config, write_folders

from histosyn.training.run import run_training

# Only what our own modules ask for is hidden: the standard library knows how to do without.
HIDE = """
import builtins, os, signal, sys

OURS = ("hpc", "histosyn", "eval", "launch")
HIDDEN = ("fcntl", "resource", "pwd", "grp", "termios")
as_before = builtins.__import__


def asked_by_us(depth):
    return sys._getframe(depth).f_globals.get("__name__", "").partition(".")[0] in OURS


def import_(name, *rest, **options):
    if name in HIDDEN and asked_by_us(2):
        raise ImportError(f"{name} is hidden")
    return as_before(name, *rest, **options)


def watch(event, arguments):
    if event in ("os.fork", "os.forkpty", "os.posix_spawn"):
        raise RuntimeError(event)
    if event == "open" and str(arguments[0]).startswith("/proc/"):
        frame = sys._getframe(1)
        while frame and "pathlib" in frame.f_code.co_filename:
            frame = frame.f_back
        if frame.f_globals.get("__name__", "").partition(".")[0] in OURS:
            raise RuntimeError(f"{arguments[0]} is hidden")


builtins.__import__ = import_
sys.addaudithook(watch)
for name in ("SIGUSR1", "SIGUSR2", "SIGHUP", "SIGALRM"):
    delattr(signal, name)
for name in ("O_DIRECTORY", "O_NOCTTY", "fork", "pread", "pwrite", "sched_getaffinity"):
    delattr(os, name)
"""
IMPORTS = """
import histosyn.paint.server, histosyn.paint.renderer, histosyn.paint.address
import histosyn.synthesis.folder, histosyn.models.folder
import eval.distances.report, eval.agreement.report, eval.faithfulness.report, eval.stain.report
from launch.commands import eval_agreement, eval_fid, paint, synth
"""
WORK = """
from launch.cli import main
main(["synth", "run", "labels", "tissue", "--device", "cpu"])
main(["eval", "fid", "tiles", "tissue", "--extractor", "random"])
"""


def test_they_work_without(tmp_path: Path) -> None:
    write_folders(tmp_path, count=3, size=64)
    run_training(tiny_config(pack_blobs(tmp_path / "data"), tmp_path / "run", steps=1))
    finished = subprocess.run(
        [sys.executable, "-c", HIDE + IMPORTS + WORK],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        text=True,
    )
    assert finished.returncode == 0, finished.stderr[-3000:]
    assert len(list((tmp_path / "tissue").glob("*.png"))) == 3


def test_what_is_hidden_is_missed(tmp_path: Path) -> None:
    code = HIDE + "import histosyn.training.observers"
    finished = subprocess.run(
        [sys.executable, "-c", code], env=environment(), capture_output=True, text=True
    )
    assert "resource is hidden" in finished.stderr
