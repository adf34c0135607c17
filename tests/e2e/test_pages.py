"""The chat page in Chromium. The scenarios are in tests/js/chat.mjs; each fails on any error in the console."""

import threading
from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e.javascript import JavaScript
from tests.e2e.server import Server


@pytest.mark.parametrize(
    "scenario",
    [
        "two_windows_chat",
        "history_is_there_after_a_reload",
        "typing_is_shown_to_the_other",
        "a_name_is_asked_for_and_kept",
        "a_phone_has_room_for_it",
        "docs_are_readable",
    ],
)
def test_scenario(chromium: JavaScript, mortal_server: Server, room: str, scenario: str) -> None:
    chromium.run(scenario, {"url": mortal_server.url, "room": room})


def test_older_messages_come_by_scrolling_up(chromium: JavaScript, mortal_server: Server, room: str) -> None:
    texts = [f"message {number:03}" for number in range(150)]
    connection = mortal_server.connection()
    for text in texts:
        mortal_server.command(room, "send", {"text": text}, user="bob", connection=connection)
    connection.close()
    given = {"url": mortal_server.url, "room": room, "texts": texts}
    chromium.run("older_messages_come_by_scrolling_up", given)


def test_a_restart_is_shown_and_nothing_is_missed(chromium: JavaScript, mortal_server: Server, room: str) -> None:
    def start_and_send() -> None:
        mortal_server.start()
        mortal_server.command(room, "send", {"text": "meanwhile"}, user="carl")

    asked = {"stop the server": mortal_server.stop, "start the server, and send": start_and_send}
    given = {"url": mortal_server.url, "room": room}
    chromium.run("a_restart_is_shown_and_nothing_is_missed", given, asked)
    sent = [one["data"]["text"] for one in mortal_server.history(room) if one["data"]["type"] == "room.message"]
    assert sorted(sent) == ["after", "before", "meanwhile", "while away"]


@pytest.fixture
def hurried_server() -> Iterator[Server]:
    """It has an entity that can be kept busy, and gives up soon on one that is."""
    server = Server(GREENROOM_ENTITIES="tests.faults.entities", GREENROOM_CLIENT_COMMAND_DEADLINE_S="0.5")
    server.start()
    yield server
    server.remove()


def test_an_event_source_comes_again(chromium: JavaScript, hurried_server: Server) -> None:
    server, channel = hurried_server, "slow:events"
    busy: list[threading.Thread] = []

    def work(name: str, seconds: float) -> Any:
        return server.command(channel, "work", {"name": name, "seconds": seconds})

    def keep_busy() -> None:
        busy.extend(threading.Thread(target=work, args=(f"b{number}", 0.8)) for number in range(3))
        for one in busy:
            one.start()

    def say() -> Any:
        for one in busy:
            one.join()
        return work("said", 0.0)["number"]

    chromium.run(
        "an_event_source_comes_again",
        {"url": server.url, "channel": channel},
        {"keep it busy": keep_busy, "say something": say, "restart the server": server.restart},
    )
