"""Label maps and tiles in WebDataset tars: their index, reading them safely, exact streaming."""
