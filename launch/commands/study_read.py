"""`histosyn study read`: what readers sent back, as tables of ratings."""

from __future__ import annotations

from pathlib import Path

from hpc.errors import PartialFailureError
from launch.input_checks import check_inputs
from launch.output_checks import check_output_folder
from launch.terminal.study import show_read


def read(returns: Path, key: Path, /, *, out: Path = Path("ratings")) -> None:
    """Check what readers sent back, merge it, and name who has not finished.

    Writes grades.csv for `histosyn eval agreement`; discrimination.csv and pairs.csv for `histosyn
    eval discrimination`; the informed block and repeated images in files of their own; answers.csv
    with everything. May be run again as answers come in. What cannot be used is told, one sentence
    each, and left out; the exit code is then 1.

    Example: histosyn study read answers study/coordinator/key.json --out ratings

    Parameters
    ----------
    returns
        Folder of the files that readers exported, or one such file.
    key
        The key that `histosyn study make` sealed: key.json.
    out
        Folder for the tables.
    """
    check_output_folder(out, "--out")
    check_inputs(paths={"answers": returns, "key": key})
    from eval.study.reading import read_study
    from hpc.log import set_up_logging
    from hpc.topology import detect

    set_up_logging(detect())
    found = read_study([returns], key, out)
    show_read(found)
    if found.merged.faults:
        raise PartialFailureError(
            f"Problems with files or rows: {len(found.merged.faults)} (above). The tables hold "
            "what could be used."
        )
