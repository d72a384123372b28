"""Whole-slide images and the annotations that belong to them. Knows no shards."""
