"""Reading users' CSV tables by one set of rules. Knows no images, no statistics."""
