"""The benchmarks, a file for each question."""
