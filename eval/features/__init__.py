"""Tiles to be measured, and features of them by any extractor. Knows no network, no distance."""
