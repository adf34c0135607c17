"""Names that clients choose, as the database keeps them: bytes, since one bad character would fail a whole batch."""

from hashlib import sha256


def encode_name(name: str) -> bytes:
    return name.encode("utf-8", "surrogatepass")  # what a client may send in JSON, we can store


def decode_name(name: bytes) -> str:
    return name.decode("utf-8", "surrogatepass")


def digest_of(name: str) -> bytes:
    """What is kept of the name of what was erased."""
    return sha256(encode_name(name)).digest()
