"""Testing jobs without a server."""
