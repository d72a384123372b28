"""Tables that people bring, read by one set of rules. Knows no images, no statistics."""
