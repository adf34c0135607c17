"""The book of schedules: which there are, and which of them the code declares."""
