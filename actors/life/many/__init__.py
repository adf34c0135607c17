"""What many messages do at once."""
