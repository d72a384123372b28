"""Files that belong together: tile, label map, what a table says of them. Knows no shards."""
