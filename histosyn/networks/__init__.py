"""Generator and discriminator, and what they are built from. Knows no files, no losses."""
