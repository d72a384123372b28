"""Stain as numbers: statistics of optical density in a tile. Knows no files, no networks."""
