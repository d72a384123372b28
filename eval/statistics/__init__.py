"""Numbers with their intervals, tests and how they were made. Knows no tiles and no ratings."""
