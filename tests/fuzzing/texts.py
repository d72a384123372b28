"""What people write by hand: configurations, tables, an extractor's preprocessing."""

from __future__ import annotations

TRAINING = """
[data]
shards = "packed/train"
global_batch = 2
workers = 0
[generator]
base_channels = 2
max_multiplier = 2
upsamplings = 3
label_channels = 4
noise_channels = 4
[discriminator]
base_channels = 2
layers = 2
scales = 1
[run]
folder = "run"
steps = 2
device = "cpu"
precision = "float32"
report_every = 1
checkpoint_every = 1
sample_every = 1000
recalibrate_batches = 1
"""
SWEEP = """
[train.data]
shards = "packed/train"
global_batch = 4
[train.run]
steps = 8
[search]
optimizer.generator_lr = { log_uniform = [1e-5, 1e-3] }
loss.feature_matching = { choice = [1, 5, 10], when = { loss.objective = "hinge" } }
[[start]]
loss.feature_matching = 5
[objective.distance]
extractor = "random"
[sweep]
folder = "sweep"
validation = "packed/train"
samples = 3
evaluate_every = 2
grace_period = 2
"""
UTILITY = """
[data]
real = "packed/train"
test = "packed/test"
synthetic = ["packed/val"]
global_batch = 4
[experiment]
margin = 0.1
folder = "experiment"
seeds = [0, 1]
shares = [0.5, 1.0]
arms = ["real", "synthetic"]
[network]
base_channels = 4
halvings = 2
"""
EXTRACTOR = 'name = "e"\nsize = 32\nfilter = "bicubic"\nmean = [0, 0, 0]\nstd = [1, 1, 1]\n'
RATINGS = "image,rater,rating,arm\n" + "".join(
    f"i{number},{rater},{1 + (number + (rater == 'b' and number % 3 == 0)) % 4},"
    f"{'real' if number % 2 else 'synthetic'}\n"
    for number in range(12)
    for rater in "ab"
)
WIDE_RATINGS = "image;A;B;C\n" + "".join(
    f"i{number};{1 + number % 3};{1 + (number + 1) % 3 if number % 4 else ''};{1 + number % 3}\n"
    for number in range(8)
)
SITE = """
gpus_per_node = 2
cpus_per_task = 8
time = "1:00:00"
partition = "gpu"
memory = "128G"
options = ["--constraint=a100"]
modules = ["cuda/12.4"]
setup = ["source .venv/bin/activate"]
"""
