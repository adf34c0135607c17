"""Sharding: which shard an entity hashes onto, the same in every release."""

from hashlib import sha256

SHARDS = 4096  # unless a setting says otherwise


def shard_of(entity: str, shards: int) -> int:
    """0 .. shards-1, of at most 65,536."""
    return int.from_bytes(sha256(entity.encode()).digest()[:2], "big") % shards
