import json

import pytest

from bench.load.publications import Publication, Reply, of, publication, reply


def push(pub: dict[str, object]) -> bytes:
    return json.dumps({"push": {"channel": "room:a", "pub": pub}}, separators=(",", ":")).encode()


def test_the_usual_shape_is_read_without_decoding(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json, "loads", None)
    line = push({"data": {"type": "room.message", "text": "~3.14.159~..."}, "info": {"user": "u"}, "offset": 42})
    assert publication(line) == Publication(42, b"3.14.159")
    line = push({"data": {"text": "~3.14.159~..."}, "offset": 1, "epoch": "ab", "time": 1795249244206})
    assert publication(line) == Publication(1, b"3.14.159")
    assert reply(b'{"id":7,"rpc":{"data":{"offset":9,"at_ms":1795249244206}}}') == Reply(7, 9, "")
    assert reply(b'{"id":8,"publish":{}}') == Reply(8, 0, "")  # a peer's


@pytest.mark.parametrize(
    ("pub", "expected"),
    [
        ({"offset": 7, "data": {"text": "~1.2.3~"}}, Publication(7, b"1.2.3")),  # other order
        ({"data": {"type": "room.joined"}, "offset": 8}, Publication(8, b"")),  # no mark
        ({"data": {"type": "room.typing"}}, Publication(0, b"")),  # ephemeral
        ({"data": {"type": "room.read", "offset": 5}, "offset": 9}, Publication(9, b"")),  # an offset inside
        ({"offset": 6, "data": {"offset": 5}}, Publication(6, b"")),
        ({"data": "text", "offset": 10}, Publication(10, b"")),
        ({"data": {"offset": 5, "x": 1}}, Publication(0, b"")),  # only an offset inside
        ({"data": {"offset": 5, "x": 1}, "offset": 11, "time": 1}, Publication(11, b"")),
    ],
)
def test_every_shape_is_read_right(pub: dict[str, object], expected: Publication) -> None:
    assert publication(push(pub)) == expected
    assert of(pub) == expected


def test_joins_are_no_publications() -> None:
    assert publication(b'{"push":{"channel":"room:a","join":{"info":{"user":"u"}}}}') is None


def test_replies() -> None:
    assert reply(b'{"id":3,"rpc":{"data":{"offset":12}}}') == Reply(3, 12, "")
    assert reply(b'{"id":3,"rpc":{}}') == Reply(3, 0, "")
    assert reply(b'{"id":4,"error":{"code":111,"message":"overloaded","temporary":true}}') == Reply(
        4, 0, "111 overloaded"
    )


@pytest.mark.parametrize("line", [b"{}", b'{"push":{}}', b"nonsense", b"[1]"])
def test_what_is_no_reply_is_refused(line: bytes) -> None:
    with pytest.raises(ValueError):
        reply(line)
