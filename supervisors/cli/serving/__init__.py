"""What `serve` does: a node on its ground; with `--reload` a parent that keeps port and data, and children."""
