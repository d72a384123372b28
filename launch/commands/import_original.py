"""`histosyn import-original`."""

from __future__ import annotations

from pathlib import Path

from hpc.errors import InputError
from launch.input_checks import check_inputs
from launch.output_checks import check_output_folder
from launch.terminal.console import say


def import_original(file: Path, out: Path, *, classes: str) -> None:
    """Turn the original's weights (a .pth file) into a model folder.

    The model can be used like any other, for label maps of the size that it was made for: 512x512
    pixels. Only tensors are read of the file; one that holds code is refused.

    Example: histosyn import-original latest_net_G.pth models/prostate --classes prostate-3

    Parameters
    ----------
    file
        State dict of a generator of Falahkheirkhah et al. 2023, as their training saves it.
    out
        Model folder to write. It must not exist.
    classes
        What it was trained on: prostate-2, prostate-3 or colon-10; or a schema file (TOML) for a
        network that was trained on other classes. The files of prostate-2 and prostate-3 look the
        same: which it is cannot be told from them.
    """
    if out.exists():
        raise InputError(f"{out} exists. Choose another name for the model folder.")
    check_output_folder(out, "OUT")
    check_inputs(files={"original's weights": file}, schema=classes)
    # Imported only here, so that help and wrong paths do not wait for torch.
    from histosyn.labels.schema import load_schema
    from histosyn.models.folder import save_weights
    from histosyn.models.original import import_original

    weights, facts = import_original(file, load_schema(classes))
    save_weights(out, weights, facts)
    numbers = sum(weight.numel() for weight in weights.values())
    side = facts.generator.fixed_side
    names = ", ".join(item.name for item in facts.schema.classes)
    say(f"{out}: {numbers / 1e6:.1f} million weights from {file}")
    say(f"It takes label maps of {side}x{side} pixels with the classes {names}.")
