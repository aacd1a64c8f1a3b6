"""The sqlite registry backend of harness."""

__version__ = "0.1.0"
