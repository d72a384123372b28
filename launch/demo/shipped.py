"""What the package ships to look at: a small model of phantom tissue, and label maps to start from.

Made by docs/make_demo_model.py, whose command stands in the model's card.
"""

from __future__ import annotations

from pathlib import Path

from histosyn.sources.pairs import images_by_key

MODEL = Path(__file__).with_name("model")


def shipped_labels() -> dict[str, Path]:
    """Phantom label maps of 256 pixels by their key, which no training has seen."""
    return images_by_key(Path(__file__).with_name("labels"), "folder of label maps")
