"""Model folders: writing, loading and locating models. Knows no training, no synthesis."""
