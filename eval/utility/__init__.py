"""What a segmenter learns from synthetic tiles, tested on real patients. Knows no generator."""
