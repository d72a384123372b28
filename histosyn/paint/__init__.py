"""A local web page: paint a label map, see the tissue. Knows no training, no shards."""
