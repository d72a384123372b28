"""A segmenter of our own: a small U-Net that reads which tissue is where in a tile."""
