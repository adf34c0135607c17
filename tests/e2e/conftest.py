"""Two servers for all end-to-end tests: one that nobody kills, and one that is there to be killed."""

import itertools
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.javascript import JavaScript
from tests.e2e.server import Server

room_numbers = itertools.count(1)
CHAT_VIEWS = "conversations,messages,rooms"  # what the chat page has its sidebar and its search from
JS = Path(__file__).parents[1] / "js"
# The first that is there is taken (tests/js/browser.mjs): the same without what a person needs of a browser, for less
# than half of the time of a core.
CHROMIUM = ("/usr/bin/chromium-headless-shell", "/usr/bin/chromium")


@pytest.fixture(scope="session")
def _steady_server() -> Iterator[Server]:
    # Pings so frequent that a test can wait for three of them.
    server = Server(
        GREENROOM_CLIENT_PING_S="2", GREENROOM_CLIENT_PONG_TIMEOUT_S="1.9", GREENROOM_BUILT_IN_VIEWS=CHAT_VIEWS
    )
    server.start()
    yield server
    server.remove()


@pytest.fixture(scope="session")
def _mortal_server() -> Iterator[Server]:
    server = Server(GREENROOM_BUILT_IN_VIEWS=CHAT_VIEWS)
    server.start()
    yield server
    server.remove()


@pytest.fixture
def server(_steady_server: Server) -> Iterator[Server]:
    """A running server. Use a room of your own in it, and leave it running."""
    yield from _with_its_log(_steady_server)


@pytest.fixture
def mortal_server(_mortal_server: Server) -> Iterator[Server]:
    """A running server to stop, kill and start again. It starts again in the same folder, on the same port."""
    if not _mortal_server.running:  # a test died between a kill and a start
        _mortal_server.restart()
    yield from _with_its_log(_mortal_server)


def _with_its_log(server: Server) -> Iterator[Server]:
    since = server.log_bytes()
    yield server
    print(server.log(since)[-20_000:])  # pytest shows it when the test has failed


@pytest.fixture
def room() -> str:
    """A room that no other test uses."""
    return f"room:e2e-{next(room_numbers)}"


@pytest.fixture(scope="session")
def sdk_js() -> Iterator[JavaScript]:
    """The scenarios of tests/js/sdk.mjs, with the official JavaScript SDK."""
    need("Node (npm ci in tests/js)", JavaScript.available(JS / "node_modules" / "centrifuge"))
    with JavaScript(JS / "sdk.mjs") as script:
        yield script


@pytest.fixture(scope="session")
def chromium() -> Iterator[JavaScript]:
    """The scenarios of tests/js/chat.mjs, in Chromium."""
    need_browser()
    with JavaScript(JS / "chat.mjs") as script:
        yield script


def need_browser() -> None:
    need("Node (npm ci in tests/js)", JavaScript.available(JS / "node_modules" / "playwright-core"))
    need("Chromium", any(Path(program).exists() for program in CHROMIUM))


def need(what: str, there: bool) -> None:
    """Skip, naming what is missing; fail where nothing may be skipped."""
    if not there:
        if os.environ.get("GREENROOM_TEST_ALL") == "1" and what.split()[0] != os.environ.get("GREENROOM_TEST_WITHOUT"):
            pytest.fail(f"needs {what}")
        pytest.skip(f"needs {what}")
