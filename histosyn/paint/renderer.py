"""Synthesis of paintings by the model, with a cache of the last tiles."""

from __future__ import annotations

import base64
import threading
import time
from collections import OrderedDict
from dataclasses import replace
from typing import Any

import numpy as np

from histosyn.labels.label_map import label_png_bytes
from histosyn.labels.schema import LabelSchema
from histosyn.models.folder import Model
from histosyn.paint.painting import Painting
from histosyn.paint.request_queue import OnProgress
from histosyn.stain.names import NAMES
from histosyn.stain.seen import Code
from histosyn.synthesis.activation_cache import ActivationCache
from histosyn.synthesis.folder import synthesize_painted
from histosyn.synthesis.provenance import Painted, Record, tile_png_bytes
from histosyn.synthesis.rerolls import areas_png_bytes, margin
from hpc.files import sha256_of_bytes
from hpc.randomness import key_of

_KEPT = 16
_MOST_STAINS = 64
_UNSAVED = "painting.png"


class Renderer:
    """Makes the tissue of paintings, one at a time; the last few are kept.

    `most_pixels` is the largest label map that is taken.
    """

    def __init__(self, model: Model, *, name: str, most_pixels: int = 1 << 22) -> None:
        self.model = model
        self.name = name
        self.most_pixels = most_pixels
        self._made: OrderedDict[str, tuple[np.ndarray, bool]] = OrderedDict()
        self._cache = ActivationCache()
        # One computes at a time: a picture, or one that is saved.
        self._lock = threading.Lock()

    @property
    def schema(self) -> LabelSchema:
        """The model's classes."""
        return self.model.facts.schema

    def facts(self) -> dict[str, Any]:
        """What the page must know of the model."""
        facts = self.model.facts
        side = facts.generator.fixed_side
        pixels = margin(facts.generator)
        return {
            "name": self.name,
            "schema": self.schema.as_dict(),
            "background": _background(self.schema),
            "tile_size": list(facts.tile_size),
            "fixed_size": side and [side, side],
            "most_pixels": self.most_pixels,
            "stain": self._stains(),
            "margin": pixels,
            "margin_words": f"Re-rolling a part keeps every pixel farther than {pixels} away.",
        }

    def stain(self, painting: Painting) -> Code | None:
        """The code that a painting is made in; None for a model that takes none."""
        seen = self.model.facts.stains
        if self.model.network.stain is None or not len(seen):
            return None
        return painting.stain or seen.draw(key_of(painting.seed, "painting"))

    def _stains(self) -> dict[str, Any] | None:
        """What the page offers to choose a stain by: names, mean, spread, some of those seen."""
        seen = self.model.facts.stains
        if self.model.network.stain is None or not len(seen):
            return None
        step = -(-len(seen) // _MOST_STAINS)
        return {
            "names": [name.replace("_", " ") for name in NAMES],
            "mean": seen.mean.tolist(),
            "spread": seen.spread.tolist(),
            "seen": [seen.code(number) for number in range(0, len(seen), step)],
        }

    def render(self, painting: Painting, on_progress: OnProgress) -> dict[str, Any]:
        """The tissue as base64 PNG with its mark, and the seconds that it took.

        It may be computed in part, see `tissue`.
        """
        began = time.perf_counter()
        tile = self.tissue(painting, on_progress, exact=False)
        made = time.perf_counter()
        png = tile_png_bytes(tile, self.record(painting, _UNSAVED))
        seconds = {"network": made - began, "encoding": time.perf_counter() - made}
        return {"png": base64.b64encode(png).decode(), "seconds": seconds}

    def tile_png(self, painting: Painting) -> bytes:
        """The exact tissue as PNG with its mark."""
        return tile_png_bytes(self.tissue(painting), self.record(painting, _UNSAVED))

    def record(self, painting: Painting, file: str) -> Record:
        """How the tissue of a painting is made; `file` is what it and its label map are called."""
        label = label_png_bytes(painting.labels_HW, self.schema)
        painted = Painted(seeds=painting.rerolls.seeds)
        if painting.rerolls.used:
            sha256 = sha256_of_bytes(areas_png_bytes(painting.rerolls))
            painted = replace(painted, areas=f"../rerolls/{file}", areas_sha256=sha256)
        return Record(
            file=file,
            label=file,
            label_sha256=sha256_of_bytes(label),
            seed=painting.seed,
            variant=1,
            model_sha256=self.model.sha256,
            painted=painted,
            stain=self.stain(painting),
        )

    def tissue(
        self,
        painting: Painting,
        on_progress: OnProgress = lambda share: None,
        *,
        exact: bool = True,
    ) -> np.ndarray:
        """uint8 (H, W, 3); if `exact`, what `synth` makes of the saved painting, byte for byte.

        Otherwise only what differs from the last tissue is computed, where that is less work. The
        rounding of the rest may differ from the exact one.
        """
        with self._lock:
            key = painting.fingerprint
            if key not in self._made or (exact and not self._made[key][1]):
                cache = ActivationCache() if exact else self._cache
                self._made[key] = synthesize_painted(
                    self.model,
                    painting.labels_HW,
                    painting.seed,
                    painting.rerolls,
                    on_progress,
                    cache,
                    self.stain(painting),
                )
            self._made.move_to_end(key)
            while len(self._made) > _KEPT:
                self._made.popitem(last=False)
            return self._made[key][0]


def _background(schema: LabelSchema) -> int:
    """The class that the eraser leaves: the one called so, else the first."""
    names = [item.name.lower() for item in schema.classes]
    return names.index("background") if "background" in names else 0
