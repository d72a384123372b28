"""What files leave in tiles: compression, sharpness, borders, glass. Knows no network."""
