"""Generator and discriminator, and what they are built from."""
