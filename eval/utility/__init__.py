"""Downstream utility: what a segmenter learns from synthetic tiles, tested on real patients."""
