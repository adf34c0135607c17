"""What a topic has said, in pieces for each encoding: in order, and from where a subscriber came in."""

from greenroom.store.journal.records import StoredEvent
from greenroom.transports.hub.publication import Publication
from greenroom.transports.hub.said import Ephemeral, Piece, Said


class Plain:
    """Offsets and texts as they are."""

    @staticmethod
    def publications(channel: str, epoch: str, batch: list[Publication]) -> bytes:
        return b"%a" % [one.offset for one in batch if one.json]

    @staticmethod
    def ephemeral(channel: str, data: bytes) -> bytes:
        return data

    @staticmethod
    def presence(channel: str, kind: str, info: bytes) -> bytes:
        return kind.encode() + b" " + info


def said(offsets: list[int], *ephemerals: Ephemeral) -> Said:
    return Said("a:b", "e", [Publication(StoredEvent(one, 0, b"{}"), "e") for one in offsets], list(ephemerals))


MIXED = said(
    [5, 6, 7],
    Ephemeral(0, 1, "k", b"first"),
    Ephemeral(2, 2, "x", b"ann", presence="join"),
    Ephemeral(2, 3, "k", b"second"),
)


def texts(pieces: list[Piece]) -> list[bytes]:
    return [one.data for one in pieces]


def test_what_is_ephemeral_keeps_its_place_among_publications() -> None:
    pieces = MIXED.pieces(Plain, presences=True)
    assert texts(pieces) == [b"first", b"[5, 6]", b"join ann", b"second", b"[7]"]
    assert [one.last for one in pieces] == [0, 6, 0, 0, 7]
    assert [one.ring_key for one in pieces] == ["a:b\nk", None, "a:b\rjoin x", "a:b\nk", None]


def test_joins_are_for_those_who_want_them() -> None:
    assert texts(MIXED.pieces(Plain, presences=False)) == [b"first", b"[5, 6]", b"second", b"[7]"]
    assert MIXED.presences and not MIXED.only_presences
    assert said([], MIXED.ephemerals[1]).only_presences
    assert not said([], MIXED.ephemerals[0]).only_presences


def test_who_came_amid_it_gets_what_came_after() -> None:
    assert texts(MIXED.pieces(Plain, presences=True, offset=5, number=1)) == [b"[6]", b"join ann", b"second", b"[7]"]
    assert texts(MIXED.pieces(Plain, presences=True, offset=7, number=3)) == []
