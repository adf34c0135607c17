"""Text that clients chose, for a terminal."""


def printable(text: str) -> str:
    """Nothing that a terminal would obey."""
    return "".join(one if one.isprintable() or one in "\n\t" else f"\\x{ord(one):02x}" for one in text)
