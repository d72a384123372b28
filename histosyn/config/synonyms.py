"""What other programs call the settings of a training, and what they are called here.

The words are those of pix2pix, SPADE, torchvision's and Lightning's scripts: edit distance does not
lead from `--lr` to `optimizer.generator_lr`.
"""

from __future__ import annotations

from collections.abc import Callable

_LEARNING_RATES = ("optimizer.generator_lr", "optimizer.discriminator_lr", "optimizer.lr")
_BATCH = ("data.global_batch",)
_CROP = ("data.crop",)
_STEPS = ("run.steps",)
_WORKERS = ("data.workers",)
_MIXED = ("run.precision",)
_SHARDS = ("data.shards",)
_FOLDER = ("run.folder",)

# Words in lower case with underscores -> settings, the likelier ones first.
SETTINGS: dict[str, tuple[str, ...]] = {
    "lr": _LEARNING_RATES,
    "learning_rate": _LEARNING_RATES,
    "lr_g": ("optimizer.generator_lr",),
    "g_lr": ("optimizer.generator_lr",),
    "lr_d": ("optimizer.discriminator_lr",),
    "d_lr": ("optimizer.discriminator_lr",),
    "betas": ("optimizer.beta1", "optimizer.beta2"),
    "momentum": ("optimizer.beta1",),
    "wd": ("optimizer.weight_decay",),
    "epochs": _STEPS,
    "n_epochs": _STEPS,
    "num_epochs": _STEPS,
    "max_epochs": _STEPS,
    "niter": _STEPS,
    "niter_decay": _STEPS,
    "n_epochs_decay": _STEPS,
    "iterations": _STEPS,
    "iters": _STEPS,
    "max_iter": _STEPS,
    "max_steps": _STEPS,
    "num_steps": _STEPS,
    "kimg": _STEPS,
    "batch": _BATCH,
    "batch_size": _BATCH,
    "batchsize": _BATCH,
    "bs": _BATCH,
    "image_size": _CROP,
    "img_size": _CROP,
    "imgsz": _CROP,
    "size": _CROP,
    "crop_size": _CROP,
    "cropsize": _CROP,
    "patch_size": _CROP,
    "tile_size": _CROP,
    "load_size": _CROP,
    "loadsize": _CROP,
    "resolution": _CROP,
    "num_workers": _WORKERS,
    "num_threads": _WORKERS,
    "nthreads": _WORKERS,
    "n_workers": _WORKERS,
    "flip": ("data.augment",),
    "no_flip": ("data.augment",),
    "amp": _MIXED,
    "fp16": _MIXED,
    "fp32": _MIXED,
    "bf16": _MIXED,
    "half": _MIXED,
    "mixed_precision": _MIXED,
    "dtype": _MIXED,
    "dataroot": _SHARDS,
    "data_root": _SHARDS,
    "dataset": _SHARDS,
    "data_dir": _SHARDS,
    "data_path": _SHARDS,
    "train_dir": _SHARDS,
    "input": _SHARDS,
    "label_nc": ("data.schema",),
    "input_nc": ("data.schema",),
    "semantic_nc": ("data.schema",),
    "num_classes": ("data.schema",),
    "n_classes": ("data.schema",),
    "classes": ("data.schema",),
    "name": _FOLDER,
    "experiment": _FOLDER,
    "exp_name": _FOLDER,
    "output": _FOLDER,
    "output_dir": _FOLDER,
    "out": _FOLDER,
    "outdir": _FOLDER,
    "out_dir": _FOLDER,
    "checkpoints_dir": _FOLDER,
    "checkpoint_dir": _FOLDER,
    "run_dir": _FOLDER,
    "logdir": _FOLDER,
    "log_dir": _FOLDER,
    "save_dir": _FOLDER,
    "gan_mode": ("loss.objective",),
    "gan_loss": ("loss.objective",),
    "lambda_feat": ("loss.feature_matching",),
    "no_ganfeat_loss": ("loss.feature_matching",),
    "lambda_vgg": ("loss.perceptual",),
    "no_vgg_loss": ("loss.perceptual",),
    "lambda_gan": ("loss.adversarial",),
    "lambda_labelmix": ("loss.label_mix",),
    "no_labelmix": ("loss.label_mix",),
    "gp": ("loss.r1",),
    "gamma": ("loss.r1",),
    "ngf": ("generator.base_channels",),
    "channels_g": ("generator.base_channels",),
    "ndf": ("discriminator.base_channels",),
    "channels_d": ("discriminator.base_channels",),
    "netd": ("discriminator.kind",),
    "n_layers_d": ("discriminator.layers",),
    "num_d": ("discriminator.scales",),
    "norm_g": ("generator.modulation",),
    "z_dim": ("generator.noise_channels",),
    "nz": ("generator.noise_channels",),
    "ema": ("run.ema_decay",),
    "random_seed": ("run.seed",),
    "manual_seed": ("run.seed",),
    "cuda": ("run.device",),
    "gpu": ("run.device",),
    "save_every": ("run.checkpoint_every",),
    "save_epoch_freq": ("run.checkpoint_every",),
    "save_latest_freq": ("run.checkpoint_every",),
    "checkpoint_interval": ("run.checkpoint_every",),
    "print_freq": ("run.report_every",),
    "log_every": ("run.report_every",),
    "log_interval": ("run.report_every",),
    "display_freq": ("run.sample_every",),
    "pretrained_weights": ("run.fork",),
    "init_from": ("run.fork",),
    "finetune": ("run.fork",),
    "weights": ("run.fork",),
}


def plain_word(word: str) -> str:
    """An option or key as the table has it: --Batch-Size is batch_size."""
    return word.lstrip("-").partition("=")[0].replace("-", "_").lower()


def settings_meant(word: str, is_setting: Callable[[str], bool]) -> tuple[str, ...]:
    """The settings, of those that there are, that other programs call `word`."""
    return tuple(filter(is_setting, SETTINGS.get(plain_word(word), ())))
