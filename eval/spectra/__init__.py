"""Energy by frequency, synthetic over real: the radial spectrum, the weave. Knows no distances."""
