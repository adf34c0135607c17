"""The chat domain: rooms and direct conversations."""
