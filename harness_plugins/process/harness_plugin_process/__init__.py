"""Executors for this machine: `process` starts and owns, `process-attach` watches what already runs."""
