"""The original's weights as a model of ours.

The two differ only in how the same numbers are stored: here spectral normalization is folded into
the weights, and the convolutions for γ and β are one. `original_layout` is the table of it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from importlib.metadata import version
from itertools import chain, zip_longest
from math import isqrt
from pathlib import Path

import torch

from histosyn.config.networks import GeneratorConfig
from histosyn.labels.schema import LabelSchema, built_in_schemas, load_schema
from histosyn.models.facts import ModelFacts
from histosyn.models.original_file import read_state_dict
from histosyn.models.original_layout import BLOCKS, UPSAMPLINGS, Layout, rows, shapes
from hpc.errors import InputError
from hpc.file_fingerprint import FileFingerprint
from hpc.paths import AnyPath, as_path
from hpc.weights import not_finite

Shapes = Mapping[str, tuple[int, ...]]

# Label channels that no pixel ever has; they follow those of the classes.
_UNUSED_CHANNELS = {"prostate-2": 1}
_NAMED = 10


def import_original(
    path: AnyPath, schema: LabelSchema
) -> tuple[dict[str, torch.Tensor], ModelFacts]:
    """The weights of the original's generator in the file `path`, and what is to be known of them.

    The weights are float32 and named as those of a model folder, for the classes of `schema`.
    Raises InputError if the file cannot be read without running code, holds another network, or
    another number of label channels than the classes need.
    """
    path = as_path(path, "original's weights")
    fingerprint = FileFingerprint(path)
    state = read_state_dict(path)
    found = {key: tuple(tensor.shape) for key, tensor in state.items()}
    _require_generator(path, found)
    layout = _layout_of(found)
    _require_classes(path, layout.label_channels, schema)
    _require_keys(path, found, shapes(layout))
    weights = {
        row.ours: _of_classes(row.ours, row.convert(*(state[key] for key, _ in row.theirs)), schema)
        for row in rows(layout)
    }
    _require_finite(path, weights)
    return weights, _facts(fingerprint, layout, schema)


def _of_classes(name: str, weight: torch.Tensor, schema: LabelSchema) -> torch.Tensor:
    """Without what an unused label channel would add."""
    return weight[:, : len(schema)] if name.endswith("embed.weight") else weight


def _facts(fingerprint: FileFingerprint, layout: Layout, schema: LabelSchema) -> ModelFacts:
    side = layout.grid_size << UPSAMPLINGS
    return ModelFacts(
        generator=GeneratorConfig(
            base_channels=layout.base_channels,
            max_multiplier=max(inner for _, inner, _ in BLOCKS),
            upsamplings=UPSAMPLINGS,
            label_channels=layout.embedding_channels,
            noise_channels=layout.noise_channels,
            entry="linear",
            grid_size=layout.grid_size,
            pixel_noise=False,
            upsampling="nearest",
            border="zeros",
            stain=False,
        ),
        schema=schema,
        tile_size=(side, side),
        mpp=None,
        training={
            "imported_from": "a generator of Falahkheirkhah et al. 2023 (the original)",
            "source_file": fingerprint.path.name,
            "source_sha256": fingerprint.sha256(),
            "source_label_channels": layout.label_channels,
            "histosyn": version("histosyn"),
            "torch": torch.__version__,
        },
    )


def _layout_of(found: Shapes) -> Layout:
    """The layout that most keys agree on, so that the others can be named as misshapen."""
    usual = Layout()
    base = _most_common(
        (
            shape[0] // outer
            for name, _, outer in BLOCKS
            if len(shape := found.get(f"{name}.conv_1.bias", ())) == 1
        ),
        usual.base_channels,
    )
    embeddings = [
        shape
        for key, shape in found.items()
        if key.endswith(".mlp_shared.0.weight") and len(shape) == 4
    ]
    linear = found.get("fc.weight", ())
    cells = linear[0] // (BLOCKS[0][1] * base) if len(linear) == 2 else 0
    return Layout(
        base_channels=base,
        noise_channels=linear[1] if len(linear) == 2 else usual.noise_channels,
        embedding_channels=_most_common((s[0] for s in embeddings), usual.embedding_channels),
        label_channels=_most_common((s[1] for s in embeddings), usual.label_channels),
        grid_size=isqrt(cells) or usual.grid_size,
    )


def _most_common(votes: Iterable[int], otherwise: int) -> int:
    counted = Counter(vote for vote in votes if vote > 0).most_common(1)
    return counted[0][0] if counted else otherwise


def _require_generator(path: Path, found: Shapes) -> None:
    if found.keys() & shapes(Layout()).keys():
        return
    if any(key.startswith("discriminator") for key in found):
        what = "holds a discriminator and no generator"
    else:
        what = "holds no generator of the original: none of its keys belongs to that network"
    names = ", ".join(list(found)[:3])
    raise InputError(
        f"{path} {what} ({len(found)} keys: {names}, …). Give the file of the generator, which the "
        "original's training calls like latest_net_G.pth."
    )


def _require_classes(path: Path, channels: int, schema: LabelSchema) -> None:
    if channels in _fitting_channels(schema):
        return
    wanted = " or ".join(map(str, _fitting_channels(schema)))
    built_in = map(load_schema, built_in_schemas())
    fitting = [known.name for known in built_in if channels in _fitting_channels(known)]
    remedy = f"--classes {' or '.join(fitting)}" if fitting else "--classes with a schema file"
    raise InputError(
        f"{path} is made for {channels} label channels, and {schema.name} has {wanted}. "
        f"Give {remedy}, which must have the classes, in their order, that it was trained on."
    )


def _fitting_channels(schema: LabelSchema) -> range:
    return range(len(schema), len(schema) + _UNUSED_CHANNELS.get(schema.name, 0) + 1)


def _require_keys(path: Path, found: Shapes, wanted: Shapes) -> None:
    kinds = [
        [f"{key} is missing; expected {wanted[key]}" for key in wanted if key not in found],
        [
            f"{key} has the shape {found[key]}; expected {wanted[key]}"
            for key in wanted
            if key in found and found[key] != wanted[key]
        ],
        [f"{key} {found[key]} is unknown" for key in found if key not in wanted],
    ]
    if any(kinds):
        # Turn by turn: many of one kind must not hide another.
        turns = chain.from_iterable(zip_longest(*kinds))
        wrong = [line for line in turns if line is not None]
        _refuse(path, "is not the original's generator as its training saves it", wrong)


def _require_finite(path: Path, weights: Mapping[str, torch.Tensor]) -> None:
    """Also what a norm of zero gives when spectral normalization is folded."""
    if wrong := not_finite(weights):
        _refuse(path, "gives weights that are infinite or no numbers", wrong)


def _refuse(path: Path, what: str, wrong: list[str]) -> None:
    more = [f"and {len(wrong) - _NAMED} more"] if len(wrong) > _NAMED else []
    listed = "".join(f"\n  {line}" for line in wrong[:_NAMED] + more)
    raise InputError(
        f"{path} {what}:{listed}\nCopy the file again, or give the one of a generator with the "
        f"original's seven blocks and {UPSAMPLINGS} upsamplings."
    )
