"""What a group says in one sentence."""

import pytest

from greenroom.actors.inbox.wording import about_of, sentence, who


@pytest.mark.parametrize(
    ("names", "count", "said"),
    [
        (["ann"], 1, "ann"),
        (["ann", "bob"], 2, "ann and bob"),
        (["ann", "bob"], 3, "ann, bob and 1 other"),
        (["ann", "bob"], 10, "ann, bob and 8 others"),
        ([], 1, "Somebody"),
        ([], 5, "5 people"),
    ],
)
def test_who(names: list[str], count: int, said: str) -> None:
    assert who(names, count) == said


def test_one_follows_and_two_follow() -> None:
    assert sentence("follow", ["ann"], 1) == "ann now follows you"
    assert sentence("follow", ["ann", "bob"], 2) == "ann and bob now follow you"
    assert sentence("like", ["ann", "bob"], 10) == "ann, bob and 8 others reacted to your post"


def test_an_application_says_it_in_its_own_words() -> None:
    assert sentence("other", ["ann", "bob"], 3, "rang at your door") == "ann, bob and 1 other rang at your door"
    assert sentence("other", ["ann"], 1) == "ann has something for you"
    assert sentence("other", ["ann", "bob"], 2) == "ann and bob have something for you"


def test_a_name_with_braces_is_only_a_name() -> None:
    assert sentence("like", ["{0.__class__}"], 1) == "{0.__class__} reacted to your post"


def test_about_whoever_did_it_where_nothing_else_is_kept() -> None:
    assert about_of("post:p", ["ann"]) == "post:p" and about_of("", ["ann"]) == "profile:ann" and about_of("", []) == ""
