"""Layers that need nothing but a POSIX machine: `local`, `env`, `sudo`."""
