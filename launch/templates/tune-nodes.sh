# Whoever reaches Ray's ports could run code as you: only those who can read this file are let in.
export RAY_AUTH_MODE=token
export RAY_AUTH_TOKEN_PATH=@folder/ray-token-"$SLURM_JOB_ID"
(umask 077; head -c 32 /dev/urandom | od -An -tx1 | tr -d ' \n' > "$RAY_AUTH_TOKEN_PATH")
trap 'rm -f "$RAY_AUTH_TOKEN_PATH"' EXIT
export RAY_USAGE_STATS_ENABLED=0

# Ray's head is on the first node.
address=@rendezvous_address
port=@rendezvous_port
mapfile -t nodes < <(scontrol show hostnames "$SLURM_JOB_NODELIST")
on() { srun --overlap --nodes=1 --ntasks=1 --cpus-per-task="$SLURM_CPUS_PER_TASK" --nodelist="$@@"; }
ray_start() {
    on "$1" @ray start --block --num-cpus="$SLURM_CPUS_PER_TASK" --num-gpus=@gpus_per_node "${@@:2}"
}

ray_start "${nodes[0]}" --head --port="$port" --include-dashboard=false &
head=$!
until (exec 3<>"/dev/tcp/$address/$port") 2>/dev/null; do
    kill -0 "$head" || { echo "job file: Ray did not start on ${nodes[0]}."; exit 1; }
    sleep 1
done
for node in "${nodes[@@]:1}"; do
    ray_start "$node" --address="$address:$port" &
done

# Trials that have ended are not run again; others go on from their checkpoints.
export RAY_ADDRESS="$address:$port"
on "${nodes[0]}" @histosyn tune \
    @arguments
