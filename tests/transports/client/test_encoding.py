import json

from greenroom.store.journal.records import StoredEvent
from greenroom.transports.client.encoding import FRAME_BYTES_MAX, JsonEncoding
from greenroom.transports.hub.publication import Publication
from tests.transports.world import World, texts_of


def batch(*sizes: int) -> list[Publication]:
    return [Publication(StoredEvent(at + 1, 0, b'"%b"' % (b"x" * size)), "e") for at, size in enumerate(sizes)]


def test_a_batch_is_one_text_frame_with_a_line_for_each() -> None:
    (text,) = texts_of(JsonEncoding.publications("note:a", "e", batch(1, 2, 3)))
    pushes = [json.loads(line)["push"] for line in text.split(b"\n")]
    assert [(one["channel"], one["pub"]["offset"], one["pub"]["data"]) for one in pushes] == [
        ("note:a", 1, "x"),
        ("note:a", 2, "xx"),
        ("note:a", 3, "xxx"),
    ]


def test_what_is_too_long_for_one_frame_takes_several_and_keeps_its_order() -> None:
    sizes = [FRAME_BYTES_MAX // 3] * 7 + [FRAME_BYTES_MAX * 2] + [1, 1]
    texts = texts_of(JsonEncoding.publications("note:a", "e", batch(*sizes)))
    lines = [json.loads(line) for text in texts for line in text.split(b"\n")]
    assert [one["push"]["pub"]["offset"] for one in lines] == list(range(1, 11))
    assert all(len(text) <= FRAME_BYTES_MAX or b"\n" not in text for text in texts)
    assert len(texts) > 3


def test_ephemeral_publications_have_neither_offset_nor_epoch() -> None:
    (text,) = texts_of(JsonEncoding.ephemeral("note:a", b'{"type":"typing"}'))
    assert json.loads(text) == {"push": {"channel": "note:a", "pub": {"data": {"type": "typing"}}}}


def test_joins_and_leaves() -> None:
    for kind in ("join", "leave"):
        (text,) = texts_of(JsonEncoding.presence("note:a", kind, b'{"user":"ann","client":"c"}'))
        assert json.loads(text) == {"push": {"channel": "note:a", kind: {"info": {"user": "ann", "client": "c"}}}}


async def test_a_kick_below_3000_ends_the_subscription_and_above_the_connection() -> None:
    made = World()
    client = made.client()
    client.connect()
    client.ask({"subscribe": {"channel": "note:a"}, "id": 2})
    subscription = client.session.by_channel["note:a"]
    assert (subscription.channel, subscription.principal) == ("note:a", client.session.principal)
    subscription.kicked(2000, "out")
    assert client.ended is None
    subscription.kicked(2000, "out")
    assert len(client.carrier.take()) == 1, "once is enough"
    subscription.kicked(3000, "gone")
    assert client.ended == (3000, "gone")
