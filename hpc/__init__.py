"""Floor 1: clusters and process groups. Knows nothing of images."""
