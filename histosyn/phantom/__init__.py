"""Procedural tissue: tiles and their label maps, made from a seed alone. Knows no networks.

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
