"""Is the tissue of a tile where its label map says? Knows no training, no distances."""
