"""One command, one file; each module's `command` is what the table in `cli.main` names."""
