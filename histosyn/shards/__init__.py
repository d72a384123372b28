"""Label maps and tiles in WebDataset tars: writing, indexing, exact streaming."""
