"""`/events` from outside: by a plain HTTP client that keeps to EventSource's rules, and by curl."""

import json
import shutil
import subprocess
from collections.abc import Iterator

import pytest

from tests.e2e.event_stream import EventStream, Following
from tests.e2e.server import Server, wait_until


@pytest.fixture(scope="module", autouse=True)
def quiet_stream(_steady_server: Server) -> Iterator[EventStream]:
    """Open from the first test on, so that the last need not wait long for a sign of life."""
    with Following(EventStream(_steady_server, "room:e2e-quiet")) as stream:
        yield stream


def test_the_view_comes_first_then_what_happens(server: Server, room: str) -> None:
    server.command(room, "send", {"text": "before"})
    seen = server.request("GET", f"/api/{room.replace(':', '/')}").body
    with Following(EventStream(server, room)) as stream:
        wait_until(lambda: stream.views == 1, "the view")
        server.command(room, "send", {"text": "live"})
        stream.until_offset(3)
    view, message = stream.events
    assert view.id == f"{seen['epoch']}:2"
    assert view.data == {"channel": room, "offset": 2, "data": seen["view"]}
    assert view.data["data"]["messages"][-1]["text"] == "before"
    assert message.id == f"{seen['epoch']}:3"
    assert message.data["channel"] == room and message.data["offset"] == 3
    assert message.data["data"] == {"type": "room.message", "author": "ann", "text": "live"}


def test_last_event_id_resumes_with_each_missed_event_once(server: Server, room: str) -> None:
    server.command(room, "send", {"text": "m0"})
    with Following(EventStream(server, room)) as stream:
        wait_until(lambda: stream.views == 1, "the view")
        server.command(room, "send", {"text": "m1"})
        stream.until_offset(3)
    for number in range(2, 42):
        server.command(room, "send", {"text": f"m{number}"})
    with Following(EventStream(server, room, last_id=stream.last_id)) as resumed:
        resumed.until_offset(43)
        server.command(room, "send", {"text": "live again"})
        resumed.until_offset(44)
    assert resumed.views == 0
    assert resumed.offsets == list(range(4, 45))
    assert [event.data["data"]["text"] for event in resumed.events][:2] == ["m2", "m3"]


@pytest.mark.parametrize(
    "last_id", ["another:1", "nonsense", "-", "a:b:c,d", "🙂".encode().decode("latin-1"), "9" * 5000]
)
def test_a_position_that_cannot_be_resumed_begins_with_the_view(server: Server, room: str, last_id: str) -> None:
    server.command(room, "send", {"text": "before"})
    with Following(EventStream(server, room, last_id=last_id)) as stream:
        wait_until(lambda: bool(stream.events), "the view")
    assert stream.events[0].name == "view" and stream.events[0].data["offset"] == 2


def test_several_channels_share_one_stream_and_one_cursor(server: Server, room: str) -> None:
    rooms = [f"{room}-{letter}" for letter in "abc"]
    with Following(EventStream(server, *rooms)) as stream:
        wait_until(lambda: stream.views == 3, "three views")
        for text in ("one", "two"):
            for one in rooms:
                server.command(one, "send", {"text": text})
        wait_until(lambda: len(stream.offsets) == 9, "all events")  # a join and two messages in each
    missed = rooms[1]
    server.command(missed, "send", {"text": "missed"})
    with Following(EventStream(server, *rooms, last_id=stream.last_id)) as resumed:
        wait_until(lambda: bool(resumed.events), "what was missed")
        server.command(rooms[2], "send", {"text": "live"})
        wait_until(lambda: len(resumed.events) == 2, "what came after")
    assert resumed.views == 0
    assert [(event.data["channel"], event.data["offset"]) for event in resumed.events] == [(missed, 4), (rooms[2], 4)]
    for one in rooms:
        assert [event.data["offset"] for event in stream.events if event.data["channel"] == one] == [0, 1, 2, 3]


def test_ephemeral_events_are_seen_and_move_no_cursor(server: Server, room: str) -> None:
    server.command(room, "join")
    with Following(EventStream(server, room)) as stream:
        wait_until(lambda: stream.views == 1, "the view")
        server.command(room, "typing")
        wait_until(lambda: len(stream.events) == 2, "the typing")
        before = stream.events[0].id
        assert stream.events[1].data == {"channel": room, "data": {"type": "room.typing", "user": "ann"}}
        assert stream.last_id == before


def test_what_may_not_be_watched_is_refused_for_good(server: Server, room: str) -> None:
    server.command(room, "join")
    server.command(room, "set", {"open": False})
    for channels, status, name in (
        ([room], 403, "room.closed"),
        (["room:@ann+bob"], 403, None),
        (["nokind:x"], 404, "unknown_kind"),
        ([], 400, None),
        ([f"room:{number}" for number in range(33)], 400, None),
    ):
        stream = EventStream(server, *channels, user="eve")
        stream.follow()  # returns at once: an EventSource does not come back after an error status
        assert stream.refused is not None and stream.refused[0] == status, (channels, stream.refused)
        assert name is None or stream.refused[1]["error"]["name"] == name, (channels, stream.refused)


def test_after_sigkill_the_stream_resumes_without_a_gap(mortal_server: Server, room: str) -> None:
    server = mortal_server
    server.command(room, "send", {"text": "before"})
    with Following(EventStream(server, room)) as stream:
        wait_until(lambda: stream.views == 1, "the view")
        server.command(room, "send", {"text": "live"})
        stream.until_offset(3)
        server.restart(kill=True)
        server.command(room, "send", {"text": "after"})
        stream.until_offset(4)
    assert stream.connects == 2 and stream.views == 1
    assert stream.offsets == [3, 4]


def test_an_orderly_stop_ends_the_stream_in_good_order(mortal_server: Server, room: str) -> None:
    server = mortal_server
    stream = EventStream(server, room)
    with Following(stream):
        wait_until(lambda: stream.views == 1, "the view")
        server.restart()
        server.command(room, "send", {"text": "after"})
        stream.until_offset(2)
    assert stream.connects == 2 and stream.offsets == [1, 2]


def test_curl_sees_it_too(server: Server, room: str) -> None:
    curl = shutil.which("curl")
    if curl is None:
        pytest.skip("needs curl")
    server.command(room, "send", {"text": "before"})
    command = [curl, "--silent", "--no-buffer", "--noproxy", "*", f"{server.url}/events?channel={room}"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        try:
            lines = iter(process.stdout.readline, b"")
            assert next(lines) == b"event: view\n"
            while next(lines) != b"\n":
                pass
            server.command(room, "send", {"text": "live"})
            identity, data, end = next(lines), next(lines), next(lines)
        finally:
            process.terminate()
    assert identity.startswith(b"id: ") and identity.endswith(b":3\n") and end == b"\n"
    assert json.loads(data.removeprefix(b"data: "))["data"]["text"] == "live"


def test_a_quiet_stream_is_kept_alive_by_comments(quiet_stream: EventStream) -> None:
    wait_until(lambda: quiet_stream.comments > 0, "a comment", within_s=40.0)
    assert quiet_stream.connects == 1
    assert [event.name for event in quiet_stream.events] == ["view"]  # a comment is no event
