"""One module a command, loaded when the command is used; see `launch.cli` for the table."""
