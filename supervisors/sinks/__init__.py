"""Sinks, delivered to: what is recorded is handed on, at least once, in the order of its entity."""
