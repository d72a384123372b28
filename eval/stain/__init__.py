"""Hematoxylin and eosin as optical density: how real and synthetic differ. Knows no generator."""
