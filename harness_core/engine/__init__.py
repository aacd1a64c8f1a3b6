"""The engine: carries out plans, and owns one supervisor a service."""
