"""Logs, metrics and traces: what is counted, what is written, and how it gets out."""
