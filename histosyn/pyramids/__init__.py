"""Pyramidal TIFF of any size, written from finished pieces. Knows no classes and no networks."""
