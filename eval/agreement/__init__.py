"""How well readers agree, on real and synthetic images. Knows no networks."""
