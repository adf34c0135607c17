"""Chunks: jobs that are worked on by one call."""
