# What parts have made already is not made again.
srun --cpus-per-task="$SLURM_CPUS_PER_TASK" @histosyn pack @part\
    @arguments
