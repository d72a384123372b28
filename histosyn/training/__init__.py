"""Training a generator, and any run that resumes exactly. Knows no metrics of eval, no SLURM."""
