# Trials that have ended are not run again; others go on from their checkpoints.
srun --cpus-per-task="$SLURM_CPUS_PER_TASK" @histosyn tune \
    @arguments
