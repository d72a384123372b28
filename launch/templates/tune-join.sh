sweep=@folder
say() { echo "job file: $*"; }

@cluster

# As long as the sweep goes on, also if its job is queued again meanwhile.
give_up=$((SECONDS + 600))
while [ "$SECONDS" -lt "$give_up" ] &&
    [ "$(@histosyn status --next "$sweep" 2>/dev/null || true)" != nothing ]; do
    if { read -r address RAY_AUTH_TOKEN_PATH < "$sweep/ray-head"; } 2>/dev/null &&
        (exec 3<>"/dev/tcp/${address%:*}/${address##*:}") 2>/dev/null; then
        export RAY_AUTH_TOKEN_PATH
        say "joins the sweep at $address"
        for node in "${nodes[@@]}"; do
            ray_start "$node" --address="$address" &
        done
        wait
        give_up=$((SECONDS + 600))
    fi
    sleep 10
done
if [ "$SECONDS" -ge "$give_up" ]; then say "the sweep's Ray was not there for ten minutes."; fi
