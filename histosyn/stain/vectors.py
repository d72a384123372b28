"""Which colour each stain absorbs, and the concentrations that follow from it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

# Unit optical densities in red, green and blue of hematoxylin and of eosin: Ruifrok & Johnston,
# "Quantification of histochemical staining by color deconvolution", Anal. Quant. Cytol. Histol. 23
# (2001) 291-299.
HEMATOXYLIN = (0.650, 0.704, 0.286)
EOSIN = (0.072, 0.990, 0.105)


def unmixing() -> NDArray[np.float64]:
    """(3, 3): densities in R, G, B as a row, times this, are those of H, E and the residual.

    The residual is what neither stain explains: the density along the vector at right angles to
    both, of length 1.
    """
    residual = np.cross(HEMATOXYLIN, EOSIN)
    found: NDArray[np.float64] = np.linalg.inv(
        np.array([HEMATOXYLIN, EOSIN, residual / np.linalg.norm(residual)])
    )
    return found
