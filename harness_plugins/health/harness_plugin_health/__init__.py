"""Health checks for harness: command, http, tcp, log."""
