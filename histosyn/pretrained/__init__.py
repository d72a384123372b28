"""Pretrained networks whose weights are in pip packages. Knows no losses, no metrics."""
