"""Tiles and label maps in tars: index, safe reading, exact streaming. Knows no networks."""
