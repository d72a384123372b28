"""Words of the command line: help in groups, the right word for a wrong one. Knows no torch."""
