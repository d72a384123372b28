"""Fuzz the readers: `PYTHONPATH=tests python -m fuzzing --places FOLDER --count 100`.

--part 1/2       every other input, as another process does the rest
--only NAME      one sample alone
--input 1234     one input alone, its damaged file kept
--corpus         what once failed, and no more
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import pkgutil
import sys
import tempfile
from pathlib import Path


def main() -> int:
    """0 if all is well; else 1, and what is not."""
    options = _options()
    os.environ["OMP_NUM_THREADS"] = "1"
    # On one core nothing starts processes of its own, and nothing waits for the other part.
    number, count = map(int, options.part.split("/"))
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {cores[(number - 1) % len(cores)]})
    from fuzzing.campaign import Campaign, corpus_inputs, seeded_inputs
    from fuzzing.samples import SAMPLES

    _import_all()
    samples = [s for s in SAMPLES if options.only is None or s.name.startswith(options.only)]
    if options.corpus:
        inputs = corpus_inputs(samples)
    elif options.input is not None:
        inputs = seeded_inputs(samples, [options.input], options.seed)
    else:
        inputs = seeded_inputs(samples, range(number - 1, options.count, count), options.seed)
    campaign = Campaign(options.places, Path(tempfile.mkdtemp(dir=options.places)), options.keep)
    failures = campaign.run(inputs)
    told = {"inputs": campaign.done, "seconds": campaign.seconds_by_sample, "failures": failures}
    if options.json is not None:
        options.json.write_text(json.dumps(told, indent=1))
    for failure in failures:
        print(
            f"{failure['sample']}, input {failure['input']} ({failure['mutation']}): "
            f"{failure['fault']}\n{failure['log']}"
        )
    print(f"{campaign.done} inputs, {len(failures)} failures; {campaign.codes}")
    return 1 if failures else 0


def _import_all() -> None:
    """What a child would import by itself, each time anew; Ray is none of it."""
    import eval
    import histosyn
    import hpc
    import launch

    for floor in (hpc, histosyn, eval, launch):
        for module in pkgutil.walk_packages(floor.__path__, f"{floor.__name__}."):
            if not module.name.endswith("__main__"):
                importlib.import_module(module.name)
    for name in ("tune.results.rows", "uvicorn", "scipy.io", "safetensors.numpy", "scipy.stats"):
        importlib.import_module(name)
    assert "ray" not in sys.modules


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--places", type=Path, required=True)
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--part", default="1/1")
    parser.add_argument("--only")
    parser.add_argument("--input", type=int)
    parser.add_argument("--corpus", action="store_true")
    parser.add_argument("--keep", type=Path)
    parser.add_argument("--json", type=Path)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
