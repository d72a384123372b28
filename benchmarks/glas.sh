#!/usr/bin/env bash
# First light on real tissue: GlaS at about 10x, 128-px tiles, two processes on the CPU.
# usage: benchmarks/glas.sh FOLDER_OF_GLAS OUT [STEPS]     (tiles/, labels/, patients.csv)
set -euo pipefail
glas=$1 out=$2 steps=${3:-3000}
export OMP_NUM_THREADS=1

[ -d "$out/packed" ] || histosyn pack "$glas/tiles" "$glas/labels" "$out/packed" --schema prostate-3 \
    --tile-size 128 --source-mpp 0.5 --mpp 1.0 --groups "$glas/patients.csv" --val 0.2

train() {
    torchrun --nproc-per-node 2 --no-python histosyn train \
        --data.shards "$out/packed/train" --run.folder "$out/$1" --run.steps "$2" \
        --generator.base-channels 16 --generator.label-channels 64 \
        --discriminator.base-channels 32 --run.precision bfloat16 \
        --run.report-every 50 --run.sample-every 250 --run.checkpoint-every 250
}
train before 1
train run "$steps"

# Held-out patients: shards are plain tars, so tar takes tiles and label maps out of them.
for kind in tile label; do
    mkdir -p "$out/held-out/$kind"
    for shard in "$out"/packed/val/*.tar; do
        tar -C "$out/held-out/$kind" -xf "$shard" --wildcards "*.$kind.png"
    done
done
for name in before run; do
    histosyn synth "$out/$name" "$out/held-out/label" "$out/tissue-$name"
    histosyn eval fid "$out/held-out/tile" "$out/tissue-$name" --extractor random
done
