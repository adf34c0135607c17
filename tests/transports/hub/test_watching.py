"""Asking entities for leave to watch them."""

import pytest

from tests.transports.world import World

A = "note:a"


async def test_a_mistake_of_ours_in_a_watch_ends_that_client_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    made = World()
    client = made.client()
    client.connect()
    client.send({"subscribe": {"channel": A}, "id": 2}, {"subscribe": {"channel": "note:b"}, "id": 3})
    monkeypatch.setattr(made.hub, "attach", lambda topic, subscriber: 1 / 0)
    made.answer_all()
    assert client.ended == (3004, "internal server error")
