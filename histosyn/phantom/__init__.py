"""Procedural tissue: H&E tiles and the label maps that they match, made from nothing but a seed.

It is the data of the demo and of the tests. `tissue_kinds` says how kinds of tissue grow, `glands`,
`nuclei` and `tissue` draw what is where, `stain` how it looks, `data_set` writes folders.
"""

from histosyn.phantom.data_set import (
    MPP,
    SCHEMA,
    TILES_PER_PATIENT,
    render_phantom,
    write_phantom,
)

__all__ = ["MPP", "SCHEMA", "TILES_PER_PATIENT", "render_phantom", "write_phantom"]
