"""Inputs one after the other: the sound file of a sample is damaged and read, and judged."""

from __future__ import annotations

import shutil
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fuzzing import child
from fuzzing.mutations import Mutation, mutate
from fuzzing.places import PLACES
from fuzzing.sample import Sample
from fuzzing.verdicts import fault

CORPUS = Path(__file__).parent / "corpus"
_LOG_TAIL = 1500


@dataclass(frozen=True)
class Input:
    """A damaged file for a sample: of a key, or as it lies in the corpus."""

    sample: Sample
    name: str
    key: str | None = None
    path: Path | None = None

    def mutation(self, sound: bytes) -> Mutation:
        """The damage."""
        if self.path is not None:
            return Mutation(self.path.name, self.path.read_bytes(), "resealed" in self.path.name)
        return mutate(sound, self.sample.kind, str(self.key))


def seeded_inputs(samples: list[Sample], numbers: Iterable[int], seed: int) -> Iterator[Input]:
    """The inputs of these numbers; each sample has its turn as often as it weighs."""
    turns = [sample for sample in samples for _ in range(sample.weight)]
    for number in numbers:
        sample = turns[number % len(turns)]
        yield Input(sample, str(number), key=f"{seed} {number} {sample.name}")


def corpus_inputs(samples: list[Sample]) -> Iterator[Input]:
    """All past failures that are kept."""
    for sample in samples:
        for path in sorted((CORPUS / sample.name).glob("*")):
            yield Input(sample, path.name, path=path)


class Campaign:
    """Runs inputs in copies of places below `here`; places are made once, in `places`."""

    def __init__(self, places: Path, here: Path, keep: Path | None = None) -> None:
        self.places, self.here, self.keep = places.absolute(), here.absolute(), keep
        self.done = 0
        self.codes: Counter[str] = Counter()
        self.seconds_by_sample: Counter[str] = Counter()
        self._sound: dict[str, child.Ended] = {}

    def run(self, inputs: Iterable[Input]) -> list[dict[str, Any]]:
        """What went wrong."""
        failures = []
        for item in inputs:
            failure = self._judged(item)
            self.done += 1
            if failure is not None:
                failures.append(failure)
        shutil.rmtree(self.here, ignore_errors=True)
        return failures

    def _judged(self, item: Input) -> dict[str, Any] | None:
        sample, place = item.sample, self._place(item.sample.place)
        if sample.name not in self._sound:
            self._sound[sample.name] = self._ended(sample, place, None)
        sound = self._sound[sample.name]
        if sound.code != 0:
            # What is said of damage then shows nothing.
            return self._failure(item, "none", "the sound file is refused", sound)
        mutation = item.mutation((place / sample.file).read_bytes())
        ended = self._ended(sample, place, mutation)
        self.codes[str(ended.code)] += 1
        self.seconds_by_sample[sample.name] += ended.seconds  # type: ignore[assignment]
        wrong = fault(sample, ended, sound, resealed=mutation.resealed)
        if wrong is None:
            return None
        if self.keep is not None:
            kept = self.keep / sample.name / f"{item.name}-{mutation.name}"
            kept.parent.mkdir(parents=True, exist_ok=True)
            kept.write_bytes(mutation.data)
        return self._failure(item, mutation.name, wrong, ended)

    def _failure(
        self, item: Input, mutation: str, wrong: str, ended: child.Ended
    ) -> dict[str, Any]:
        log = ended.log[-_LOG_TAIL:]
        names = {"sample": item.sample.name, "input": item.name, "mutation": mutation}
        return names | {"fault": wrong, "log": log}

    def _ended(self, sample: Sample, place: Path, mutation: Mutation | None) -> child.Ended:
        child.clear(self.here)
        folder = self.here / "place"
        shutil.copytree(place, folder, symlinks=True)
        if mutation is not None:
            (folder / sample.file).write_bytes(mutation.data)
        return child.run(sample.read, folder, self.here)

    def _place(self, name: str) -> Path:
        """A folder of sound files, made by whichever process needs it first."""
        place, made = self.places / name, self.places / f".{name}.made"
        try:
            place.mkdir()
        except FileExistsError:
            until = time.monotonic() + child.WALL_SECONDS
            while not made.exists():
                assert time.monotonic() < until, f"nobody makes the place {name}"
                time.sleep(0.05)
            return place
        child.clear(self.here)
        ended = child.run(PLACES[name], place, self.here)
        if ended.code != 0:
            raise AssertionError(f"the place {name} cannot be made: {ended.log}")
        made.touch()
        return place
