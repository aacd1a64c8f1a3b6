"""harness: one dependency graph over local processes, containers, SSH hosts and things that already run."""

__version__ = "0.1.0"
API_VERSION = (1, 0)
