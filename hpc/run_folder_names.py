"""What lies where in a run's folder and its checkpoints: names that must be known without torch."""

CHECKPOINTS = "checkpoints"
RECORD = "checkpoint.json"
