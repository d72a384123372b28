"""The one command `histosyn`: a table of commands, each loaded only when it is used.

`histosyn --help` therefore imports neither torch nor ray.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from functools import partial
from importlib.metadata import version
from textwrap import fill

from cyclopts import App, CycloptsError
from rich.text import Text

from hpc.error_file import leave_for_torchrun
from hpc.errors import HistosynError, InputError
from hpc.preemption import Stopped
from hpc.topology import is_first_process
from launch.command_line.grouped_help import HELP_FLAGS, GroupedHelp
from launch.command_line.wrong_words import right_words
from launch.processes import run_processes, take_processes
from launch.terminal.console import (
    abandon_output,
    console,
    end_streams,
    open_streams,
    output_is_lost,
    reader_left,
    speak_utf8,
)

# name, "module:function", one line of help
COMMANDS = (
    ("demo", "launch.commands.demo:demo", "See what all this does, in a minute, without data."),
    (
        "phantom",
        "launch.commands.phantom:phantom",
        "Write procedural tissue: tiles and label maps.",
    ),
    (
        "labels",
        "launch.commands.labels:labels",
        "Make new label maps out of those there are.",
    ),
    ("init", "launch.commands.init:init", "Write a commented file to start from."),
    (
        "doctor",
        "launch.commands.doctor:doctor",
        "Find what is wrong with a data set, or an installation.",
    ),
    ("pack", "launch.commands.pack:pack", "Turn tiles and label maps, or slides, into shards."),
    ("unpack", "launch.commands.unpack:unpack", "Turn shards into folders again."),
    ("inspect", "launch.commands.inspect:inspect", "Show what is in shards, and what is wrong."),
    ("train", "launch.commands.train:train", "Train a generator, on one process or several."),
    ("status", "launch.commands.status:status", "Tell how training runs stand."),
    ("synth", "launch.commands.synth:synth", "Turn a folder of label maps into tissue."),
    ("paint", "launch.commands.paint:paint", "Paint a label map in the browser, see the tissue."),
    (
        "report",
        "launch.commands.report:report",
        "One page, and one JSON, of everything that was measured.",
    ),
    ("tune", "launch.commands.tune:tune", "Sweep learning rates and loss weights with Ray Tune."),
    (
        "verify",
        "launch.commands.verify:verify",
        "Tell whether tiles are what a model made of label maps.",
    ),
    (
        "export",
        "launch.commands.export:export",
        "Export a model: a folder to publish, or ONNX for other programs.",
    ),
    (
        "import-original",
        "launch.commands.import_original:import_original",
        "Turn the original's weights (.pth) into a model folder.",
    ),
)
EVAL_COMMANDS = (
    ("fid", "launch.commands.eval_fid:fid", "Distances between two folders of tiles."),
    ("merge", "launch.commands.eval_fid:merge", "Compare what parts of `eval fid` measured."),
    (
        "c2st",
        "launch.commands.eval_c2st:c2st",
        "Whether a classifier tells synthetic tiles from real ones.",
    ),
    (
        "diversity",
        "launch.commands.eval_diversity:diversity",
        "Whether synthetic tissue varies as real tissue does.",
    ),
    (
        "stain",
        "launch.commands.eval_stain:stain",
        "Whether synthetic tiles are stained as real ones are.",
    ),
    (
        "memorization",
        "launch.commands.eval_memorization:memorization",
        "Whether synthetic tiles are copies of training tiles.",
    ),
    (
        "agreement",
        "launch.commands.eval_agreement:agreement",
        "Agreement of readers, with intervals.",
    ),
    (
        "discrimination",
        "launch.commands.eval_discrimination:discrimination",
        "Whether readers tell synthetic tiles from real ones.",
    ),
    (
        "labels",
        "launch.commands.eval_labels:labels",
        "Whether new label maps are like real ones, and new.",
    ),
    (
        "faithfulness",
        "launch.commands.eval_faithfulness:faithfulness",
        "Whether synthetic tiles show the tissue that was asked for.",
    ),
    (
        "utility",
        "launch.commands.eval_utility:utility",
        "Whether a segmenter learns as much from synthetic tiles.",
    ),
    ("report", "launch.commands.report:report", "The same as histosyn report."),
)
STUDY_COMMANDS = (
    (
        "plan",
        "launch.commands.study_plan:plan",
        "How many readers and images a study needs.",
    ),
    (
        "make",
        "launch.commands.study_make:make",
        "Make a blinded reader study: one file for each reader.",
    ),
    (
        "read",
        "launch.commands.study_read:read",
        "Read what readers sent back, into tables of ratings.",
    ),
)
SEGMENTER_COMMANDS = (
    (
        "train",
        "launch.commands.eval_segmenter:train",
        "Train a segmenter on real tiles, on one process or several.",
    ),
)
SUBMIT_COMMANDS = (
    ("train", "launch.commands.submit:submit_train", "Submit a training job to SLURM."),
    ("pack", "launch.commands.submit:submit_pack", "Submit the packing of tiles or slides."),
    ("synth", "launch.commands.submit:submit_synth", "Submit the synthesis of a folder to SLURM."),
    ("tune", "launch.commands.submit:submit_tune", "Submit a sweep to SLURM."),
)
SUBMIT_EVAL_COMMANDS = (
    ("fid", "launch.commands.submit:submit_fid", "Submit the measurement of a Fréchet distance."),
)

# Commands of commands.
_NESTED = {
    group: tuple(name for name, *_ in table)
    for group, table in (
        ("eval", EVAL_COMMANDS),
        ("study", STUDY_COMMANDS),
    )
}
_NAME = "histosyn:"
_INTERRUPTED = "interrupted. pack, train, synth and tune go on where they stopped when run again."
_WRONG_PATH = (FileNotFoundError, FileExistsError, NotADirectoryError, IsADirectoryError,
               PermissionError)  # fmt: skip


def build_app(tokens: Sequence[str] = ()) -> App:
    """Assemble the command line from the tables above.

    The help of a command that `tokens` name is its docstring, which says more than its line here.
    """
    app = App(
        name="histosyn",
        help="Label maps in, H&E histology out. With --debug, errors show their traceback.",
        help_flags=HELP_FLAGS,
        help_formatter=GroupedHelp(tokens),
        version=lambda: version("histosyn"),
        version_flags=("--version", "-V"),
        result_action="return_value",
        suppress_keyboard_interrupt=False,
    )
    evaluate = App(name="eval", help="Measure whether the tissue is any good.")
    segmenter = App(name="segmenter", help="A segmenter of our own, to read tiles with.")
    study = App(name="study", help="Reader studies: real or synthetic, and how well readers agree.")
    submit = App(name="submit", help="Submit a job to SLURM.")
    submit_evaluate = App(name="eval", help="Submit a measurement to SLURM.")
    for group, table in (
        (app, COMMANDS),
        (evaluate, EVAL_COMMANDS),
        (segmenter, SEGMENTER_COMMANDS),
        (study, STUDY_COMMANDS),
        (submit, SUBMIT_COMMANDS),
        (submit_evaluate, SUBMIT_EVAL_COMMANDS),
    ):
        for name, target, text in table:
            group.command(target, name=name, help=None if name in tokens else text)
    evaluate.command(segmenter)
    app.command(evaluate)
    app.command(study)
    submit.command(submit_evaluate)
    app.command(submit)
    return app


def main(tokens: list[str] | None = None) -> None:
    """Run one command. Exit code 0: done, 1: the work failed, 2: bad usage or bad input."""
    if tokens is None:
        speak_utf8()
    tokens = list(sys.argv[1:] if tokens is None else tokens)
    debug = "--debug" in tokens
    open_streams()
    try:
        code = _run([token for token in tokens if token != "--debug"], debug)
    finally:
        written = _ended()
    if code or not written:
        sys.exit(code or HistosynError.exit_code)


def _run(tokens: list[str], debug: bool) -> int:
    """The exit code of one command; what went wrong has been told."""
    try:
        tokens, processes = take_processes(tokens)
        command = _parse(tokens)
        if processes > 1:
            return run_processes([*tokens, *["--debug"] * debug], processes)
        command()
    except (HistosynError, CycloptsError, OSError) as error:
        if isinstance(error, BrokenPipeError) and reader_left():
            # Whoever read our output has seen enough.
            abandon_output()
            return HistosynError.exit_code
        if isinstance(error, OSError) and error.filename is None and output_is_lost():
            abandon_output()
            return _report_output(error)
        if debug:
            raise
        return _report(error)
    except (Stopped, KeyboardInterrupt) as stop:
        # All processes of a group are told to.
        if is_first_process():
            _say(str(stop) if isinstance(stop, Stopped) else _INTERRUPTED)
        return stop.reason.exit_code if isinstance(stop, Stopped) else 130
    return 0


def _ended() -> bool:
    """Whether all that was printed could be written; why not, has been told."""
    try:
        end_streams()
    except OSError as error:
        if not reader_left():
            _report_output(error)
        return False
    return True


def _report_output(error: OSError) -> int:
    _say(f"the output cannot be written ({error.strerror or error}).")
    return HistosynError.exit_code


def _parse(tokens: list[str]) -> Callable[[], object]:
    """The command with its arguments. Of the processes of torchrun, one says what is wrong."""
    app = build_app(tokens)
    try:
        with right_words(app, tokens, groups=_NESTED):
            command, bound, _ = app.parse_args(tokens, exit_on_error=False, print_error=False)
    except (HistosynError, CycloptsError) as error:
        if not is_first_process():
            leave_for_torchrun(str(error))
            sys.exit(InputError.exit_code)
        raise
    return partial(command, *bound.args, **bound.kwargs)


def _report(error: HistosynError | CycloptsError | OSError) -> int:
    if isinstance(error, HistosynError):
        _say(" ".join([str(error), *getattr(error, "__notes__", [])]))
        return error.exit_code
    if isinstance(error, OSError):
        _say(f"{error.filename or 'A file'}: {error.strerror or error}. Check the path, the rights "
             "and the free space.")  # fmt: skip
        return InputError.exit_code if isinstance(error, _WRONG_PATH) else HistosynError.exit_code
    _say(f"{error} Try --help.")
    return InputError.exit_code


def _say(message: str) -> None:
    leave_for_torchrun(message)
    screen = console(stderr=True)
    if screen.is_terminal:
        # Between words; paths and options that are longer than a line stay whole.
        lines = f"{_NAME} {message}".split("\n")
        message = "\n".join(
            fill(line, screen.width, break_long_words=False, break_on_hyphens=False)
            for line in lines
        ).removeprefix(f"{_NAME} ")
    screen.print(Text.assemble((_NAME, "bold red"), " ", message))


if __name__ == "__main__":
    main()
