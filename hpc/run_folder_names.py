"""Names of files in a run's folder and its checkpoints, for code that must not import torch."""

CHECKPOINTS = "checkpoints"
RECORD = "checkpoint.json"
# Not a run's: a sweep's folder has it, and runs below.
SWEEP = "sweep.json"
