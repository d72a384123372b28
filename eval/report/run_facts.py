"""What a run folder tells of itself: settings, course of the training, samples, the model."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hpc.errors import HistosynError, InputError
from hpc.json_toml import content_of, plain_json, plain_toml
from hpc.log import RecordsFile

CONFIG, METRICS, MODEL = "config.toml", "metrics.jsonl", "model"
_DEEPEST = 2


@dataclass(frozen=True, kw_only=True, eq=False)
class RunFacts:
    """A run: `metrics` are its reports, `model` what its model's `config.json` says, {} without.

    `problems` are messages about files that could not be read.
    """

    folder: Path
    name: str
    config: dict[str, Any]
    metrics: tuple[dict[str, Any], ...]
    model: dict[str, Any]
    samples: tuple[Path, ...]
    problems: tuple[str, ...]

    def section(self, name: str) -> dict[str, Any]:
        """A table of the settings; {} if there is none."""
        found = self.config.get(name)
        return found if isinstance(found, dict) else {}

    def told_by_model(self, name: str) -> dict[str, Any]:
        """A part of what the model says of itself; {} if there is none."""
        found = self.model.get(name)
        return found if isinstance(found, dict) else {}

    @property
    def model_sha256(self) -> str | None:
        """The digest of the weights, once the run has a model."""
        found = self.told_by_model("weights").get("sha256")
        return found if isinstance(found, str) else None


def find_run(folder: Path) -> RunFacts | None:
    """The run in a folder, or none. Raises InputError if there are several: one report, one run."""
    found = [path for path in _folders(folder, _DEEPEST) if (path / METRICS).is_file()]
    if len(found) > 1:
        names = ", ".join(path.relative_to(folder).as_posix() or "." for path in found[:4])
        raise InputError(
            f"{folder} holds {len(found)} runs ({names}), and results of two runs do not belong "
            "into one report. Give one of them, or a folder with the results of one."
        )
    return _facts(found[0], folder) if found else None


def _folders(folder: Path, depth: int) -> list[Path]:
    below = [path for path in sorted(folder.iterdir())
             if path.is_dir() and not path.name.startswith(".")] if depth else []  # fmt: skip
    return [folder, *(one for path in below for one in _folders(path, depth - 1))]


def _facts(run: Path, folder: Path) -> RunFacts:
    problems: list[str] = []
    config = _read(run / CONFIG, plain_toml, problems)
    model = _read(run / MODEL / "config.json", plain_json, problems)
    metrics: list[dict[str, Any]] = []
    try:
        metrics = RecordsFile(run / METRICS).look().records
    except (HistosynError, OSError) as error:
        problems.append(str(error))
    samples = run / "samples"
    return RunFacts(
        folder=run,
        name=run.relative_to(folder).as_posix() if run != folder else folder.resolve().name,
        config=config,
        metrics=tuple(metrics),
        model=model,
        samples=tuple(sorted(samples.glob("*.png"))) if samples.is_dir() else (),
        problems=tuple(problems),
    )


def _read(path: Path, parse: Any, problems: list[str]) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        found = parse(content_of(path))
    except (ValueError, OSError) as error:
        problems.append(f"{path} cannot be understood ({error}): its facts are missing here.")
        return {}
    return found if isinstance(found, dict) else {}
