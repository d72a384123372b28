"""Pyramidal TIFF of any size, written from finished pieces. Knows no labels and no networks."""
