"""Bytes by name, in a folder or a bucket: what is too long for a row."""
