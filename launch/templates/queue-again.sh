job_fact() { SLURM_TIME_FORMAT=standard squeue --noheader --jobs "$SLURM_JOB_ID" --format="$1"; }
say() { echo "job file: $*"; }

# When the job's time is over, for training to watch; not every SLURM says so itself.
ends=$(job_fact %e || true)
unset SLURM_JOB_END_TIME
if [[ "$ends" == *T*:* ]]; then
    export SLURM_JOB_END_TIME="$(date --date="$ends" +%s)"
fi

# Whether SLURM asked so early that a start which got nowhere is not the fault of too little time.
began=$(date +%s)
asked_at=
asked_early() {
    [ -n "$asked_at" ] || return 1
    local left=$((${SLURM_JOB_END_TIME:-0} - asked_at)) passed=$((asked_at - began))
    # The warning may come a minute before its time.
    [ "$left" -gt $((@stop_seconds + 60)) ] && [ "$left" -gt "$passed" ]
}
