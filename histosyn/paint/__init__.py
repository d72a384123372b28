"""A local web page: paint a label map, see the tissue."""
