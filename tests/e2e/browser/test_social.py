"""The page of people and posts in Chromium. The scenarios are in tests/js/social.mjs; each fails on any error in the
console.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.conftest import JS, need_browser
from tests.e2e.javascript import JavaScript
from tests.e2e.media.files import picture
from tests.e2e.server import Server, wait_until

POSTS = 45  # more than two pages


@pytest.fixture(scope="module")
def people() -> Iterator[JavaScript]:
    """The scenarios, in Chromium."""
    need_browser()
    with JavaScript(JS / "social.mjs") as script:
        yield script


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    one = Server(
        GREENROOM_ENTITIES="greenroom.social",
        GREENROOM_WORK="social:2,media:1",
        GREENROOM_MEDIA=f"file://{tmp_path_factory.mktemp('pictures')}",
    )
    one.start()
    yield one
    print(one.log()[-20_000:])
    one.remove()


def follow(server: Server, follower: str, author: str) -> None:
    server.command(f"follows:{follower}", "follow", {"user": author}, user=follower)

    def follows() -> bool:
        relation = server.command(f"follows:{follower}", "relate", {"user": author}, user=follower)
        return bool(relation["standing"] == "following")

    wait_until(follows, f"{follower} to follow {author}")


def post(server: Server, author: str, text: str) -> None:
    server.command(f"feed:{author}", "post", {"text": text}, user=author)


def test_a_name_is_asked_for_and_kept(people: JavaScript, server: Server) -> None:
    people.run("a_name_is_asked_for_and_kept", {"url": server.url})


def test_three_people(people: JavaScript, server: Server, tmp_path: Path) -> None:
    (tmp_path / "roast.jpg").write_bytes(picture(600, 400))
    people.run("three_people", {"url": server.url, "picture": str(tmp_path / "roast.jpg")})


def test_who_is_private_is_asked(people: JavaScript, server: Server) -> None:
    people.run("who_is_private_is_asked", {"url": server.url, "users": ["pia", "quin"]})


def test_a_story_is_seen(people: JavaScript, server: Server) -> None:
    follow(server, "dee", "eli")
    people.run("a_story_is_seen", {"url": server.url, "users": ["eli", "dee"]})


def test_people_posts_and_tags_are_found(people: JavaScript, server: Server) -> None:
    server.command("profile:fay", "set", {"name": "Quetzal", "bio": "drums"}, user="fay")
    post(server, "fay", "A marimba, for sale #percussion")
    people.run("people_posts_and_tags_are_found", {"url": server.url, "author": "fay"})


def test_a_long_feed_is_read(people: JavaScript, server: Server) -> None:
    authors = ["gus", "ida", "jon", "kim", "leo"]  # of whom somebody new sees no more than ten posts each
    server.command("profile:gus", "set", {"name": "Longwall"}, user="gus")
    for author in authors:
        follow(server, "hal", author)
    for number in range(POSTS):
        post(server, authors[number % len(authors)], f"number {number}")
    given = {"url": server.url, "reader": "hal", "count": POSTS}
    people.run("a_long_feed_is_read", given, {"post another": lambda: post(server, "gus", "another")})
