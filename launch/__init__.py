"""Floor 5: how everything is started. Command line, job scripts, demo. Nothing below knows it."""
