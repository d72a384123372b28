"""Networks that others trained, from installed packages. Knows no losses, no metrics."""
