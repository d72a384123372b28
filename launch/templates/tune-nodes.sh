# Whoever reaches Ray's ports could run code as you: only those who can read this file are let in.
export RAY_AUTH_MODE=token
RAY_AUTH_TOKEN_PATH=$(realpath -m @folder/ray-token-"$SLURM_JOB_ID")
export RAY_AUTH_TOKEN_PATH
(umask 077; head -c 32 /dev/urandom | od -An -tx1 | tr -d ' \n' > "$RAY_AUTH_TOKEN_PATH")
export RAY_USAGE_STATS_ENABLED=0

# Its sockets and logs lie in a folder of your own on each node; the name has to be short.
export ray_folder=/tmp/ray-"$SLURM_JOB_ID"
each() { srun --overlap --ntasks-per-node=1 sh -c "$1"; }
each 'mkdir -m 700 "$ray_folder" 2> /dev/null || [ -O "$ray_folder" ] && [ ! -L "$ray_folder" ]' ||
    { echo "job file: $ray_folder on a node is not yours."; exit 1; }
trap 'rm -f "$RAY_AUTH_TOKEN_PATH"; each "rm -rf \"\$ray_folder\"" || true' EXIT

# Ray's head is on the first node.
address=@rendezvous_address
port=@rendezvous_port
mapfile -t nodes < <(scontrol show hostnames "$SLURM_JOB_NODELIST")
on() { srun --overlap --nodes=1 --ntasks=1 --cpus-per-task="$SLURM_CPUS_PER_TASK" --nodelist="$@@"; }
ray_start() {
    on "$1" @ray start --block --num-cpus="$SLURM_CPUS_PER_TASK" --num-gpus=@gpus_per_node \
        --temp-dir="$ray_folder/r" "${@@:2}"
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
