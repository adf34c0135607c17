"""Sinks, views without a table: what their classes say. No I/O here; that is in what they deliver to."""
