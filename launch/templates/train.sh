# Workers that start again after a kill must not wait for the store of the dead ones.
export TORCH_DISABLE_SHARE_RDZV_TCP_STORE=1

run=@folder

# Where the nodes meet.
address=@rendezvous_address
port=@rendezvous_port

newest_checkpoint() { ls "$run/checkpoints" 2>/dev/null | grep '^step-' | tail -n 1 || true; }
job_state() { squeue --noheader --jobs "$SLURM_JOB_ID" --format=%T; }

# SLURM sends USR2 to this shell before the time is over, and TERM to all when it ends the job.
# Training that gets either saves a checkpoint and stops.
trap 'kill -USR2 "$training" 2>/dev/null || true' USR2
trap 'kill -TERM "$training" 2>/dev/null || true' TERM

start=0
while true; do
    before=$(newest_checkpoint)

    # One torchrun a node, which starts the node's training processes.
    srun --kill-on-bad-exit=1 --cpus-per-task="$SLURM_CPUS_PER_TASK" @torchrun \
        --nnodes="$SLURM_NNODES" \
        --nproc-per-node=@processes_per_node \
        --rdzv-backend=c10d \
        --rdzv-id="$SLURM_JOB_ID.${SLURM_RESTART_COUNT:-0}.$start" \
        --rdzv-endpoint="$address:$port" \
        --max-restarts=@max_restarts \
        --signals-to-handle=SIGUSR2,SIGTERM,SIGINT \
        --shutdown-timeout=@stop_seconds \
        --no-python histosyn train \
        @arguments &
    training=$!

    # A signal ends the wait, not the training.
    while true; do
        code=0
        wait "$training" || code=$?
        kill -0 "$training" 2>/dev/null || break
    done

    # The run's own word counts: torchrun's exit code is 1 after any signal.
    next=$(@histosyn status --next "$run" || true)
    after=$(newest_checkpoint)
    echo "job file: training ended with code $code, newest checkpoint ${after:-none}, next: $next"

    # Whoever got no further since the last start would start for ever.
    if [ "$next" = requeue ] && [ "$(job_state)" = RUNNING ]; then
        if [ "$after" = "$before" ]; then
            echo "job file: no new checkpoint since the start, so the job is not requeued."
            exit 1
        fi
        scontrol requeue "$SLURM_JOB_ID"
        exit 0
    fi
    # It was cut off, such as by a torchrun that was killed: it goes on here, on the same nodes.
    if [ "$next" = restart ] && [ "$(job_state)" = RUNNING ] && [ "$after" != "$before" ]; then
        start=$((start + 1))
        continue
    fi
    exit "$code"
done
