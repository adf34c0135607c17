"""What many read at once."""
