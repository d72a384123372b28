"""Submitting jobs: a command's arguments are checked, job files queued, and followed if asked."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cyclopts import App

from hpc.errors import HistosynError, InputError
from launch.command_line.wrong_words import right_words
from launch.jobs.follow import SubmittedJob, follow
from launch.jobs.job_file import JobFile
from launch.jobs.slurm import require_slurm, submit
from launch.terminal.console import say


@dataclass(frozen=True, kw_only=True)
class Submission:
    """Jobs to submit, each `dependency` ("afterok", ...) on the one before; `what` they are."""

    jobs: Sequence[JobFile]
    what: str
    dependency: str = "afterok"

    def dry_run(self) -> None:
        """Print the job files."""
        say("\n".join(job.text for job in self.jobs), end="")

    def submit(self, *, watch: bool) -> None:
        """Submit and tell how to follow. Raises HistosynError if a job that is watched fails."""
        require_slurm()
        numbers = self._submitted()
        watched = [
            SubmittedJob(number=number, logs=job.logs(number))
            for number, job in zip(numbers, self.jobs, strict=True)
        ]
        say(f"Submitted job {' and then job '.join(numbers)}: {self.what}.")
        for job in self.jobs:
            say(f"  job file  {job.path}")
        say(f"  follow    {_tail(watched)}")
        say(f"  state     squeue --jobs {','.join(numbers)}")
        say(f"  cancel    scancel {' '.join(numbers)}")
        if watch:
            _watch(watched)

    def _submitted(self) -> list[str]:
        """The jobs' numbers. If one is refused, the error tells of those that are queued."""
        numbers: list[str] = []
        for job in self.jobs:
            after = [f"--dependency={self.dependency}:{numbers[-1]}"] if numbers else []
            kill = ["--kill-on-invalid-dep=yes"] if numbers else []
            try:
                numbers.append(submit(job.text, job.path, *after, *kill))
            except HistosynError as error:
                if numbers:
                    error.add_note(
                        f"Job {' and '.join(numbers)}, which was to go before, is queued already: "
                        f"cancel it with `scancel {' '.join(numbers)}`."
                    )
                raise
        return numbers


def checked_arguments(
    command: Callable[..., Any] | App, arguments: Sequence[str], name: str, needed: str
) -> dict[str, Any]:
    """What `histosyn NAME` would make of its arguments; raises as it would.

    `needed` is an argument without which the command does something else, such as show its help.
    """
    app = command if isinstance(command, App) else App(name=name, default_command=command)
    with right_words(app, arguments, f"submit {name}"):
        _, bound, _ = app.parse_args(list(arguments), exit_on_error=False, print_error=False)
    if needed not in bound.arguments or bound.arguments.get("dry_run"):
        raise InputError(
            f"With these options `histosyn {name}` does not do its work. Leave --help, --version "
            "and --dry-run out of what is submitted."
        )
    return bound.arguments


def warn_of_missing(*paths: Path) -> None:
    """Only a warning: data may lie where the nodes see it, but not this machine."""
    for path in paths:
        if not path.exists():
            say(f"warning: there is no {path} here; the job will look for it.", stderr=True)


def _tail(watched: Sequence[SubmittedJob]) -> str:
    logs = [str(path) for job in watched for path in job.logs.values()]
    return shlex.join(["tail", "-F", *logs[:8]]) + (" ..." if len(logs) > 8 else "")


def _watch(watched: Sequence[SubmittedJob]) -> None:
    numbers = [job.number for job in watched]
    try:
        states = follow(watched)
    except KeyboardInterrupt:
        say(f"\nNo longer watched; job {' and '.join(numbers)} goes on. Follow again with\n"
              f"  {_tail(watched)}", stderr=True)  # fmt: skip
        return
    failed = [job for job in watched if states.get(job.number, ("COMPLETED",)) != ("COMPLETED",)]
    # The last job's end is that of all: it looks at what the ones before have left.
    if watched[-1] in failed:
        job = failed[0]
        raise HistosynError(
            f"Job {job.number} ended as {', '.join(states[job.number]).lower()}. Its output is in "
            f"{next(iter(job.logs.values())).parent}. Mend what it says and submit again: what is "
            "done is not done again."
        )
    say(f"Job {' and '.join(numbers)} ended.", stderr=True)
