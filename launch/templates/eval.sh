srun --cpus-per-task="$SLURM_CPUS_PER_TASK" @histosyn eval fid @part\
    @arguments
