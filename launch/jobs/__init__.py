"""Job files, SLURM and following jobs. Knows no torch; what a command does, it leaves to it."""
