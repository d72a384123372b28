"""Label maps to tiles, and the record of how each was made. Knows no training, no shards."""
