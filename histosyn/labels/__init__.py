"""Label schemas and label maps: pixels to class indices and back. Knows no shards, no torch."""
