"""Sharding: which shard an entity hashes onto, the same in every release, here and in SQL."""

from collections.abc import Collection
from functools import lru_cache
from hashlib import sha256

SHARDS = 4096  # unless a setting says otherwise


@lru_cache(maxsize=65_536)  # some MB: a message to another node asks several times for the same entity's
def shard_of(entity: str, shards: int) -> int:
    """0 .. shards-1, of at most 65,536."""
    return int.from_bytes(sha256(entity.encode()).digest()[:2], "big") % shards


def shard_sql(entity: str, shards: str) -> str:
    """The same as an expression in SQL, of two others. A single one, so that it costs no function call a row."""
    return f"(('x' || encode(substring(sha256(convert_to({entity}, 'UTF8')) FOR 2), 'hex'))::bit(16)::int % {shards})"


def mask_of(owned: Collection[int], shards: int) -> bytes:
    """A bit for each of so many shards, set where it is among `owned`, as `get_bit` numbers them. A statement that gets
    these takes one step a row, where an array would be searched, and 512 bytes instead of thousands of numbers."""
    mask = bytearray((shards + 7) // 8)
    for shard in owned:
        mask[shard >> 3] |= 1 << (shard & 7)
    return bytes(mask)
