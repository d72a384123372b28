"""One module a command, loaded by the table of `launch.cli`. Nothing else imports them."""
