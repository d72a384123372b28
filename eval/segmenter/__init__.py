"""A segmenter of our own: a U-Net that reads what is where in a tile. Knows no statistics."""
