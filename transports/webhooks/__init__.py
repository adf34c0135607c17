"""Webhooks: what is handed to other people's servers by HTTP, signed."""
