"""The node: one process with everything in it."""
