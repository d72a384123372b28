"""Distances between features of real and synthetic tiles. Knows no network that made them."""
