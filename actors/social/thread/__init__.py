"""What is said below a post: `thread:ID`."""
