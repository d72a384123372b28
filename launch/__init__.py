"""Floor 5: how everything is started. The command line, job scripts, the demo."""
