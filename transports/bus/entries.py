"""The form of an entry: many frames of one node for another, with what makes a link of entries.

A MessagePack array whose first element is the version, a small integer; the others are of that version.
"""

from typing import Final

import msgspec

VERSION: Final = 1

# Flags.
AGAIN: Final = 1  # entries after the acknowledged one were lost: send them again
ANSWER: Final = 2  # acknowledge at once

_ARRAY: Final = 0x9  # the upper half of the first byte: an array of at most 15
FRAME_COST: Final = (
    16  # bytes that a frame counts beside its own: for its length here, and for the object that holds it
)


class BadEntry(Exception):
    """It is none, or was cut."""


class UnknownVersion(BadEntry):
    """It was written by another release."""


class Entry(msgspec.Struct, array_like=True, gc=False):
    """What one node has put into another's inbox."""

    version: int
    node: int  # whose: its incarnation
    beginning: int  # which life of the link: the higher is the later, and both ends soon agree on it
    number: int  # of entries with frames, from 1 in each life and direction; without frames: the last number given
    acknowledged: int  # the number up to which all of the other direction has arrived
    flags: int
    frames: list[bytes]


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Entry)


def encode(entry: Entry) -> bytes:
    return _encoder.encode(entry)


def decode(raw: bytes) -> Entry:
    """Raises: UnknownVersion, BadEntry."""
    if len(raw) < 2 or raw[0] >> 4 != _ARRAY:
        raise BadEntry(f"{len(raw)} bytes that are no entry")
    if raw[1] != VERSION:
        raise UnknownVersion(f"version {raw[1]}, where this node knows {VERSION}")
    try:
        return _decoder.decode(raw)
    except msgspec.MsgspecError as error:
        raise BadEntry(str(error)) from error
