"""Blinded reader studies: their files, made and read back. Knows no networks, no training."""
