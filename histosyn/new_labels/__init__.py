"""New label maps out of those there are: warped, joined, their objects moved. Knows no networks."""
