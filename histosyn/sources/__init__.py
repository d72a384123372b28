"""Source files: pairing tiles with label maps, and metadata from a table. Knows no shards."""
