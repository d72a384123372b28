sweep=@folder

@queue_again

# SLURM sends USR2 to this shell before the time is over. Trials then save, and no other one begins.
rm -f "$sweep/STOP"
ask_to_stop() {
    asked_at=$(date +%s)
    say "SIGUSR2: the sweep is asked to stop"
    touch "$sweep/STOP"
}
trap ask_to_stop USR2

@cluster

# What trials have come to, as far as it would outlive them.
come_to() { ls -d "$sweep"/{trials,repeats}/*/{outcome.json,checkpoints/step-*} 2>/dev/null || true; }
before=$(come_to)

# Trials that have ended are not run again; others go on from their checkpoints.
@start @histosyn tune \
    @arguments &
sweeping=$!

# A signal ends a wait, not the sweep.
while kill -0 "$sweeping" 2>/dev/null && ray_is_there; do
    sleep 2 & wait $! || true
done
code=0
if kill -0 "$sweeping" 2>/dev/null; then
    say "Ray's head is lost, and the sweep with it."
    code=1
else
    wait "$sweeping" || code=$?
fi

# 75: nodes were lost, and those that are left have no room for a trial.
if [ -z "$asked_at" ] && ray_is_there && [ "$code" != 75 ]; then exit "$code"; fi
if [ "$(@histosyn status --next "$sweep" || true)" = nothing ]; then exit "$code"; fi
# When SLURM ends the job it knows whether it is to be queued again.
case "$(job_fact %T)" in
    RUNNING | SIGNALING) ;;
    *) exit "$code" ;;
esac
# Whoever got no further since the start would start for ever.
if [ "$(come_to)" = "$before" ] && ! asked_early; then
    say "no trial has come any further since the start, so there is no requeue."
    exit 1
fi
say "trials are left, and the job is queued again"
leave
scontrol requeue "$SLURM_JOB_ID"
