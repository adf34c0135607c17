"""Background duties of a node, one a file."""
