"""Can a classifier tell synthetic tiles from real ones, and by what? Knows no network, no files."""
