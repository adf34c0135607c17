"""The pictures of the documents, made anew in Chromium:

python -m tests.e2e.browser.pictures docs/images
"""

import sys
from pathlib import Path
from typing import Any

from tests.e2e.conftest import CHAT_VIEWS, JS
from tests.e2e.javascript import JavaScript
from tests.e2e.server import Server, wait_until

ROOM = "room:tour"
TALK = (
    ("ben", "I’ll bring the second keyboard then."),
    ("cleo", "Who has the set list? The one from Lisbon had the two new songs in it."),
    ("ann", "Here. Ben, you open with “Harbour”."),
    ("ben", "Fine by me. Without the long intro this time?"),
    ("ann", "Half of it. We have forty minutes."),
)


def say(server: Server, room: str, user: str, text: str) -> int:
    offset: int = server.command(room, "send", {"text": text}, user=user)["offset"]
    return offset


def set_up(server: Server) -> None:
    """A room to look at, and others in which something is new."""
    server.command(ROOM, "join", user="ann")
    server.command(ROOM, "set", {"title": "Tour crew"}, user="ann")
    for user in ("ben", "cleo"):
        server.command(ROOM, "join", user=user)
    server.command(ROOM, "role", {"user": "cleo", "role": "moderator"}, user="ann")
    pinned = say(server, ROOM, "ann", "Soundcheck is at six, doors at seven.")
    for user, text in TALK:
        say(server, ROOM, user, text)
    last = say(server, ROOM, "cleo", "See you all in the green room 🎹")
    server.command(ROOM, "react", {"offset": last, "emoji": "👍"}, user="ben")
    server.command(ROOM, "set", {"pinned": pinned}, user="ann")
    for room in ("room:set%20lists", "room:lobby"):
        server.command(room, "join", user="ann")
    server.command("room:set%20lists", "read", {"offset": say(server, "room:set%20lists", "ann", "Lisbon, with notes")})
    server.command("room:@ann%2Bben", "read", {"offset": say(server, "room:@ann%2Bben", "ben", "Train at nine?")})
    say(server, "room:@ann%2Bben", "ben", "Found your capo, by the way")
    for user, text in (("dana", "Doors are open"), ("dana", "@ann two more on the list?"), ("eli", "Merch is set up")):
        say(server, "room:lobby", user, text)


def unread(server: Server) -> int:
    rows: list[dict[str, Any]] = server.request("GET", "/api/conversations/ann").body["rows"]
    return sum(row["unread"] for row in rows if row["room"] != "tour")


def main(folder: Path) -> None:
    # With a setting of Python's it is a process like any other, and needs nothing that a run of the tests has made.
    server = Server(GREENROOM_BUILT_IN_VIEWS=CHAT_VIEWS, PYTHONUNBUFFERED="1")
    try:
        server.start()
        set_up(server)
        wait_until(lambda: unread(server) == 4, "the views to have all of it")
        with JavaScript(JS / "chat.mjs") as script:
            script.run("pictures", {"url": server.url, "room": ROOM, "folder": str(folder.resolve())})
    finally:
        server.remove()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
