"""Ends of patterns, for fields of messages."""

# `$` would let a newline stand at the end; and what OpenAPI shows is no Python, so no `\Z` either.
END = r"(?![\s\S])"
