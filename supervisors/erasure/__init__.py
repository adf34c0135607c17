"""Forgetting a user: whose fields say what is theirs, entity by entity."""
