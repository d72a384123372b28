"""Floor 2: tissue. Label schema, shards, networks, losses, training, synthesis."""
