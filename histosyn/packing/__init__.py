"""From folders of tiles and label maps to shards: cut, resampled, split, the same every time."""
