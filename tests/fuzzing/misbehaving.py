"""Readers that do what no reader may: `python -m fuzzing.misbehaving FOLDER` tells what is seen."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
from pathlib import Path

from fuzzing import child
from fuzzing.sample import Sample
from fuzzing.verdicts import fault

from hpc.errors import InputError


def do_well():
    return 1


def refuse():
    raise InputError("it is damaged.")


def fall_over():
    raise KeyError("name")


def start_a_program():
    subprocess.run(["/bin/true"], check=True)


def write_elsewhere():
    Path("/tmp/elsewhere-of-a-reader").write_text("x")


def kill_itself():
    signal.raise_signal(signal.SIGSEGV)


def swell():
    return len(bytearray(5 << 28))


def spin():
    while True:
        random.random()


READERS = (do_well, refuse, fall_over, start_a_program, write_elsewhere, kill_itself, swell, spin)


def main(folder: Path) -> None:
    """Print as JSON what is wrong with each."""
    child.CPU_SECONDS = 3
    place = folder / "run" / "place"
    place.mkdir(parents=True)
    sample = Sample(name="s", place="p", file="f", kind="json", read=do_well)
    sound = child.run(do_well, place, place.parent)
    ends = {read.__name__: child.run(read, place, place.parent) for read in READERS}
    print(json.dumps({n: fault(sample, end, sound, resealed=False) for n, end in ends.items()}))


if __name__ == "__main__":
    main(Path(sys.argv[1]).absolute())
