# Only those who can read the token are let in; whoever reaches Ray's ports could run code as you.
export RAY_AUTH_MODE=token
export RAY_USAGE_STATS_ENABLED=0

# Its sockets and logs lie in a folder of your own on each node; the name has to be short.
export ray_folder=/tmp/ray-"$SLURM_JOB_ID"
mapfile -t nodes < <(scontrol show hostnames "$SLURM_JOB_NODELIST")
on() { srun --overlap --nodes=1 --ntasks=1 --cpus-per-task="$SLURM_CPUS_PER_TASK" --nodelist="$@@"; }
each() { srun --overlap --ntasks-per-node=1 sh -c "$1"; }
each 'mkdir -m 700 "$ray_folder" 2> /dev/null ||
    { [ -O "$ray_folder" ] && [ ! -L "$ray_folder" ] && chmod 700 "$ray_folder"; }' ||
    { say "$ray_folder on a node is not yours."; exit 1; }
leave() {
    [ "$?" != 0 ] || rm -f "$sweep/ray-$SLURM_JOB_ID"-*.log
    kill $(jobs -p) 2> /dev/null || true
    # One by one: a node that is lost keeps nobody from the others.
    for node in "${nodes[@@]}"; do
        on "$node" --immediate=20 rm -rf "$ray_folder" 2> /dev/null || true
    done
}
trap leave EXIT

ray_start() {
    on "$1" @ray start --block --node-name="$1" --num-cpus="$SLURM_CPUS_PER_TASK" \
        --num-gpus=@gpus_per_node --temp-dir="$ray_folder/r" "${@@:2}" \
        > "$sweep/ray-$SLURM_JOB_ID-$1.log" 2>&1
}
