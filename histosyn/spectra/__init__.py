"""Energy by frequency in tiles: the radial spectrum, and the weave. Knows no files, no networks."""
