"""Floor 3: metrics and statistics. Each number says how it was made. Knows no Ray, no commands."""
