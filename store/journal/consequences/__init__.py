"""Consequences: what is committed with the events that caused it, a small class each."""
