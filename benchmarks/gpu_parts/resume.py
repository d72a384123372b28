"""Is a run that was killed, and resumed, the run that was never interrupted?"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from gpu_parts.bench import Bench, Row
from gpu_parts.trainers import config_for
from histosyn.config.file import as_toml, from_dict, load_toml
from histosyn.config.train import TrainConfig
from histosyn.training.run import run_training
from hpc import checkpoint

_MORE_STEPS = 3
_ENDLESS = 100_000


def kill_and_resume(bench: Bench) -> Iterator[Row]:
    """Killed after its first checkpoint, resumed; against a run in one go, and that against one
    more of its kind."""
    scale, folder = bench.scale, bench.folder / "resume"
    shutil.rmtree(folder, ignore_errors=True)
    config = config_for(bench, size=scale.small_size, batch=2, channels=scale.small_channels,
                        folder=folder / "killed", checkpoint_every=2, sample_every=_ENDLESS,
                        steps=_ENDLESS, keep_last=1, precision=bench.scale.precisions[0],
                        recalibrate_batches=1,
                        # Else a short run would be computed in another way than a long one.
                        convolutions="plain", channels_last=True, tables_below=1.0)  # fmt: skip
    step = _killed_at(config, bench)
    models = {
        name: run_training(_with(config, folder=folder / name, steps=step + _MORE_STEPS))
        for name in ("whole", "whole again", "killed")
    }
    weights = {name: (path / "model.safetensors").read_bytes() for name, path in models.items()}
    for case, name in (("in one go, twice", "whole again"), ("killed and resumed", "killed")):
        yield {"case": case, "killed at": step if name == "killed" else None,
               "steps": step + _MORE_STEPS, "ok": weights[name] == weights["whole"]}  # fmt: skip


def _killed_at(config: TrainConfig, bench: Bench) -> int:
    """The step of the newest checkpoint of a run in another process, which was killed by then."""
    settings = config.run.folder.parent / "killed.toml"
    settings.parent.mkdir(parents=True, exist_ok=True)
    settings.write_text(as_toml(config), encoding="utf-8")
    log = settings.with_suffix(".txt")
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", __name__, str(settings)], stdout=output,
            stderr=subprocess.STDOUT, env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        )  # fmt: skip
    checkpoints = config.run.folder / "checkpoints"
    try:
        while not checkpoint.steps(checkpoints):
            if process.poll() is not None or bench.left < 0:
                raise RuntimeError(f"no checkpoint came: {log.read_text()[-2000:]}")
            time.sleep(0.02)
    finally:
        process.kill()
        process.wait()
    return max(checkpoint.steps(checkpoints))


def _with(config: TrainConfig, **run: object) -> TrainConfig:
    return replace(config, run=replace(config.run, **run))  # type: ignore[arg-type]


if __name__ == "__main__":
    run_training(from_dict(TrainConfig, load_toml(Path(sys.argv[1])), sys.argv[1]))
