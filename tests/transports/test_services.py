"""What the transports share."""

import uuid

from greenroom.transports.services import new_client_id
from tests.transports.world import World


def test_client_ids_are_random_uuids_of_which_none_comes_twice() -> None:
    ids = [new_client_id() for _ in range(1000)]
    assert len(set(ids)) == 1000
    assert {(uuid.UUID(one).variant, uuid.UUID(one).version) for one in ids} == {(uuid.RFC_4122, 4)}
    assert all(one == str(uuid.UUID(one)) for one in ids)


async def test_every_transport_sees_the_same_hub_and_the_same_reads() -> None:
    made = World(with_sessions=True)
    services = made.services
    client = made.client()
    client.connect("ann")
    client.ask({"subscribe": {"channel": "note:a"}, "id": 2})
    assert services.hub is made.hub
    assert [who.user for who in services.hub.watching("note:a")] == ["ann"]
    made.overloaded = True
    heard: list[str] = []
    started = services.reads.start(_never, lambda error: heard.append(error.name), lambda _: None)
    assert (started, heard) == (False, ["overloaded"])


async def test_where_no_sessions_are_installed_nobody_signs_out_and_every_token_counts() -> None:
    passed: list[str] = []
    for with_sessions in (False, True):
        made = World(with_sessions=with_sessions)
        assert made.services.session_kind == ("session" if with_sessions else None)
        client = made.client()
        client.connect("ann")
        made.services.sessions.check(client.session.principal, 1e9, lambda: passed.append("now"), lambda error: None)
        assert len(made.waiting) == int(with_sessions), "a session is asked"
        made.answer_all()
    assert passed == ["now", "now"]


async def _never() -> None:
    raise AssertionError("no read may begin")
