"""The model card of a generator: what it is, what it was trained on, how well it does."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

from histosyn.models.facts import ModelFacts
from histosyn.models.files import class_table
from histosyn.models.front_matter import front_matter
from histosyn.models.path import WEIGHTS


@dataclass(frozen=True, kw_only=True)
class Measured:
    """What a model card tells of measurements: `results` of `model-index`, and text (Markdown)."""

    results: tuple[dict[str, Any], ...] = ()
    text: str = ""


def model_card(facts: ModelFacts, name: str, measured: Measured, sha256: str) -> str:
    """The card of a model called `name`, whose weights have this sha256."""
    training = "\n".join(f"- {name}: {value}" for name, value in facts.training.items())
    mpp = f"{facts.mpp} microns per pixel" if facts.mpp else "unknown resolution"
    sizes = "any size" if facts.generator.fixed_side is None else "this size only"
    return f"""{front_matter(facts.schema, name=name, results=measured.results)}
# A histosyn generator

Turns label maps into synthetic H&E tissue. What it makes is not real tissue and shows no patient:
not for diagnosis.

- trained on tiles of {facts.tile_size[0]}x{facts.tile_size[1]} pixels, {mpp}; takes {sizes}
- weights: {WEIGHTS}, sha256 {sha256}
- made by histosyn {version("histosyn")}

{class_table(facts.schema)}
## Data

{_data(facts)}
## Training

{training}
{measured.text}
## Use

`histosyn synth THIS_FOLDER LABELS OUT`, or in Python `histosyn.load_model("THIS_FOLDER")`. Nothing
is fetched from anywhere. For other programs: `histosyn export THIS_FOLDER generator.onnx --onnx`.
"""


def _data(facts: ModelFacts) -> str:
    """The part of the card on the training set: what the model knows of it."""
    known = facts.training
    rows = [
        f"- label schema {facts.schema.name}: {len(facts.schema)} classes",
        f"- {known['tiles']:,} tiles" if isinstance(known.get("tiles"), int) else "",
        f"- sha256 of schema and samples {known['data_sha256']}" if "data_sha256" in known else "",
        "- its name, its origin and its terms: not known to histosyn; say them here",
    ]
    return "".join(f"{row}\n" for row in rows if row)
