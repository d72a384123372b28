"""From folders of tiles and label maps to shards, the same every time. Knows no networks."""
