"""Testing one entity without a server."""
