"""Benchmarks: one question per file, load generators in processes of their own. See docs/run/benchmarks.md."""
