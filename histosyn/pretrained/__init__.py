"""Networks that others trained, from installed packages. Knows no tissue, losses or metrics."""
