"""Configurations of a training: their fields, files and presets. Knows no torch."""
