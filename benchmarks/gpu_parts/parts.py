"""All parts, the most important ones first."""

from __future__ import annotations

from functools import partial

from gpu_parts.bench import Part
from gpu_parts.compiled import compiled, graphs
from gpu_parts.data import make_data
from gpu_parts.extractors import extractors
from gpu_parts.fit import fit
from gpu_parts.machine import machine
from gpu_parts.numbers import losses, statistics, tiles
from gpu_parts.recipe import judge, train
from gpu_parts.resume import kill_and_resume
from gpu_parts.steps import profile, steps_of_size
from gpu_parts.synthesis import synthesis

PARTS = (
    Part(name="machine", title="The machine", seconds=15, work=machine),
    Part(name="data", title="Data", seconds=40, work=make_data),
    Part(name="losses", title="Losses against float64 on the CPU", seconds=45, work=losses),
    Part(name="statistics", title="Batch statistics of two ranks; determinism", seconds=35,
         work=statistics),
    Part(name="tiles", title="Synthesis against the CPU, in windows, twice", seconds=30,
         work=tiles),
    Part(name="resume", title="Killed and resumed", seconds=45, work=kill_and_resume),
    Part(name="steps-small", title="Training steps", seconds=45, work=partial(steps_of_size, 0)),
    Part(name="steps-large", title="Training steps on larger tiles", seconds=45,
         work=partial(steps_of_size, -1)),
    Part(name="profile", title="Profile of the default step", seconds=20, work=profile),
    Part(name="fit", title="Tables of neighbourhoods against dense convolutions", seconds=45,
         work=fit),
    Part(name="synthesis", title="Synthesis", seconds=40, work=synthesis),
    Part(name="graphs", title="Algorithms by speed, CUDA graphs", seconds=30, work=graphs),
    Part(name="extractors", title="Feature extractors", seconds=20, work=extractors),
    *(Part(name=f"recipe-{number}", title=f"The default recipe, minute {number}", seconds=58,
           work=partial(train, number)) for number in (1, 2, 3)),
    Part(name="recipe-judged", title="What the recipe gives", seconds=40, work=judge),
    # Last: it may be killed, and is worth the least.
    Part(name="compiled", title="torch.compile", seconds=45, work=compiled),
)  # fmt: skip
BY_NAME = {part.name: part for part in PARTS}
