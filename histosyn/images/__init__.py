"""Image files, read through one door: formats, sizes, resolution. Knows no classes."""
