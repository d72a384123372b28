"""What users of other programs type, and what it is called here; notes where a word says little.

Settings of a training have their words in `histosyn.config.synonyms`.
"""

from __future__ import annotations

_PROCESSES = ("processes",)
_OVERWRITE = ("overwrite",)
_OUT = ("out",)
_TILES = ("tiles", "real", "synthetic")
_LABELS = ("labels",)
_GROUPS = ("groups",)
_TILE_SIZE = ("tile-size", "resize", "size")
_MODEL = ("model", "segmenter")

# Words with underscores -> options (without --) or positional arguments, the likelier ones first.
# Those that the command has are named.
OPTIONS: dict[str, tuple[str, ...]] = {
    "batch": ("batch-size",),
    "bs": ("batch-size",),
    "gpus": _PROCESSES,
    "num_gpus": _PROCESSES,
    "gpu_ids": (*_PROCESSES, "device"),
    "devices": _PROCESSES,
    "nproc": _PROCESSES,
    "nproc_per_node": _PROCESSES,
    "workers": _PROCESSES,
    "num_workers": _PROCESSES,
    "jobs": _PROCESSES,
    "j": _PROCESSES,
    "n_jobs": _PROCESSES,
    "gpu": ("device",),
    "cuda": ("device",),
    "cpu": ("device",),
    "random_seed": ("seed",),
    "manual_seed": ("seed",),
    "force": _OVERWRITE,
    "f": _OVERWRITE,
    "replace": _OVERWRITE,
    "clobber": _OVERWRITE,
    "o": _OUT,
    "output": _OUT,
    "output_dir": _OUT,
    "outdir": _OUT,
    "out_dir": _OUT,
    "results_dir": _OUT,
    "save_dir": _OUT,
    "save": ("json", "out"),
    "csv": ("json",),
    "image": _TILES,
    "images": _TILES,
    "image_dir": _TILES,
    "img_dir": _TILES,
    "mask": _LABELS,
    "masks": _LABELS,
    "mask_dir": _LABELS,
    "label_dir": _LABELS,
    "label": _LABELS,
    "annotations": _LABELS,
    "segmentations": _LABELS,
    "input": (*_LABELS, *_TILES),
    "dataroot": (*_LABELS, *_TILES),
    "fake": ("synthetic",),
    "generated": ("synthetic",),
    "patient": _GROUPS,
    "patients": _GROUPS,
    "slides": _GROUPS,
    "cases": _GROUPS,
    "split": ("val", "groups"),
    "validation": ("val", "held-out"),
    "val_split": ("val",),
    "valid": ("val",),
    "test_split": ("test",),
    "classes": ("schema", "classes", "categories"),
    "palette": ("schema",),
    "colors": ("schema",),
    "colours": ("schema",),
    "image_size": _TILE_SIZE,
    "img_size": _TILE_SIZE,
    "imgsz": _TILE_SIZE,
    "patch_size": _TILE_SIZE,
    "crop_size": _TILE_SIZE,
    "crop": _TILE_SIZE,
    "size": _TILE_SIZE,
    "resolution": ("mpp", "source-mpp", "tile-size"),
    "magnification": ("mpp", "source-mpp"),
    "mag": ("mpp", "source-mpp"),
    "stride": ("overlap",),
    "image_suffix": ("tile-suffix",),
    "mask_suffix": ("label-suffix",),
    "background": ("unlabelled", "min-tissue"),
    "tissue_threshold": ("min-tissue",),
    "shard_size": ("samples-per-shard",),
    "maxcount": ("samples-per-shard",),
    "n": ("count", "variants"),
    "num": ("count", "variants"),
    "num_samples": ("count", "variants", "samples"),
    "n_samples": ("count", "variants", "samples"),
    "samples": ("count", "variants"),
    "checkpoint": _MODEL,
    "ckpt": _MODEL,
    "weights": ("inception-weights", *_MODEL),
    "load": _MODEL,
    "network": _MODEL,
    "amp": ("precision",),
    "fp16": ("precision",),
    "bf16": ("precision",),
    "half": ("precision",),
    "dtype": ("precision",),
    "feature_extractor": ("extractor",),
    "features": ("extractor",),
    "backbone": ("extractor",),
    "dims": ("extractor",),
    "bootstrap": ("replicates",),
    "n_boot": ("replicates",),
    "raters": ("readers",),
    "readers": ("raters",),
    "scale": ("categories",),
    "host": ("host-name", "port"),
    "address": ("port", "socket"),
    "open": ("browser",),
    "wait": ("watch",),
    "follow": ("watch",),
    "walltime": ("time",),
    "print_only": ("dry-run",),
}

_SAME_COMMAND = (
    "It is not needed: the same command, given again, goes on where it stopped, from the newest "
    "checkpoint in its folder."
)
_SITE_FILE = (
    "What belongs to your cluster stands in the site file, which `histosyn init site` begins; "
    "there it is "
)
_SCHEMA_KNOWS = "The label schema of the shards says how many classes there are."
_MIXED = "Mixed precision is bfloat16; auto takes it where the device computes it natively."

# What more there is to say, in commands that take what a word stands for, or have no word for it.
NOTES: dict[str, str] = {
    "resume": _SAME_COMMAND,
    "continue": _SAME_COMMAND,
    "continue_train": _SAME_COMMAND,
    "resume_from": _SAME_COMMAND,
    "which_epoch": _SAME_COMMAND,
    "load_iter": _SAME_COMMAND,
    "input_nc": _SCHEMA_KNOWS,
    "label_nc": _SCHEMA_KNOWS,
    "semantic_nc": _SCHEMA_KNOWS,
    "num_classes": _SCHEMA_KNOWS,
    "n_classes": _SCHEMA_KNOWS,
    **dict.fromkeys(("amp", "fp16", "bf16", "half", "mixed_precision"), _MIXED),
    "output_nc": "Tiles are RGB, always three channels.",
    "gan_mode": "lsgan is called least_squares here; hinge is hinge.",
    "load_size": "Tiles are as large as `histosyn pack --tile-size` made them; crops of them are "
    "taken with --data.crop.",
    "ttur": "Each network has its own learning rate: --optimizer.generator-lr and "
    "--optimizer.discriminator-lr.",
    "val": "Which tiles are held out is settled by `histosyn pack --val 0.2`, patient by patient; "
    "train on packed/train, and measure on packed/val.",
    "validation": "Which tiles are held out is settled by `histosyn pack --val 0.2`.",
    "gpu_ids": "CUDA_VISIBLE_DEVICES=0,1 says which GPUs a process may see.",
    "niter_decay": "The learning rates are constant.",
    "n_epochs_decay": "The learning rates are constant.",
    "lr_policy": "The learning rates are constant.",
    "scheduler": "The learning rates are constant.",
    "direction": "Tissue is made of label maps, always.",
    "no_instance": "Label maps have classes, no instances.",
    "netg": "There is one kind of generator: --generator.modulation says how it sees label maps.",
    "lambda_l1": "No loss compares pixels: --loss.perceptual compares features of a network.",
    "use_vae": "Tissue varies by its noise, and by its stain: --generator.stain.",
    "model": "What is trained is told by --preset and the settings of --help-all.",
    "phase": "Training is `histosyn train`, making tiles `histosyn synth`.",
    "partition": f"{_SITE_FILE}partition.",
    "account": f"{_SITE_FILE}account.",
    "gpus": f"{_SITE_FILE}gpus_per_node.",
    "gres": f"{_SITE_FILE}gpus_per_node.",
    "mem": f"{_SITE_FILE}memory.",
    "memory": f"{_SITE_FILE}memory.",
    "cpus_per_task": f"{_SITE_FILE}cpus_per_task.",
    "batch_size": "Label maps have sizes of their own: each is computed alone, and large ones in "
    "windows. Several at a time: --processes.",
    "num_samples": "It stands in the file of --config: samples, below [sweep].",
    "verbose": "All that there is to tell is told; --debug shows the traceback of an error.",
    "v": "All that there is to tell is told; --debug shows the traceback of an error.",
    "quiet": "Progress goes to standard error: 2>/dev/null silences it.",
    "q": "Progress goes to standard error: 2>/dev/null silences it.",
}

# Notes that are true in these commands only; the others hold wherever the word is unknown.
_RESUMED = ("train", "tune", "pack", "synth", "eval segmenter train", "eval utility")
_TRAININGS = ("train", "eval segmenter train")
_JOBS = ("submit train", "submit synth", "submit tune", "submit eval fid", "submit pack")
NOTES_OF: dict[str, tuple[str, ...]] = {
    **dict.fromkeys((word for word, note in NOTES.items() if note == _SAME_COMMAND), _RESUMED),
    **dict.fromkeys((word for word, note in NOTES.items() if note == _SCHEMA_KNOWS), _TRAININGS),
    **dict.fromkeys((word for word, note in NOTES.items() if note.startswith(_SITE_FILE)), _JOBS),
    **dict.fromkeys(
        ("output_nc", "gan_mode", "load_size", "ttur", "val", "validation", "niter_decay",
         "n_epochs_decay", "lr_policy", "scheduler", "direction", "no_instance", "model", "phase",
         "gpu_ids"),
        _TRAININGS,
    ),
    **dict.fromkeys(("netg", "lambda_l1", "use_vae"), ("train",)),
    "batch_size": ("synth",),
    "num_samples": ("tune",),
}  # fmt: skip

# Commands that other programs have, or users expect -> the command line to type.
COMMANDS: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(
        ("generate", "gen", "predict", "sample", "infer", "inference", "synthesize", "synthesise",
         "synthesis", "translate", "test", "apply", "run"),
        ("synth",),
    ),
    **dict.fromkeys(("fit", "training", "resume", "continue", "finetune", "fine-tune"), ("train",)),
    **dict.fromkeys(("convert", "prepare", "preprocess", "shard", "dataset", "data", "tile",
                     "import", "package"), ("pack",)),
    **dict.fromkeys(("extract", "unshard", "export-tiles", "untar"), ("unpack",)),
    **dict.fromkeys(("check", "validate", "lint", "diagnose", "test-install"), ("doctor",)),
    **dict.fromkeys(("show", "view", "info", "stats", "ls", "list"),
                    ("inspect", "status")),
    **dict.fromkeys(("log", "logs", "progress", "monitor", "ps", "runs", "plot"), ("status",)),
    **dict.fromkeys(("sweep", "hpo", "search", "optimize", "ray"), ("tune",)),
    **dict.fromkeys(("gui", "web", "serve", "server", "ui", "draw", "app"), ("paint",)),
    **dict.fromkeys(("slurm", "sbatch", "cluster", "job"), ("submit train",)),
    **dict.fromkeys(("kid", "frechet", "distance", "distances", "precision", "recall", "lpips",
                     "inception"), ("eval fid",)),
    **dict.fromkeys(("evaluate", "evaluation", "metrics", "measure", "score"), ("eval",)),
    **dict.fromkeys(("kappa", "icc", "raters", "agree"), ("eval agreement",)),
    **dict.fromkeys(("dice", "iou", "miou"), ("eval faithfulness",)),
    **dict.fromkeys(("segment", "segmenter"), ("eval segmenter train",)),
    **dict.fromkeys(("readers", "reader-study", "turing"), ("study",)),
    **dict.fromkeys(("config", "configure", "new", "template", "example", "examples", "start",
                     "setup", "schema"), ("init",)),
    **dict.fromkeys(("toy", "synthetic-data", "dummy", "fake"), ("phantom",)),
    "version": ("--version",),
    "help": ("--help",),
}  # fmt: skip
