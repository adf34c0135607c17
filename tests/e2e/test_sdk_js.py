"""The official JavaScript SDK, unmodified, against a server that runs. The scenarios are in tests/js/sdk.mjs."""

import re
import time
from pathlib import Path

import pytest

from tests.e2e.javascript import JavaScript
from tests.e2e.server import Server

SCRIPT = Path(__file__).parents[1] / "js" / "sdk.mjs"
SCENARIOS = re.findall(r"^  async (\w+)\(", SCRIPT.read_text(), re.MULTILINE)
# Those of the tests below.
ON_THEIR_OWN = {
    "recovers_after_a_restart",
    "is_subscribed_to_its_session",
    "comes_back_with_all_it_watched",
    "watches_many_with_tokens_in_one_message",
    "refreshes_a_subscription_token",
    "gives_up_a_subscription_without_a_token",
}


@pytest.mark.parametrize("scenario", [name for name in SCENARIOS if name not in ON_THEIR_OWN])
def test_scenario(sdk_js: JavaScript, server: Server, room: str, scenario: str) -> None:
    now = int(time.time())
    given = {
        "url": server.websocket_url,
        "room": room,
        "token": server.token("tom"),
        "expired": server.token("tom", exp=now - 60),
        "soon": server.token("tom", exp=now + 2),
    }
    sdk_js.run(scenario, given)


def test_a_user_is_subscribed_to_the_session(sdk_js: JavaScript, server: Server) -> None:
    token = server.token("jsuser")
    given = {"url": server.websocket_url, "token": token}
    assert sdk_js.run("is_subscribed_to_its_session", given) == "session:jsuser"


def test_a_client_with_many_subscriptions_comes_back_with_all_of_them(sdk_js: JavaScript, server: Server) -> None:
    """It sends the connect and each subscribe, with its token, in one message."""
    channels = [f"room:many-{number}" for number in range(100)]
    tokens = {channel: server.token("tom", channel=channel, info="x" * 350) for channel in channels}
    assert sum(map(len, tokens.values())) > 65_536
    given = {"url": server.websocket_url, "token": server.token("tom"), "tokens": tokens}
    assert sdk_js.run("comes_back_with_all_it_watched", given) == 100


def test_many_subscribes_and_unsubscribes_in_one_message_each(sdk_js: JavaScript, server: Server) -> None:
    channels = [f"room:batch-{number}" for number in range(50)]
    tokens = {channel: server.token("tom", channel=channel) for channel in channels}
    given = {"url": server.websocket_url, "token": server.token("tom"), "tokens": tokens}
    assert sdk_js.run("watches_many_with_tokens_in_one_message", given) == 50


@pytest.mark.parametrize(
    ("scenario", "lasting"),
    [("refreshes_a_subscription_token", (2, 3600)), ("gives_up_a_subscription_without_a_token", (-60,))],
)
def test_a_subscription_token_that_ends(
    sdk_js: JavaScript, server: Server, room: str, scenario: str, lasting: tuple[int, ...]
) -> None:
    now = int(time.time())
    tokens = [server.token("tom", channel=room, exp=now + lasts) for lasts in lasting]
    sdk_js.run(scenario, {"url": server.websocket_url, "token": server.token("tom"), "tokens": tokens, "channel": room})


@pytest.mark.parametrize("kill", [False, True], ids=["SIGTERM", "SIGKILL"])
def test_after_a_restart_clients_come_back_and_recover_exactly(
    sdk_js: JavaScript, mortal_server: Server, room: str, kill: bool
) -> None:
    def restart_and_send() -> None:
        mortal_server.restart(kill=kill)
        mortal_server.command(room, "send", {"text": "meanwhile"})

    given = {"url": mortal_server.websocket_url, "room": room}
    code = sdk_js.run("recovers_after_a_restart", given, {"restart the server, and send": restart_and_send})
    assert code == (1 if kill else 3001)  # transport closed; shutting down
