"""Annotations: polygons that name tissue, from GeoJSON to class indices. Knows no images."""
