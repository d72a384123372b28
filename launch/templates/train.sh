# Workers that start again after a kill must not wait for the store of the dead ones.
export TORCH_DISABLE_SHARE_RDZV_TCP_STORE=1

run=@folder

# Where the nodes meet.
address=@rendezvous_address
port=@rendezvous_port

newest_checkpoint() { ls "$run/checkpoints" 2>/dev/null | grep '^step-' | tail -n 1 || true; }
said() { cat "$run/state.json" 2>/dev/null || true; }

@queue_again

# SLURM sends USR2 to this shell before the time is over, and TERM to all when it ends the job.
# Training that gets either saves a checkpoint and stops.
pass_on() {
    asked_at=$(date +%s)
    say "SIG$1: training is asked to save and stop"
    # The shell knows it before the script could keep its number.
    kill -s "$1" "$!" 2>/dev/null || true
}
trap 'pass_on USR2' USR2
trap 'pass_on TERM' TERM

start=0
while true; do
    before=$(newest_checkpoint)
    said_before=$(said)

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
    say "training ended with code $code, newest checkpoint ${after:-none}, next: ${next:-unknown}"

    # A torchrun that was killed does not keep its training from going on to the end.
    if [ "$next" = nothing ] && [ "$after" != "$before" ]; then exit 0; fi
    # Otherwise SLURM ends the job, and knows whether it is to be queued again.
    case "$(job_fact %T)" in
        RUNNING | SIGNALING) ;;
        *) exit "$code" ;;
    esac

    # It was asked to stop, and could not say that it did: it was just starting, or was cut off.
    if [ -n "$asked_at" ] && { [ "$(said)" = "$said_before" ] || [ "$next" = restart ]; }; then
        next=requeue
    fi
    case "$next" in
        requeue | restart) ;;
        *) exit "$code" ;;
    esac
    # Whoever got no further since the last start would start for ever.
    if [ "$after" = "$before" ] && ! asked_early; then
        say "no new checkpoint since the start, so there is no $next."
        exit 1
    fi
    if [ "$next" = requeue ]; then
        scontrol requeue "$SLURM_JOB_ID"
        exit 0
    fi
    # It was cut off, such as by a torchrun that was killed: it goes on here, on the same nodes.
    start=$((start + 1))
done
