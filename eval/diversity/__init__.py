"""Is synthetic tissue as varied as real tissue, and one slide in itself? Knows no network."""
