"""Flows: jobs of a queue that wait for others, of any queue."""
