"""Floor 4: Ray Tune sweeps of learning rates and loss weights. Knows no commands, no SLURM."""
