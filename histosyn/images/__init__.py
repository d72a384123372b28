"""Reading image files: formats, sizes, resolution, orientation. Knows no classes."""
