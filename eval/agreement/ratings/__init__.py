"""Tables of ratings, read into category codes. Knows no coefficient, but their missing code."""
