"""Can readers tell synthetic tiles from real ones, and as whom? Knows no networks, no images."""
