"""Kill packing before every step that lasts, go on, and compare: run as a script, in a process of
its own, because it forks.

A step is a call of fsync, rename, replace or unlink: between two of them nothing changes that a
later run could see, but the temporary file that is being written.
"""

import os
import signal
import sys
from pathlib import Path

from tissue import SCHEMA

from histosyn.packing.pack import PackConfig, pack

CONFIG = PackConfig(tile_size=16, overlap=4, samples_per_shard=5, val=0.3, min_tissue=0.1)
_STEPS = ("fsync", "rename", "replace", "unlink", "mkdir")


def files_of(folder):
    """The content of all files below a folder, by name."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def kill_before(step):
    """From now on the process dies at its step number `step`; 0 is the first."""
    left = step

    def guarded(function):
        def call(*args, **options):
            nonlocal left
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            left -= 1
            return function(*args, **options)

        return call

    for name in _STEPS:
        setattr(os, name, guarded(getattr(os, name)))


def was_killed(root, out, step):
    """Pack in a child that is killed before a step; False if it had fewer."""
    child = os.fork()
    if child == 0:
        kill_before(step)
        pack(root / "tiles", root / "labels", out, SCHEMA, CONFIG, 1)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    return os.WIFSIGNALED(status)


def main(root):
    """Kill at each step; print how many there were."""
    pack(root / "tiles", root / "labels", root / "whole", SCHEMA, CONFIG, 1)
    expected = files_of(root / "whole")
    step = 0
    while was_killed(root, out := root / f"killed-{step:03d}", step):
        # Half of the time the one that goes on is killed as well.
        if not out.exists() and step % 2:
            was_killed(root, out, step // 2)
        if not out.exists():
            pack(root / "tiles", root / "labels", out, SCHEMA, CONFIG, 1)
        assert files_of(out) == expected, f"killed before step {step}"
        step += 1
    print(step)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
