"""Media: files that users upload, and what jobs make of them."""
