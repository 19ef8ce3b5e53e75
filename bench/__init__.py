"""Measures the service, and asserts nothing: `make bench` (README.md here says how to read it)."""
