"""Results as the card of a model tells them: `model-index` of the Hugging Face Hub, and a table.

Only results on tiles of that very model, by the sha256 of its weights.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePath
from typing import Any

from eval.report.numbers import digits, interval, words
from eval.report.results_files import Finding, Findings, read_result
from eval.report.soundness import sound
from eval.report.sources import content_of_side
from eval.statistics.result import Number
from hpc.errors import InputError

_FLOOR = "real_versus_real_floor"
_TASK = {"type": "image-to-image", "name": "label map to H&E tile"}
# Of `eval fid`; spectra and weave are for a report.
_DISTANCES = ("frechet_distance", "kid", "precision", "recall", "density", "coverage")
KINDS = ("fid", "c2st", "faithfulness")


def results_on(paths: Sequence[Path], model_sha256: str) -> tuple[Finding, ...]:
    """Read results that were measured on tiles of the model whose weights have this sha256.

    Raises InputError for other files, for tiles of another model, and for tiles of which it is not
    known who made them.
    """
    found = tuple(map(_read, paths))
    for path, one in zip(paths, found, strict=True):
        _require_tiles_of(model_sha256, path, one)
    return found


def model_index(findings: Sequence[Finding]) -> tuple[dict[str, Any], ...]:
    """The `results` of `model-index`, plain data: a task, a data set and its metrics each."""
    return tuple(
        {
            "task": dict(_TASK),
            "dataset": _data_set(one),
            "metrics": [_metric(one, number) for number in _told(one) if number.value is not None],
        }
        for one in findings
    )


def measured_table(findings: Sequence[Finding]) -> str:
    """The same for people, as Markdown; what is undefined, too, with the reason."""
    rows = "".join(_row(one, number) for one in findings for number in _told(one))
    if not rows:
        return ""
    return f"""
## Measured

| what | value | interval | n | on, with |
|---|---|---|---|---|
{rows}"""


def _read(path: Path) -> Finding:
    one = read_result(path)
    if one.kind not in KINDS:
        raise InputError(
            f"{path} is of `eval {one.kind}`; a model card takes results of "
            f"{', '.join(f'eval {kind}' for kind in KINDS)}. Leave it out."
        )
    left_out = sound(Findings(found=(one,), left_out=())).left_out
    if left_out:
        raise InputError(f"{path.parent / left_out[0]}")
    return one


def _require_tiles_of(model_sha256: str, path: Path, one: Finding) -> None:
    side = one.inputs.get("synthetic")
    content = content_of_side(side) or {}
    models, recorded = content.get("model_sha256"), content.get("recorded")
    if not isinstance(models, list) or not models or not isinstance(recorded, int):
        raise InputError(
            f"{path} does not say which model made its tiles: they lay in a folder without the "
            "manifest.jsonl that `histosyn synth` writes. Measure the folder that it wrote."
        )
    if models != [model_sha256]:
        others = ", ".join(f"{str(model)[:12]}…" for model in models if model != model_sha256)
        raise InputError(
            f"{path} was measured on tiles of another model ({others}); the weights of this one "
            f"have the sha256 {model_sha256[:12]}…. Measure tiles of this model."
        )
    tiles = side.get("n", side.get("tiles")) if isinstance(side, dict) else None
    if isinstance(tiles, int) and tiles > recorded:
        raise InputError(
            f"{path} was measured on {tiles} tiles, of which {tiles - recorded} do not stand in "
            "the manifest of `histosyn synth`: anything may have made them. Measure the others."
        )


def _told(one: Finding) -> Iterator[Number]:
    for number in one.numbers:
        if one.kind == "fid" and number.name not in _DISTANCES:
            continue
        if one.kind == "faithfulness" and number.details.get("side") != "synthetic":
            continue
        yield number


def _metric(one: Finding, number: Number) -> dict[str, Any]:
    said = {
        "n": number.n,
        "interval": None if number.interval is None else list(number.interval),
        "interval_level": number.interval_level,
        "interval_method": number.interval_method,
        "method": number.method,
        "extractor": _extractor(one),
        "preprocessing": one.settings.get("preprocessing"),
        "beside": _beside(one, number),
        "seed": one.settings.get("seed"),
        "command": f"histosyn eval {one.kind}",
        "versions": dict(one.versions),
        "result_sha256": one.sha256,
    }
    return {
        "type": _type(one, number),
        "name": _name(number),
        "value": number.value,
        "args": {key: value for key, value in said.items() if value not in (None, {})},
    }


def _type(one: Finding, number: Number) -> str:
    if number.name == "frechet_distance" and _extractor(one).get("name") == "inception":
        return "fid"
    return "auc" if number.name.startswith("auc_") else number.name


def _name(number: Number) -> str:
    of_class = number.details.get("class")
    return words(number.name) + (f" of {of_class}" if of_class is not None else "")


def _extractor(one: Finding) -> dict[str, Any]:
    """The network that looked at the tiles, and the sha256 of its weights."""
    segmenter = one.inputs.get("segmenter")
    if isinstance(segmenter, dict):
        return {"name": "segmenter", "weights_sha256": segmenter.get("sha256")}
    name, sha256 = one.settings.get("extractor"), one.settings.get("weights_sha256")
    return {} if name is None else {"name": name, "weights_sha256": sha256}


def _beside(one: Finding, number: Number) -> dict[str, Any]:
    """What real tiles have: among themselves, or read by the same segmenter."""
    floor = _FLOOR if number.name == "frechet_distance" else f"{number.name}_{_FLOOR}"
    for other in one.numbers:
        same = other.name == number.name and other.details.get("class") == number.details.get(
            "class"
        )
        if other.name == floor or (same and other.details.get("side") == "real"):
            ends = None if other.interval is None else list(other.interval)
            said = {"value": other.value, "interval": ends, "n": other.n}
            return {"real_tiles": {key: value for key, value in said.items() if value is not None}}
    return {}


def _data_set(one: Finding) -> dict[str, Any]:
    """The real tiles, else the label maps that the tiles were made of. The path stays at home."""
    side = one.inputs.get("real")
    what = "real tiles" if isinstance(side, dict) else "label maps of the synthetic tiles"
    side = side if isinstance(side, dict) else one.inputs["synthetic"]
    name = PurePath(str(side.get("name") or what)).name
    content = content_of_side(side) or {}
    said = {
        "what": what,
        "n": side.get("n", side.get("tiles")),
        "sha256": content.get("sha256"),
        "sha256_covers": content.get("covers"),
    }
    return {
        "type": re.sub("[^a-z0-9]+", "-", name.lower()).strip("-") or "tiles",
        "name": name,
        "args": {key: value for key, value in said.items() if value is not None},
    }


def _row(one: Finding, number: Number) -> str:
    value = digits(number.value) if number.value is not None else f"undefined: {number.reason}"
    looked = _extractor(one)
    told = f"{_data_set(one)['name']}, {looked.get('name', 'no network')}"
    ends = "" if number.interval is None else interval(number.interval)
    cells = (_name(number), value, ends, str(number.n), told)
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n"
