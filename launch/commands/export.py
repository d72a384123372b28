"""`histosyn export`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from hpc.errors import ConfigError, InputError
from launch.input_checks import check_inputs
from launch.terminal.console import say

if TYPE_CHECKING:
    from histosyn.models.card import Measured


def export(
    model: Path,
    out: Path,
    *,
    results: Annotated[tuple[Path, ...], Parameter(negative=())] = (),
    weights: Literal["float32", "bfloat16"] | None = None,
    onnx: bool = False,
    check: bool = True,
) -> None:
    """Export a model for other programs or machines.

    Without --onnx, OUT becomes a model folder, of a checkpoint, a run or another one. With --onnx,
    OUT is one ONNX file: label indices and noise in, tile out. docs/export.md says how the noise is
    made, so that another program makes the same tile.

    Example: histosyn export runs/first generator.onnx --onnx

    Parameters
    ----------
    model
        A model folder, a checkpoint, or a run folder (its newest checkpoint).
    out
        The file, or the folder; an older model or ONNX file there is replaced.
    results
        Results of `histosyn eval fid`, `c2st` and `faithfulness` (their --json) for the card of the
        model folder, README.md: only such as were measured on tiles of this very model.
    weights
        How the model folder stores numbers. bfloat16 takes half the space and rounds them, which
        makes a model of its own with slightly other tissue. Default: as MODEL does.
    onnx
        Write ONNX.
    check
        Compare what onnxruntime makes of the file with our own tiles before it is written.
    """
    check_inputs(model=model, files={f"--results, {path.name}": path for path in results})
    if onnx and results:
        raise ConfigError(
            "--results is for the card of a model folder; ONNX has none. Leave out one."
        )
    if weights and (onnx or results):
        other = "ONNX" if onnx else "a card with --results, which are of the weights as they were"
        raise ConfigError(
            f"--weights {weights} makes a model folder with other weights; it does not go with "
            f"{other}. Leave out one."
        )
    from histosyn.models.folder import load_model, save_weights
    from histosyn.models.stored import stored_as
    from hpc.files import write_bytes

    loaded = load_model(model)
    if not onnx:
        if out.exists() and out.resolve() == model.resolve():
            raise InputError(f"{out} is the model itself. Choose another folder.")
        measured = _measured(results, loaded.sha256)
        state = stored_as(weights or loaded.stored, loaded.network.state_dict())
        save_weights(out, state, loaded.facts, measured)
        say(f"model folder {out}")
        return
    from histosyn.export.agreement import TOLERANCE, disagreement
    from histosyn.export.onnx_generator import onnx_bytes

    if out.is_dir():
        raise InputError(f"{out} is a folder. Name a file, such as {out / 'generator.onnx'}.")
    data = onnx_bytes(loaded)
    said = "not checked"
    if check:
        config = loaded.facts.generator
        side, stride = config.fixed_side, config.stride
        sizes = [(side, side)] if side else [(4 * stride, 4 * stride), (stride * 5, stride * 3)]
        found = disagreement(data, loaded, sizes)
        shown = " and ".join(f"{width}x{height}" for height, width in sizes)
        said = f"onnxruntime agrees to {found:.1e} (allowed {TOLERANCE:.0e}) at {shown} pixels"
    write_bytes(out, data)
    say(f"{out}: {said}")


def _measured(results: tuple[Path, ...], model_sha256: str) -> Measured:
    from eval.report.model_index import measured_table, model_index, results_on
    from histosyn.models.card import Measured

    found = results_on(results, model_sha256)
    return Measured(results=model_index(found), text=measured_table(found))
