"""The chat page's conversations and search, in Chromium.

The scenarios are in tests/js/chat.mjs; each fails on any error in the console.
"""

from collections.abc import Iterator

import pytest

from tests.e2e.conftest import CHAT_VIEWS
from tests.e2e.javascript import JavaScript
from tests.e2e.server import Server

PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="


@pytest.fixture(scope="module")
def social_server() -> Iterator[Server]:
    """With people."""
    server = Server(GREENROOM_ENTITIES="greenroom.social", GREENROOM_BUILT_IN_VIEWS=CHAT_VIEWS)
    server.start()
    yield server
    print(server.log()[-20_000:])
    server.remove()


@pytest.mark.parametrize(
    "scenario", ["conversations_are_counted_live", "rooms_and_messages_are_found", "a_phone_in_the_dark_finds_rooms"]
)
def test_scenario(chromium: JavaScript, mortal_server: Server, room: str, scenario: str) -> None:
    chromium.run(scenario, {"url": mortal_server.url, "room": room})


def test_a_direct_message_comes_by_itself(chromium: JavaScript, mortal_server: Server, room: str) -> None:
    users = ["direct-ann", "direct-bob"]
    chromium.run("a_direct_message_comes_by_itself", {"url": mortal_server.url, "room": room, "users": users})


def test_a_message_that_was_found_is_shown(chromium: JavaScript, mortal_server: Server, room: str) -> None:
    texts = ["about a capybara", *(f"message {number:03}" for number in range(120))]
    connection = mortal_server.connection()
    for text in texts:
        mortal_server.command(room, "send", {"text": text}, user="ann", connection=connection)
    connection.close()
    given = {"url": mortal_server.url, "room": room, "text": "capybara"}
    chromium.run("a_message_that_was_found_is_shown", given)


def test_people_are_called_by_their_names(chromium: JavaScript, social_server: Server, room: str) -> None:
    users = ["pat", "quinn"]
    social_server.command("profile:quinn", "set", {"name": "Rosa Núñez"}, user="quinn")
    social_server.command(room, "send", {"text": "from the other"}, user="quinn")
    given = {"url": social_server.url, "room": room, "users": users, "name": "Rosa Núñez", "picture": PIXEL}
    chromium.run("people_are_called_by_their_names", given)


def test_who_blocks_somebody_is_not_written_to(chromium: JavaScript, social_server: Server) -> None:
    social_server.command("follows:tom", "block", {"user": "sam"}, user="tom")
    chromium.run("who_blocks_somebody_is_not_written_to", {"url": social_server.url, "users": ["sam", "tom"]})
