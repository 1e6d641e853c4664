"""Benchmarks that anyone can repeat: ``uv run --group benchmarks python -m benchmarks``."""
