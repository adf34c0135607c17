"""What a room's texts come to in rows: what Postgres can keep of them, and their beginnings."""

PREVIEW_CHARS = 160


def kept(text: str) -> str:
    """Without the NUL that Postgres has no place for; no font has one for it either."""
    return text.replace("\0", "")


def preview(text: str) -> str:
    """Its beginning, for a list."""
    return kept(text)[:PREVIEW_CHARS]
