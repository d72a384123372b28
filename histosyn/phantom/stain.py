"""Optics of procedural tissue: hematoxylin and eosin in transmitted light, seen by a camera.

Stains absorb by the Beer-Lambert law: transmitted = incident x 10^-(sum of concentration x vector).
Slides differ in hue between two published pairs of stain vectors: Ruifrok & Johnston,
"Quantification of histochemical staining by color deconvolution", Anal. Quant. Cytol. Histol. 23
(2001) 291-299, and Macenko et al., "A method for normalizing histology slides for quantitative
analysis", ISBI 2009, 1107-1110 (the reference vectors of its authors' implementation).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter

from histosyn.phantom.fields import smooth_noise
from histosyn.phantom.tissue import Tissue
from histosyn.stain.vectors import EOSIN, HEMATOXYLIN

# Unit optical densities in R, G, B of hematoxylin and of eosin.
RUIFROK = np.array([HEMATOXYLIN, EOSIN])
MACENKO = np.array([[0.563, 0.720, 0.406], [0.216, 0.801, 0.558]])


@dataclass(frozen=True, kw_only=True)
class Stain:
    """How one laboratory stained and one scanner saw a slide.

    `vectors` (2, 3) are optical densities of hematoxylin and eosin in R, G, B; `strengths` (2,)
    scale their concentrations; `light` (3,) is the value of empty glass in [0, 255]; `blur` is the
    standard deviation of the optics in pixels, `noise` that of the camera in units of 1/255.
    """

    vectors: np.ndarray
    strengths: np.ndarray
    light: np.ndarray
    blur: float
    noise: float

    def varied(self, rng: np.random.Generator) -> Stain:
        """The same slide at another place: slightly thicker or thinner, brighter or darker."""
        return Stain(
            vectors=self.vectors,
            strengths=self.strengths * rng.lognormal(0, 0.06, 2),
            light=np.clip(self.light + rng.normal(0, 1.5), 0, 255),
            blur=self.blur,
            noise=self.noise,
        )


def draw_stain(rng: np.random.Generator) -> Stain:
    """A slide's stain: strengths vary by about a fifth, hues a little."""
    vectors = RUIFROK + rng.uniform(0.1, 0.5) * (MACENKO - RUIFROK)
    return Stain(
        vectors=vectors,
        strengths=rng.lognormal(0, 0.18, 2),
        light=np.array([250.0, 246.0, 248.0]) + rng.normal(0, 2.0, 3),
        blur=rng.uniform(0.35, 0.6),
        noise=rng.uniform(1.0, 2.5),
    )


def develop(rng: np.random.Generator, tissue: Tissue, stain: Stain) -> np.ndarray:
    """Stain the tissue and photograph it: uint8 RGB (size, size, 3)."""
    density_2HW = _uptake(rng, tissue) * stain.strengths[:, None, None]
    density_HWC = np.einsum("shw,sc->hwc", density_2HW, stain.vectors)
    light = stain.light * 10.0**-density_HWC
    seen = gaussian_filter(light, sigma=(stain.blur, stain.blur, 0))
    seen += rng.normal(0, stain.noise, seen.shape)
    return np.clip(np.rint(seen), 0, 255).astype(np.uint8)


def _uptake(rng: np.random.Generator, tissue: Tissue) -> np.ndarray:
    """Concentrations of hematoxylin and eosin, (2, size, size)."""
    size = len(tissue.labels)
    grain = smooth_noise(rng, size, 1.3)
    cloud = 0.7 * smooth_noise(rng, size, 40) + 0.5 * smooth_noise(rng, size, 12)

    uptake = _mixed(
        _stroma(tissue, cloud, grain), _epithelium(rng, tissue, grain), tissue.epithelium
    )
    uptake = _mixed(uptake, np.stack([0.03 + 0 * grain, 0.42 + 0.05 * grain]), tissue.blood)
    uptake = _mixed(uptake, _nothing(rng, size), tissue.white)
    chromatin = tissue.chromatin * (1.0 + 0.2 * grain)
    nuclei = np.stack([0.42 * chromatin, 0.24 + 0.05 * chromatin])
    return np.clip(_mixed(uptake, nuclei, tissue.nuclei), 0.0, None)


def _stroma(tissue: Tissue, cloud: np.ndarray, grain: np.ndarray) -> np.ndarray:
    """Pink fibres with paler ground substance between them."""
    fibre = 1.0 / (1.0 + np.exp(-1.8 * tissue.fibres))
    eosin = (0.09 + 0.23 * fibre) * (1.0 + 0.12 * cloud) + 0.012 * grain
    hematoxylin = 0.05 + 0.015 * cloud + 0.03 * fibre + 0.012 * grain
    return np.stack([hematoxylin, eosin])


def _epithelium(rng: np.random.Generator, tissue: Tissue, grain: np.ndarray) -> np.ndarray:
    """Cytoplasm: bluer at the base, paler and pinker towards the lumen; cells side by side."""
    size = len(tissue.labels)
    height = np.maximum(tissue.glands.height, 1.0)
    apical = np.clip(tissue.glands.depth / height, 0.0, 1.0)
    cells = np.interp(
        tissue.glands.arc % 512.0, np.arange(512) * 1.0, rng.standard_normal(512)
    ) * np.clip(tissue.glands.depth / 6.0, 0, 1)
    membrane = np.exp(-(tissue.glands.depth**2) / 2.0)
    rim = np.exp(-((tissue.glands.depth - height) ** 2) / 8.0)
    mottle = 0.6 * smooth_noise(rng, size, 3) + grain
    eosin = 0.20 - 0.03 * apical + 0.10 * membrane + 0.05 * rim + 0.018 * cells + 0.02 * mottle
    hematoxylin = 0.15 - 0.08 * apical + 0.012 * cells + 0.015 * mottle
    pale = np.stack([0.035 + 0.01 * mottle, 0.035 + 0.012 * mottle])
    return _mixed(np.stack([hematoxylin, eosin]), pale, 0.9 * tissue.mucin)


def _nothing(rng: np.random.Generator, size: int) -> np.ndarray:
    """Lumen and glass: almost clear, with a trace of secretion."""
    wisp = np.clip(smooth_noise(rng, size, 7) + 0.5 * smooth_noise(rng, size, 2) - 1.0, 0, None)
    return np.stack([0.004 + 0.004 * wisp, 0.006 + 0.018 * wisp])


def _mixed(under: np.ndarray, over: np.ndarray, cover: np.ndarray) -> np.ndarray:
    return under + (over - under) * cover
