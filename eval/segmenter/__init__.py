"""A segmenter of our own: a U-Net that predicts the class of each pixel. Knows no statistics."""
