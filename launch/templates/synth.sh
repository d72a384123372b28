# Tiles that are there already are not made again.
srun --cpus-per-task="$SLURM_CPUS_PER_TASK" @histosyn synth @part\
    @arguments
