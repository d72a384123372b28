export RAY_AUTH_TOKEN_PATH=$(realpath -m "$sweep/ray-token-$SLURM_JOB_ID")
(umask 077; head -c 32 /dev/urandom | od -An -tx1 | tr -d ' \n' > "$RAY_AUTH_TOKEN_PATH")
trap 'leave; rm -f "$RAY_AUTH_TOKEN_PATH" "$sweep/ray-head"' EXIT

# Ray's head is on the first node.
address=@rendezvous_address
port=@rendezvous_port
ray_start "${nodes[0]}" --head --port="$port" --include-dashboard=false &
head=$!
ray_is_there() { kill -0 "$head" 2>/dev/null; }
until (exec 3<>"/dev/tcp/$address/$port") 2>/dev/null; do
    ray_is_there || { say "Ray did not start on ${nodes[0]}: $sweep/ray-*.log"; exit 1; }
    sleep 1
done
export RAY_ADDRESS="$address:$port"

# On a node where it has ended it is started again; the sweep goes on without it meanwhile.
keep_ray() {
    while ray_is_there; do
        ray_start "$1" --address="$RAY_ADDRESS" || true
        say "Ray has ended on $1."
        sleep 10
    done
}

# A job that has lost its first node, and with it this shell, would stay as it is until its time is
# over: another node has it queued again.
export first="$address/$port" log="$sweep/slurm-$SLURM_JOB_ID.log"
export restarts="${SLURM_RESTART_COUNT:-0}"
watch_first_node() {
    misses=0
    while sleep 20; do
        if timeout 10 bash -c 'exec 3<>"/dev/tcp/$first"' 2>/dev/null; then
            misses=0
            continue
        fi
        misses=$((misses + 1))
        [ "$misses" -ge 3 ] || continue
        # SLURM may be busy with the loss, and not answer yet; or the job may run again by now.
        case "$(squeue --noheader --jobs "$SLURM_JOB_ID" --Format=State,RestartCnt | xargs)" in
            "RUNNING $restarts" | "SIGNALING $restarts")
                echo "job file: the first node is lost, and the job is queued again" >> "$log"
                scontrol requeue "$SLURM_JOB_ID" 2>> "$log" && return
                misses=0
                ;;
            ?*) return ;;
        esac
    done
}
export -f watch_first_node
keep_watch() {
    while ray_is_there; do
        on "$1" bash -c watch_first_node 2> /dev/null || true
        sleep 10
    done
}

for node in "${nodes[@@]:1}"; do
    keep_ray "$node" &
    keep_watch "$node" &
done

# Where jobs of `histosyn submit tune --join` find it.
echo "$RAY_ADDRESS $RAY_AUTH_TOKEN_PATH" > "$sweep/ray-head"
