"""Benchmarks: harness and the tools that people use today, side by side on one machine. See README.md."""
