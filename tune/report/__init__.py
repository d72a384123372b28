"""Shows sweeps: leaderboard, page, table on a terminal. Draws what a record says; no Ray."""
